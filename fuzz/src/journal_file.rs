//! The head's journal folder, damaged. Input: changes to a sound one, each a byte for the file, one for the form, three for the place and one
//! for the value.

use crate::input::Input;
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;
use trygon_control::storage::{FileStorage, Loaded, Record, Storage, StorageError};
use trygon_ids::NodeId;

/// Events in the sound folder, and those that its two snapshots hold.
const EVENTS: u64 = 9;
const SNAPSHOTS: [u64; 2] = [2, 5];

type Files = BTreeMap<PathBuf, Vec<u8>>;
static SOUND: OnceLock<(Files, PathBuf)> = OnceLock::new();

fn record(index: u64) -> Record {
    let (label, body) = ("key_value".to_owned(), vec![index as u8; 40]);
    Record { index, at_us: index, origin: NodeId::nil(), label, body, large: None }
}

fn state(through: u64) -> Vec<u8> {
    format!("what {through} events made").into_bytes()
}

fn files(folder: &Path, inside: &Path, found: &mut Files) {
    for entry in std::fs::read_dir(folder.join(inside)).expect("a folder").flatten() {
        let path = inside.join(entry.file_name());
        if entry.path().is_dir() {
            files(folder, &path, found);
        } else {
            found.insert(path, std::fs::read(entry.path()).expect("a file"));
        }
    }
}

fn sound() -> (Files, PathBuf) {
    let folder = PathBuf::from(format!("/dev/shm/trygon-fuzz-journal-{}", std::process::id()));
    let _ = std::fs::remove_dir_all(&folder);
    let mut storage = FileStorage::new(folder.clone());
    storage.load().expect("a new folder");
    for index in 1..=EVENTS {
        storage.append(&[record(index)]).expect("an event");
        if SNAPSHOTS.contains(&index) {
            storage.snapshot(index, &state(index), &[]).expect("a snapshot");
        }
    }
    drop(storage);
    let mut found = Files::new();
    files(&folder, Path::new(""), &mut found);
    std::fs::remove_dir_all(&folder).expect("the folder");
    (found, folder)
}

fn damaged(sound: &Files, data: &[u8]) -> Files {
    let (mut all, mut input) = (sound.clone(), Input::new(data));
    while !input.is_empty() {
        let (which, form) = (usize::from(input.byte()), input.byte());
        let place = input.take(3).iter().fold(0, |place, byte| place << 8 | usize::from(*byte));
        let value = input.byte();
        let Some(name) = all.keys().nth(which % all.len().max(1)).cloned() else { break };
        let Some(bytes) = all.get_mut(&name) else { break };
        let place = place % (bytes.len() + 1);
        match form % 7 {
            0 => bytes.iter_mut().skip(place).take(1).for_each(|byte| *byte = value),
            1 => bytes.iter_mut().skip(place).take(1).for_each(|byte| *byte ^= 1 << (value & 7)),
            2 => bytes.truncate(place),
            3 => bytes.iter_mut().skip(place).take(usize::from(value)).for_each(|byte| *byte = form),
            4 => bytes.extend(std::iter::repeat_n(value, place.min(200))),
            5 if bytes.len() < 10_000 => bytes.extend_from_within(place..),
            5 => {}
            _ => _ = all.remove(&name),
        }
    }
    all
}

fn check(loaded: &Loaded) -> u64 {
    let through = loaded.snapshot.as_ref().map_or(0, |snapshot| snapshot.through);
    if let Some(snapshot) = &loaded.snapshot {
        assert_eq!(snapshot.state, state(through), "JOURNAL-2: a snapshot that was never written");
    }
    for (index, read) in (through + 1..).zip(&loaded.records) {
        assert_eq!(*read, record(index), "JOURNAL-2");
    }
    through + loaded.records.len() as u64
}

/// It is refused, or what is read is a prefix of what was written, and can be gone on from.
pub(crate) fn journal_file(data: &[u8]) {
    let (sound, folder) = SOUND.get_or_init(sound);
    let all = damaged(sound, data);
    let is_sound = all == *sound;
    for (name, bytes) in &all {
        let path = folder.join(name);
        std::fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
        std::fs::write(path, bytes).expect("a file");
    }
    let mut storage = FileStorage::new(folder.clone());
    match storage.load() {
        Ok(loaded) => {
            let last = check(&loaded);
            assert!(!is_sound || last == EVENTS);
            storage.append(&[record(last + 1)]).expect("there is room");
            drop(storage);
            let again = FileStorage::new(folder.clone()).load().expect("what was just written");
            assert_eq!(check(&again), last + 1, "JOURNAL-2: an acknowledged event is gone");
        }
        Err(StorageError::InUse { .. }) => panic!("nobody else uses it"),
        Err(error) => assert!(!is_sound && !error.to_string().is_empty()),
    }
    let _ = std::fs::remove_dir_all(folder);
}
