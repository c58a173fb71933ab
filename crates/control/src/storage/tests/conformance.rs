//! The contract of `Storage`, clause by clause. A place under test is a way to open the same place again.

use crate::storage::{Large, LargeBody, Loaded, MemoryStorage, Record, Snapshot, Storage, StorageError};
use trygon_ids::NodeId;

/// Opens the place under test; what was opened before is dropped by then.
pub(crate) type Open<'a> = &'a dyn Fn() -> Box<dyn Storage>;

/// A record whose content follows from its index and a salt.
pub(crate) fn record(index: u64, salt: u8) -> Record {
    let len = [0, 1, 17, 300, 5_000][(index % 5) as usize];
    let body = (0..len).map(|place| (place as u8).wrapping_mul(31) ^ salt ^ index as u8).collect();
    let large = (index % 7 == 3).then(|| LargeBody::new(vec![salt; 70_000]));
    Record { index, at_us: 1_000 + index, origin: NodeId::new([salt; 28]), label: format!("event {salt}"), body, large }
}

pub(crate) fn records(indices: std::ops::RangeInclusive<u64>, salt: u8) -> Vec<Record> {
    indices.map(|index| record(index, salt)).collect()
}

/// What a new holder finds, without warnings: they are about how the place is set.
pub(crate) fn load(open: Open<'_>) -> Loaded {
    Loaded { warnings: Vec::new(), ..open().load().expect("a sound place") }
}

fn holding(snapshot: Option<(u64, &[u8])>, records: Vec<Record>) -> Loaded {
    let snapshot = snapshot.map(|(through, state)| Snapshot { through, state: state.to_vec(), large: Vec::new() });
    Loaded { snapshot, records, ..Loaded::default() }
}

/// Every clause that holds for a place by itself; the place must be empty.
pub(crate) fn conforms(open: Open<'_>) {
    assert_eq!(load(open), Loaded::default());
    let mut storage = open();
    storage.load().expect("empty");
    storage.append(&[]).expect("nothing to do");
    storage.append(&records(1..=1, 1)).expect("room");
    storage.append(&records(2..=9, 1)).expect("room");
    drop(storage);
    assert_eq!(load(open), holding(None, records(1..=9, 1)), "JOURNAL-2: what was appended is there");
    replaces_what_a_failed_append_left(open);
    snapshot_takes_the_place_of_records(open);
    large_things_are_kept(open);
}

/// Clause 2; begins with the records 1 to 9.
fn replaces_what_a_failed_append_left(open: Open<'_>) {
    let mut storage = open();
    storage.load().expect("sound");
    storage.append(&records(8..=8, 2)).expect("room");
    storage.append(&records(9..=10, 3)).expect("room");
    drop(storage);
    let all = [records(1..=7, 1), records(8..=8, 2), records(9..=10, 3)].concat();
    assert_eq!(load(open), holding(None, all), "JOURNAL-3: the later append counts");
}

/// Clause 3; begins with the records 1 to 10.
fn snapshot_takes_the_place_of_records(open: Open<'_>) {
    let mut storage = open();
    storage.load().expect("sound");
    storage.snapshot(9, b"state through 9", &[]).expect("room");
    storage.append(&records(11..=12, 4)).expect("room");
    drop(storage);
    let rest = [records(10..=10, 3), records(11..=12, 4)].concat();
    assert_eq!(load(open), holding(Some((9, b"state through 9")), rest));
    let mut storage = open();
    storage.load().expect("sound");
    storage.snapshot(12, &[], &[]).expect("room");
    drop(storage);
    assert_eq!(load(open), holding(Some((12, &[])), Vec::new()), "an empty state is a state");
    let mut storage = open();
    storage.load().expect("sound");
    storage.append(&records(13..=13, 5)).expect("room");
    drop(storage);
    assert_eq!(load(open), holding(Some((12, &[])), records(13..=13, 5)), "an emptied journal goes on");
}

