//! The journal in a file: the contract, a full disk, and a file that somebody damaged.

use crate::storage::tests::conformance::{
    Random, conforms, does_what_memory_does, has_one_holder, load, record, records,
};
use crate::storage::{Cut, Loaded, Record, RedbStorage, Storage, StorageError};
use ::redb::backends::InMemoryBackend;
use ::redb::{Database, StorageBackend, TableDefinition};
use std::io::{Error, ErrorKind};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

fn open(path: &Path) -> Box<dyn Storage> {
    Box::new(RedbStorage::new(path))
}

#[test]
fn a_file_conforms() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("control.redb");
    conforms(&|| open(&path));
    has_one_holder(&|| open(&folder.path().join("held.redb")));
    for seed in 0..4 {
        does_what_memory_does(&|| open(&folder.path().join(format!("{seed}.redb"))), seed, 60);
    }
}

#[test]
fn nobody_else_may_read_the_file() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("control.redb");
    let mode = || std::fs::metadata(&path).expect("the file").permissions().mode() & 0o777;
    open(&path).load().expect("a new file");
    assert_eq!(mode(), 0o600);
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o644)).expect("ours");
    open(&path).load().expect("sound");
    assert_eq!(mode(), 0o600, "opened up by somebody, closed again");
}

#[test]
fn a_folder_that_is_not_there_and_a_file_that_is_none_are_named() {
    let folder = tempfile::tempdir().expect("a folder");
    for path in [folder.path().join("none/control.redb"), folder.path().to_path_buf()] {
        let error = open(&path).load().expect_err("no file");
        let is_named = error.to_string().contains(&path.display().to_string());
        assert!(matches!(&error, StorageError::Refused { .. }) && is_named, "{error}");
    }
    let other = folder.path().join("other");
    std::fs::write(&other, vec![b'x'; 10_000]).expect("room");
    let error = open(&other).load().expect_err("not a journal");
    assert!(!error.is_temporary(), "{error}");
    assert_eq!(std::fs::read(&other).expect("there"), vec![b'x'; 10_000], "left as it was");
}

/// A disk of so many bytes, shared by all that is opened on it.
#[derive(Debug)]
struct SmallDisk {
    content: Arc<InMemoryBackend>,
    room: Arc<AtomicU64>,
}

impl SmallDisk {
    fn check(&self, end: u64) -> Result<(), Error> {
        if end > self.room.load(Ordering::Relaxed) { Err(ErrorKind::StorageFull.into()) } else { Ok(()) }
    }
}

impl StorageBackend for SmallDisk {
    fn len(&self) -> Result<u64, Error> {
        self.content.len()
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> Result<(), Error> {
        self.content.read(offset, out)
    }

    fn set_len(&self, len: u64) -> Result<(), Error> {
        // A file may be longer than what is written of it.
        self.content.set_len(len)
    }

    fn sync_data(&self) -> Result<(), Error> {
        self.content.sync_data()
    }

    fn write(&self, offset: u64, data: &[u8]) -> Result<(), Error> {
        self.check(offset + data.len() as u64)?;
        self.content.write(offset, data)
    }
}

#[test]
fn a_full_disk_is_told_and_changes_nothing() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("unused");
    let (content, room) = (Arc::new(InMemoryBackend::new()), Arc::new(AtomicU64::new(2_000_000)));
    let open = || -> Box<dyn Storage> {
        let (content, room) = (content.clone(), room.clone());
        Box::new(RedbStorage::made_by(
            &path,
            Box::new(move |builder, _| {
                builder.create_with_backend(SmallDisk { content: content.clone(), room: room.clone() })
            }),
        ))
    };
    let mut storage = open();
    storage.load().expect("room for an empty journal");
    let mut refusals = 0;
    for index in 1..=60 {
        let batch = [Record { body: vec![7; 60_000], ..record(index, 1) }];
        while let Err(error) = storage.append(&batch) {
            assert!(matches!(&error, StorageError::Full { .. }) && error.is_temporary(), "{error}");
            refusals += 1;
            assert!(storage.snapshot(index - 1, &vec![1; 16_000_000]).is_err(), "no room for a state either");
            drop(storage);
            storage = open();
            let found = storage.load().expect("sound");
            assert_eq!((found.records.len() as u64, found.snapshot), (index - 1, None), "JOURNAL-3");
            room.fetch_add(1_000_000, Ordering::Relaxed);
        }
    }
    assert!((2..100).contains(&refusals), "{refusals} refused");
    // The same without opening anything again: what failed is simply tried again.
    room.store(0, Ordering::Relaxed);
    let batch = records(61..=80, 2);
    assert!(storage.append(&batch).is_err_and(|error| error.is_temporary()));
    room.store(u64::MAX, Ordering::Relaxed);
    storage.append(&batch).expect("there is room again");
    assert_eq!(storage.load().expect("sound").records[60..], batch);
}

