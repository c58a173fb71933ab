//! Random events, a restart after each of them, and places that fail.

use crate::journal::{Journal, Limits};
use crate::machine::{Keep, Machine, Refusal, State};
use crate::storage::{Digest, Large, Loaded, MemoryStorage, Record, Storage, StorageError};
use parking_lot::Mutex;
use proptest::prelude::{Strategy, any, proptest};
use std::collections::BTreeMap;
use std::sync::Arc;
use trygon_ids::NodeId;

/// Something that a node says to the machine below.
#[derive(Clone, PartialEq, prost::Message)]
struct Said {
    /// 0 asks, 1 reports a load, 2 sets, 3 moves everything that is above the load.
    #[prost(uint32, tag = "1")]
    kind: u32,
    #[prost(uint32, tag = "2")]
    key: u32,
    #[prost(uint64, tag = "3")]
    value: u64,
}

/// Values by key, whose changes depend on loads, times and origins: whatever is lost or taken in twice shows.
#[derive(Debug, Clone, Default, PartialEq)]
struct Table {
    values: BTreeMap<u32, u64>,
    loads: BTreeMap<u8, u64>,
    last_us: u64,
}

impl Machine for Table {
    type Event = Said;
    type Output = Said;

    fn label(event: &Said) -> &'static str {
        ["ask", "load", "set", "move"][event.kind as usize % 4]
    }

    fn keep(event: &Said) -> Keep {
        [Keep::Never, Keep::Soon, Keep::Now, Keep::Now][event.kind as usize % 4]
    }

    fn is_hint(output: &Said) -> bool {
        output.kind == 1
    }

    fn apply(&mut self, now_us: u64, origin: NodeId, event: Said, out: &mut Vec<(NodeId, Said)>) {
        assert!(now_us >= self.last_us, "time goes back");
        let from = origin.as_bytes()[0];
        match event.kind % 4 {
            0 => out.push((origin, Said { value: self.values.get(&event.key).copied().unwrap_or(0), ..event })),
            1 => {
                self.last_us = now_us;
                self.loads.insert(from, event.value);
                out.push((origin, event.clone()));
                // A load can free what waited: more than a hint.
                if event.value.is_multiple_of(5) {
                    self.values.insert(event.key, event.value);
                    out.push((origin, Said { kind: 2, ..event }));
                }
            }
            2 => {
                self.last_us = now_us;
                self.values.insert(event.key, event.value ^ now_us);
                out.push((origin, event));
            }
            _ => {
                self.last_us = now_us;
                let load = self.loads.get(&from).copied().unwrap_or(3);
                self.values.values_mut().filter(|value| **value > load).for_each(|value| *value = *value / 2 + load);
                out.push((origin, event));
            }
        }
    }

    fn take_large(event: &mut Said) -> Option<Vec<u8>> {
        (event.key == 3).then(|| std::mem::take(&mut event.value).to_le_bytes().to_vec())
    }

    fn give_large(event: &mut Said, value: Vec<u8>) {
        event.value = value.try_into().map_or(0, u64::from_le_bytes);
    }

    fn snapshot(&self) -> Result<State<'_>, String> {
        let values = self.values.iter().flat_map(|(key, value)| [u64::from(*key), *value]);
        let loads = self.loads.iter().flat_map(|(key, value)| [u64::from(*key), *value]);
        let words = [self.last_us, self.values.len() as u64].into_iter().chain(values).chain(loads);
        Ok(State { bytes: words.flat_map(u64::to_le_bytes).collect(), large: Vec::new() })
    }

    fn restore(&mut self, state: &[u8], _: Vec<(Digest, Vec<u8>)>) -> Result<(), String> {
        let words: Vec<u64> = state.chunks_exact(8).map(|word| word.try_into().map_or(0, u64::from_le_bytes)).collect();
        let [last_us, count, pairs @ ..] = words.as_slice() else { return Err("too short".to_owned()) };
        let pairs: Vec<(u64, u64)> = pairs.chunks_exact(2).map(|pair| (pair[0], pair[1])).collect();
        let (values, loads) = pairs.split_at(*count as usize);
        *self = Self {
            values: values.iter().map(|(key, value)| (*key as u32, *value)).collect(),
            loads: loads.iter().map(|(key, value)| (*key as u8, *value)).collect(),
            last_us: *last_us,
        };
        Ok(())
    }

    fn number(_: &Said) -> u64 {
        0
    }

    fn heard(number: u64) -> Said {
        Said { kind: 9, key: 0, value: number }
    }

    fn refuse(_: &Said, _: &str) -> Refusal<Said> {
        Refusal::Waits
    }

    fn next_deadline_us(&self) -> Option<u64> {
        None
    }

    fn tick() -> Said {
        Said::default()
    }

    fn members(&self) -> Vec<NodeId> {
        Vec::new()
    }

    fn gone(_: String) -> Said {
        Said::default()
    }

    fn is_farewell(_: &Said) -> bool {
        false
    }
}