/// Begins with a snapshot through 12 and the record 13.
fn large_things_are_kept(open: Open<'_>) {
    let mut storage = open();
    storage.load().expect("sound");
    let state: Vec<u8> = (0..3_000_000_u32).map(|place| (place / 7) as u8).collect();
    storage.snapshot(13, &state, &[]).expect("room");
    let mut many = records(14..=2_013, 6);
    many[1_000].body = vec![9; 2_000_000];
    storage.append(&many).expect("room");
    drop(storage);
    assert_eq!(load(open), holding(Some((13, &state)), many));
}

/// Random appends, repeated appends, snapshots and restarts give what memory gives.
pub(crate) fn does_what_memory_does(open: Open<'_>, seed: u64, steps: u32) {
    let mut random = Random(seed);
    let mut model = MemoryStorage::default();
    let mut storage = open();
    storage.load().expect("empty");
    let (mut next, mut through) = (1, 0);
    for _ in 0..steps {
        match random.below(10) {
            0 if next > 1 => {
                through += random.below(next - through);
                let state = vec![through as u8; random.below(2_000) as usize];
                model.snapshot(through, &state, &[]).expect("memory");
                storage.snapshot(through, &state, &[]).expect("room");
            }
            1 => {
                drop(storage);
                let expected = model.load().expect("memory");
                storage = open();
                let found = Loaded { warnings: Vec::new(), ..storage.load().expect("sound") };
                assert_eq!(found, expected, "JOURNAL-2: seed {seed}");
            }
            choice => {
                // Sometimes the last records once more, as after a failure.
                let back = if choice == 2 { random.below((next - 1 - through).min(3) + 1) } else { 0 };
                let first = next - back;
                next = first + 1 + random.below(6);
                let batch = records(first..=next - 1, random.below(200) as u8);
                model.append(&batch).expect("memory");
                storage.append(&batch).expect("room");
            }
        }
    }
    drop(storage);
    assert_eq!(load(open), model.load().expect("memory"), "JOURNAL-2: seed {seed}");
}

/// Clause 5.
pub(crate) fn has_one_holder(open: Open<'_>) {
    let mut first = open();
    first.load().expect("nobody else");
    first.append(&records(1..=2, 1)).expect("room");
    let mut second = open();
    match second.load() {
        Err(StorageError::InUse { .. }) => {
            drop(second);
            first.append(&records(3..=3, 1)).expect("the first goes on");
            drop(first);
        }
        Err(other) => panic!("{other}"),
        Ok(_) => {
            second.append(&records(3..=3, 1)).expect("the second holds it");
            let error = first.append(&records(3..=4, 9)).expect_err("two would decide for one cluster");
            assert!(matches!(&error, StorageError::Superseded { .. }) && !error.is_temporary(), "{error}");
            let error = first.snapshot(3, b"mine", &[]).expect_err("two would decide for one cluster");
            assert!(matches!(&error, StorageError::Superseded { .. }), "{error}");
            drop((first, second));
        }
    }
    assert_eq!(load(open), holding(None, records(1..=3, 1)));
}

/// Small, good enough, and the same everywhere.
pub(crate) struct Random(pub(crate) u64);

impl Random {
    pub(crate) fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (self.0 >> 33) % limit.max(1)
    }
}

#[test]
fn memory_conforms() {
    let shared = std::sync::Arc::new(parking_lot::Mutex::new(MemoryStorage::default()));
    let open = || Box::new(Shared(shared.clone())) as Box<dyn Storage>;
    conforms(&open);
    *shared.lock() = MemoryStorage::default();
    does_what_memory_does(&open, 1, 300);
}

/// Memory ends with its value; the suite opens places again.
struct Shared(std::sync::Arc<parking_lot::Mutex<MemoryStorage>>);

impl Storage for Shared {
    fn place(&self) -> String {
        self.0.lock().place()
    }

    fn load(&mut self) -> Result<Loaded, StorageError> {
        self.0.lock().load()
    }

    fn append(&mut self, records: &[Record]) -> Result<(), StorageError> {
        self.0.lock().append(records)
    }

    fn snapshot(&mut self, through: u64, state: &[u8], large: &[Large<'_>]) -> Result<(), StorageError> {
        self.0.lock().snapshot(through, state, large)
    }
}