/// Writes an entry as no journal would.
fn overwrite(path: &Path, index: u64, bytes: &[u8]) {
    let database = Database::open(path).expect("ours");
    let transaction = database.begin_write().expect("ours");
    {
        let table: TableDefinition<'_, u64, &[u8]> = TableDefinition::new("journal");
        transaction.open_table(table).expect("the table").insert(index, bytes).expect("room");
    }
    transaction.commit().expect("room");
}

#[test]
fn a_damaged_last_record_is_cut_and_a_damaged_earlier_one_is_an_error() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("control.redb");
    let mut storage = open(&path);
    storage.load().expect("new");
    storage.append(&records(1..=5, 1)).expect("room");
    drop(storage);
    let mut damaged = records(5..=5, 1)[0].encode();
    damaged[50] ^= 1;
    overwrite(&path, 5, &damaged);
    let expected =
        Loaded { records: records(1..=4, 1), cut: Some(Cut { first_index: 5, dropped: 1 }), ..Loaded::default() };
    assert_eq!(load(&|| open(&path)), expected);
    let mut storage = open(&path);
    storage.load().expect("cut");
    storage.append(&records(5..=6, 2)).expect("goes on behind the cut");
    drop(storage);
    assert_eq!(load(&|| open(&path)).records, [records(1..=4, 1), records(5..=6, 2)].concat());
    overwrite(&path, 3, &damaged);
    let error = open(&path).load().expect_err("acknowledged events are gone");
    assert!(matches!(&error, StorageError::Corrupt { .. }) && error.to_string().contains("event 3"), "{error}");
}

#[test]
fn a_file_that_was_cut_short_or_overwritten_gives_an_error_or_the_truth() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("control.redb");
    let mut storage = open(&path);
    storage.load().expect("new");
    storage.append(&records(1..=40, 1)).expect("room");
    storage.snapshot(20, &[3; 30_000]).expect("room");
    storage.append(&records(41..=50, 1)).expect("room");
    drop(storage);
    let (sound, truth) = (std::fs::read(&path).expect("there"), load(&|| open(&path)));
    let mut random = Random(5);
    let (mut errors, mut truths) = (0, 0);
    for round in 0..60 {
        let mut bytes = sound.clone();
        if round % 3 == 0 {
            bytes.truncate(random.below(sound.len() as u64) as usize);
        } else {
            let start = random.below(sound.len() as u64) as usize;
            let end = (start + 1 + random.below(6_000) as usize).min(sound.len());
            bytes[start..end].iter_mut().for_each(|byte| *byte ^= 0x55);
        }
        std::fs::write(&path, &bytes).expect("room");
        match open(&path).load() {
            Err(error) => {
                assert!(!error.is_temporary(), "{error}");
                errors += 1;
            }
            Ok(found) => {
                let is_prefix =
                    found.records.len() <= truth.records.len() && found.records == truth.records[..found.records.len()];
                // An emptied file is a new one.
                let is_new = bytes.is_empty() && found == Loaded::default();
                assert!(is_new || (is_prefix && found.snapshot == truth.snapshot), "round {round}");
                truths += 1;
            }
        }
    }
    assert!(errors > 10 && truths > 0, "{errors} errors, {truths} times the truth");
}