/// Memory that outlives its journal, and fails when it is told to.
#[derive(Clone, Default)]
struct Disk(Arc<Mutex<(MemoryStorage, Failure, u64)>>);

#[derive(Debug, Clone, Copy, Default, PartialEq)]
enum Failure {
    #[default]
    None,
    /// Nothing is kept.
    Before,
    /// All is kept, and nobody hears of it.
    After,
}

impl Disk {
    fn fails(&self, failure: Failure) {
        self.0.lock().1 = failure;
    }

    fn writes(&self) -> u64 {
        self.0.lock().2
    }

    fn open(&self, limits: Limits) -> Journal<Table> {
        Journal::open(Table::default(), Box::new(self.clone()), limits).expect("a sound place").0
    }

    fn attempt(&self, action: impl FnOnce(&mut MemoryStorage) -> Result<(), StorageError>) -> Result<(), StorageError> {
        let (storage, failure, writes) = &mut *self.0.lock();
        *writes += 1;
        let error = Err(StorageError::Unavailable { place: "it".to_owned(), message: "as told".to_owned() });
        match failure {
            Failure::None => action(storage),
            Failure::Before => error,
            Failure::After => action(storage).and(error),
        }
    }
}

impl Storage for Disk {
    fn place(&self) -> String {
        "it".to_owned()
    }

    fn load(&mut self) -> Result<Loaded, StorageError> {
        self.0.lock().0.load()
    }

    fn append(&mut self, records: &[Record]) -> Result<(), StorageError> {
        self.attempt(|storage| storage.append(records))
    }

