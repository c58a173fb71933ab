//! The journal in a folder: the contract, and what may be in the way of it.

use crate::storage::tests::conformance::{conforms, does_what_memory_does, has_one_holder, record, records};
use crate::storage::{FileStorage, Large, LargeBody, Record, Storage, StorageError, digest_of};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

pub(crate) fn open(path: &Path) -> Box<dyn Storage> {
    Box::new(FileStorage::new(path))
}

#[test]
fn a_folder_conforms() {
    let folder = tempfile::tempdir().expect("a folder");
    conforms(&|| open(&folder.path().join("control")));
    has_one_holder(&|| open(&folder.path().join("held")));
    for seed in 0..2 {
        does_what_memory_does(&|| open(&folder.path().join(seed.to_string())), seed, 60);
    }
}

#[test]
fn nobody_else_may_look_into_the_folder() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("control");
    let mode = || std::fs::metadata(&path).expect("the folder").permissions().mode() & 0o777;
    open(&path).load().expect("a new folder");
    assert_eq!(mode(), 0o700);
    std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o755)).expect("ours");
    open(&path).load().expect("sound");
    assert_eq!(mode(), 0o700, "opened up by somebody, closed again");
}

#[test]
fn a_parent_that_is_not_there_and_a_file_are_named() {
    let folder = tempfile::tempdir().expect("a folder");
    let file = folder.path().join("file");
    std::fs::write(&file, b"something else").expect("room");
    for path in [folder.path().join("none/control"), file.clone()] {
        let error = open(&path).load().expect_err("no folder");
        let is_named = error.to_string().contains(&path.display().to_string());
        assert!(matches!(&error, StorageError::Refused { .. }) && is_named, "{error}");
    }
    assert_eq!(std::fs::read(&file).expect("there"), b"something else", "left as it was");
}

#[test]
fn a_holder_whose_folder_was_taken_or_removed_writes_no_more() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("control");
    let mut first = open(&path);
    first.load().expect("new");
    // As where a file system keeps no locks: another one has written its number.
    std::fs::write(path.join("holder"), 77_u64.to_le_bytes()).expect("ours");
    let error = first.append(&records(1..=1, 1)).expect_err("two would decide for one cluster");
    assert!(matches!(&error, StorageError::Superseded { .. }) && !error.is_temporary(), "{error}");
    drop(first);
    let mut second = open(&path);
    assert_eq!(second.load().expect("free").records, []);
    std::fs::remove_dir_all(&path).expect("ours");
    let error = second.append(&records(1..=1, 1)).expect_err("nothing would be kept");
    assert!(error.to_string().contains("removed") && !error.is_temporary(), "{error}");
}

#[test]
fn large_values_are_kept_once_and_collected() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("control");
    let blobs = || std::fs::read_dir(path.join("blobs")).expect("there").count();
    let size_bytes = || -> u64 {
        let files =
            std::fs::read_dir(&path).expect("there").chain(std::fs::read_dir(path.join("blobs")).expect("there"));
        files.map(|file| file.and_then(|file| file.metadata()).expect("ours").len()).sum()
    };
    let value = vec![5; 1_000_000];
    let mut storage = open(&path);
    storage.load().expect("new");
    let with = |index| Record { large: Some(LargeBody::new(value.clone())), ..record(index, 1) };
    storage.append(&[with(1), with(2)]).expect("room");
    let large = [Large { digest: digest_of(&value), bytes: &value }];
    storage.snapshot(2, b"with it", &large).expect("room");
    storage.append(&[with(3)]).expect("room");
    assert!(blobs() == 1 && size_bytes() < 1_020_000, "{} bytes", size_bytes());
    drop(storage);
    let mut storage = open(&path);
    let found = storage.load().expect("sound");
    assert_eq!(found.snapshot.expect("a snapshot").large, [(large[0].digest, value.clone())]);
    assert_eq!(found.records, [with(3)]);
    // The state lets go of it; the snapshot before still has it, and the next one removes that.
    storage.snapshot(3, b"without", &[]).expect("room");
    assert_eq!(blobs(), 1);
    storage.append(&[Record { large: None, ..record(4, 1) }]).expect("room");
    storage.snapshot(4, b"without", &[]).expect("room");
    assert!(blobs() == 0 && size_bytes() < 20_000, "{} bytes", size_bytes());
}
