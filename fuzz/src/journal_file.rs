//! The head's journal file, damaged. Input: changes to a sound file, each a byte for the form, three for the place and one for the value.

use crate::input::Input;
use std::path::PathBuf;
use std::sync::OnceLock;
use trygon_control::storage::{Record, RedbStorage, Storage, StorageError};
use trygon_ids::NodeId;

/// Events in the sound file.
const EVENTS: u64 = 6;
static SOUND: OnceLock<(Vec<u8>, PathBuf)> = OnceLock::new();

fn record(index: u64) -> Record {
    let body = vec![index as u8; 40];
    Record { index, at_us: index, origin: NodeId::nil(), label: "key_value".to_owned(), body }
}

fn sound() -> (Vec<u8>, PathBuf) {
    let folder = PathBuf::from(std::env::var_os("TRYGON_FUZZ_FOLDER").unwrap_or_else(|| "/dev/shm".into()));
    let path = folder.join(format!("trygon-fuzz-journal-{}", std::process::id()));
    let _ = std::fs::remove_file(&path);
    let mut storage = RedbStorage::new(path.clone());
    storage.load().expect("a new file");
    storage.snapshot(2, b"what two events made").expect("a snapshot");
    for index in 3..=EVENTS {
        storage.append(&[record(index)]).expect("an event");
    }
    drop(storage);
    (std::fs::read(&path).expect("the file"), path)
}

/// It is refused, or what is read is a prefix of what was written.
pub(crate) fn journal_file(data: &[u8]) {
    let (sound, path) = SOUND.get_or_init(sound);
    let mut bytes = sound.clone();
    let mut input = Input::new(data);
    while !input.is_empty() {
        let form = input.byte();
        let place = input.take(3).iter().fold(0, |place, byte| place << 8 | usize::from(*byte));
        let value = input.byte();
        if bytes.is_empty() {
            break;
        }
        let place = place % bytes.len();
        match form & 3 {
            0 => bytes[place] = value,
            1 => bytes[place] ^= 1 << (value & 7),
            2 => bytes.truncate(place),
            _ => {
                let end = (place + 256 * usize::from(value)).min(bytes.len());
                bytes[place..end].fill(form);
            }
        }
    }
    let is_sound = bytes == *sound;
    std::fs::write(path, &bytes).expect("the file");
    let loaded = RedbStorage::new(path.clone()).load();
    std::fs::remove_file(path).expect("the file");
    match loaded {
        Ok(loaded) => {
            let through = loaded.snapshot.as_ref().map_or(0, |snapshot| snapshot.through);
            assert!(!is_sound || through == 2 && loaded.records.len() as u64 == EVENTS - 2);
            for (index, read) in (through + 1..).zip(&loaded.records) {
                assert_eq!(*read, record(index), "JOURNAL-2");
            }
        }
        Err(StorageError::InUse { .. }) => panic!("nobody else uses it"),
        Err(error) => assert!(!is_sound && !error.to_string().is_empty()),
    }
}