    fn snapshot(&mut self, through: u64, state: &[u8], large: &[Large<'_>]) -> Result<(), StorageError> {
        self.attempt(|storage| storage.snapshot(through, state, large))
    }
}

const FEW: Limits = Limits { events: 7, size_bytes: 400 };
const MANY: Limits = Limits { events: u64::MAX, size_bytes: u64::MAX };

fn node(byte: u8) -> NodeId {
    NodeId::new([byte; 28])
}

fn said(kind: u32, key: u32, value: u64) -> (NodeId, Said) {
    (node(1), Said { kind, key, value })
}

fn batches() -> impl Strategy<Value = Vec<(u64, Vec<(NodeId, Said)>)>> {
    let event = (0..3_u8, 0..4_u32, 0..5_u32, any::<u16>())
        .prop_map(|(from, kind, key, value)| (node(from), Said { kind, key, value: u64::from(value) }));
    proptest::collection::vec((0..2_000_u64, proptest::collection::vec(event, 0..6)), 0..40)
}

proptest! {
    #[test]
    fn a_restart_at_any_point_gives_the_same_state(batches in batches(), few in any::<bool>()) {
        let (disk, limits) = (Disk::default(), if few { FEW } else { MANY });
        let mut journal = disk.open(limits);
        // Never restarted, never kept.
        let (mut twin, mut now_us) = (Table::default(), 0_u64);
        for (at_us, batch) in batches {
            // The clock of a machine may be set back.
            let (mut out, mut expected) = (Vec::new(), Vec::new());
            // Questions leave nothing, not even their time.
            if batch.iter().any(|(_, event)| Table::keep(event) > Keep::Never) {
                now_us = now_us.max(at_us);
            }
            for (origin, event) in batch.clone() {
                twin.apply(now_us, origin, event, &mut expected);
            }
            journal.commit(at_us, &mut batch.clone(), &mut out).expect("room");
            assert_eq!(out, expected);
            // What is not written may be lost, and nothing that counts came of it.
            journal.write().expect("room");
            if journal.is_snapshot_due() {
                journal.snapshot().expect("room");
            }
            journal = disk.open(limits);
            assert_eq!(journal.machine(), &twin, "JOURNAL-2: state after replay");
            assert_eq!(journal.machine().snapshot(), twin.snapshot());
        }
    }

    #[test]
    fn places_that_fail_lose_and_repeat_nothing(batches in batches(), failures in proptest::collection::vec(0..4_u8, 0..40)) {
        let disk = Disk::default();
        let mut journal = disk.open(MANY);
        let (mut twin, mut now_us) = (Table::default(), 0_u64);
        let failures = failures.into_iter().chain(std::iter::repeat(0));
        for ((at_us, batch), failure) in batches.into_iter().zip(failures) {
            let (mut out, mut expected, mut waiting) = (Vec::new(), Vec::new(), batch.clone());
            disk.fails([Failure::None, Failure::None, Failure::Before, Failure::After][usize::from(failure)]);
            let before = journal.machine().clone();
            if journal.commit(at_us, &mut waiting, &mut out).is_err() {
                assert!(out.is_empty(), "JOURNAL-1: nothing leaves");
                assert!(waiting.is_empty() || (journal.machine() == &before && waiting == batch), "JOURNAL-3");
                disk.fails(Failure::None);
                journal.commit(at_us, &mut waiting, &mut out).expect("room again");
            }
            disk.fails(Failure::None);
            now_us = now_us.max(at_us);
            for (origin, event) in batch {
                twin.apply(now_us, origin, event, &mut expected);
            }
            assert_eq!((&out, journal.machine()), (&expected, &twin));
        }
        journal.write().expect("room");
        assert_eq!(disk.open(MANY).machine(), &twin, "JOURNAL-2: state after replay");
    }
}

#[test]
fn an_effect_leaves_after_its_event_was_kept() {
    let disk = Disk::default();
    let mut journal = disk.open(MANY);
    let mut out = Vec::new();
    for count in 1..20_u64 {
        journal.commit(count, &mut vec![said(2, 1, count)], &mut out).expect("room");
        assert_eq!(out.len() as u64, count);
        assert_eq!(disk.open(MANY).machine(), journal.machine(), "JOURNAL-1: on disk when it may be sent");
    }
}

#[test]
fn what_waits_is_kept_with_one_write() {
    let disk = Disk::default();
    let mut journal = disk.open(MANY);
    let mut batch: Vec<_> = (0..1_000).map(|count| said(2, count, 9)).collect();
    journal.commit(1, &mut batch, &mut Vec::new()).expect("room");
    assert_eq!((disk.writes(), journal.last_index()), (1, 1_000));
}

#[test]
fn questions_and_hints_need_no_write_and_are_kept_before_what_they_lead_to() {
    let disk = Disk::default();
    let mut journal = disk.open(MANY);
    let mut out = Vec::new();
    journal.commit(1, &mut vec![said(0, 1, 0), said(1, 1, 7)], &mut out).expect("no write");
    assert_eq!((disk.writes(), out.len(), journal.has_unwritten()), (0, 2, true));
    // What comes of this load is more than a hint.
    journal.commit(2, &mut vec![said(1, 1, 10)], &mut out).expect("room");
    assert_eq!((disk.writes(), journal.has_unwritten()), (1, false));
    journal.commit(3, &mut vec![said(1, 1, 8)], &mut out).expect("no write");
    journal.commit(4, &mut vec![said(3, 1, 0)], &mut out).expect("room");
    assert_eq!(disk.writes(), 2);
    assert_eq!(disk.open(MANY).machine(), journal.machine(), "the load is there that the move went by");
}

#[test]
fn the_journal_stays_short() {
    let disk = Disk::default();
    let mut journal = disk.open(FEW);
    for count in 0..100 {
        journal.commit(count, &mut vec![said(2, 1, count)], &mut Vec::new()).expect("room");
        if journal.is_snapshot_due() {
            journal.snapshot().expect("room");
        }
        assert!(disk.clone().load().expect("sound").records.len() < 8);
    }
    disk.fails(Failure::Before);
    assert!(journal.snapshot().is_err() && !journal.is_snapshot_due(), "tried again later, not at once");
    disk.fails(Failure::None);
    assert_eq!(disk.open(FEW).machine(), journal.machine());
}

#[test]
fn an_event_that_makes_no_sense_names_itself() {
    let mut disk = Disk::default();
    let record = Record { index: 1, at_us: 1, origin: node(1), label: "set".to_owned(), body: vec![0xff], large: None };
    disk.append(&[record]).expect("room");
    let error = Journal::open(Table::default(), Box::new(disk), MANY).expect_err("no event");
    assert!(matches!(&error, StorageError::Corrupt { .. }) && error.to_string().contains("event 1 (set)"), "{error}");
}
