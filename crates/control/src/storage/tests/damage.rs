//! A folder that a crash, a bad disk or a person has damaged: the last append may be cut, said with numbers; nothing else is lost silently.

use crate::storage::tests::conformance::{Random, load, record, records};
use crate::storage::tests::file::open;
use crate::storage::{LARGE_BYTES, Large, LargeBody, Loaded, Record, StorageError, digest_of};
use std::path::{Path, PathBuf};

/// A folder with three appends, the last of them of two events.
fn made(folder: &Path) -> (PathBuf, Vec<Record>) {
    let path = folder.join("control");
    let mut storage = open(&path);
    storage.load().expect("new");
    let all: Vec<Record> = records(1..=6, 1).into_iter().map(small).collect();
    for range in [0..2, 2..4, 4..6] {
        storage.append(&all[range]).expect("room");
    }
    (path, all)
}

/// Without what makes a test of every byte take long.
fn small(mut record: Record) -> Record {
    record.body.truncate(40);
    Record { large: None, ..record }
}

fn journal(path: &Path, base: u64) -> PathBuf {
    path.join(format!("journal-{base:020}"))
}

/// Where each append of a journal ends.
fn ends(bytes: &[u8]) -> Vec<usize> {
    let mut ends = vec![36];
    while let Some(len) = bytes.get(ends[ends.len() - 1] + 8..).and_then(|rest| rest.first_chunk::<8>()) {
        ends.push(ends[ends.len() - 1] + 20 + u64::from_le_bytes(*len) as usize);
    }
    ends
}

/// What is found when the journal has these bytes.
fn with(path: &Path, base: u64, bytes: &[u8]) -> Result<Loaded, StorageError> {
    std::fs::write(journal(path, base), bytes).expect("room");
    open(path).load()
}

fn is_refused(result: Result<Loaded, StorageError>, words: &[&str]) {
    let error = result.expect_err("acknowledged events would be lost");
    let text = error.to_string();
    assert!(matches!(&error, StorageError::Corrupt { .. }) && !error.is_temporary(), "{text}");
    for word in words.iter().chain(&["backup"]) {
        assert!(text.contains(word), "{word:?} is not in: {text}");
    }
}

#[test]
fn the_last_append_torn_at_any_byte_is_cut() {
    let folder = tempfile::tempdir().expect("a folder");
    let (path, all) = made(folder.path());
    let sound = std::fs::read(journal(&path, 0)).expect("there");
    let ends = ends(&sound);
    assert_eq!((ends.len(), ends[3]), (4, sound.len()));
    for len in ends[2]..sound.len() {
        let found = with(&path, 0, &sound[..len]).expect("an append that was not acknowledged");
        assert_eq!(found.records, all[..4], "{len} bytes");
        assert_eq!(found.cut.is_some(), len > ends[2]);
        if let Some(cut) = found.cut {
            let expected = format!("journal-{:020} at byte {}: {} bytes", 0, ends[2], len - ends[2]);
            assert!(cut.first_index == 5 && cut.detail.contains(&expected), "{}", cut.detail);
            let kept = path.join(format!("damaged-journal-{:020}-{}", 0, ends[2]));
            assert_eq!(std::fs::read(kept).expect("kept for whoever wants to look"), sound[ends[2]..len]);
        }
        assert_eq!(
            std::fs::metadata(journal(&path, 0)).expect("there").len() as usize,
            ends[2],
            "cut once, not at every start"
        );
    }
    // It goes on behind the cut.
    let mut storage = open(&path);
    storage.load().expect("cut");
    storage.append(&records(5..=6, 2)).expect("room");
    drop(storage);
    assert_eq!(load(&|| open(&path)).records, [&all[..4], &records(5..=6, 2)].concat());
}

#[test]
fn every_flipped_bit_is_seen() {
    let folder = tempfile::tempdir().expect("a folder");
    let (path, all) = made(folder.path());
    let sound = std::fs::read(journal(&path, 0)).expect("there");
    let ends = ends(&sound);
    for place in 0..sound.len() {
        let mut bytes = sound.clone();
        bytes[place] ^= 1 << (place % 8);
        let result = with(&path, 0, &bytes);
        if place >= ends[2] {
            let found = result.expect("the last append");
            assert_eq!(
                (&found.records[..], found.cut.map(|cut| cut.first_index)),
                (&all[..4], Some(5)),
                "byte {place}"
            );
        } else {
            let name = format!("journal-{:020}", 0);
            let at = ends.iter().rev().find(|end| **end <= place).map(|end| format!("at byte {end}"));
            is_refused(result, &[&name, at.as_deref().unwrap_or("header")]);
        }
    }
}

#[test]
fn zeros_and_rubbish_at_the_end_are_cut() {
    let folder = tempfile::tempdir().expect("a folder");
    let (path, all) = made(folder.path());
    let sound = std::fs::read(journal(&path, 0)).expect("there");
    for count in [1, 7, 20, 4_096] {
        let zeros = [&sound[..], &vec![0; count]].concat();
        let found = with(&path, 0, &zeros).expect("a file that grew and was not written");
        let detail = found.cut.map(|cut| cut.detail).unwrap_or_default();
        assert!(found.records == all && detail.contains(&format!("{count} zeros")), "{detail}");
        let rubbish = [&sound[..], &vec![0xA7; count]].concat();
        assert_eq!(with(&path, 0, &rubbish).expect("rubbish").records, all);
    }
    // The last append as zeros, wholly or from some place on, as where a power cut kept its length only.
    let end = ends(&sound)[2];
    for from in [end, end + 5, end + 100] {
        let mut bytes = sound.clone();
        bytes[from..].fill(0);
        assert_eq!(with(&path, 0, &bytes).expect("not acknowledged").records, all[..4]);
    }
}

#[test]
fn what_programs_keep_cannot_look_like_an_event() {
    let folder = tempfile::tempdir().expect("a folder");
    let (path, all) = made(folder.path());
    let sound = std::fs::read(journal(&path, 0)).expect("there");
    // A value that holds another cluster's whole journal, torn behind it.
    let elsewhere = tempfile::tempdir().expect("a folder");
    let (other, _) = made(elsewhere.path());
    let inside = std::fs::read(journal(&other, 0)).expect("there");
    std::fs::write(journal(&path, 0), &sound).expect("room");
    let mut storage = open(&path);
    storage.load().expect("sound");
    storage.append(&[Record { body: inside, large: None, ..record(7, 1) }]).expect("room");
    drop(storage);
    let bytes = std::fs::read(journal(&path, 0)).expect("there");
    let found = with(&path, 0, &bytes[..bytes.len() - 3]).expect("a torn append, whatever is in it");
    assert_eq!(found.records, all);
}

#[test]
fn a_damaged_snapshot_is_replaced_by_the_one_before_it() {
    let folder = tempfile::tempdir().expect("a folder");
    let (path, all) = made(folder.path());
    let mut storage = open(&path);
    storage.load().expect("sound");
    storage.snapshot(6, b"six", &[]).expect("room");
    storage.append(&records(7..=8, 1)).expect("room");
    drop(storage);
    let name = path.join(format!("snapshot-{:020}", 6));
    let sound = std::fs::read(&name).expect("there");
    for len in 0..sound.len() {
        std::fs::write(&name, &sound[..len]).expect("room");
        let found = open(&path).load().expect("the beginning is still there");
        assert_eq!((found.snapshot, &found.records), (None, &[&all[..], &records(7..=8, 1)].concat()), "{len} bytes");
        assert!(found.warnings.len() == 1 && found.warnings[0].contains("snapshot-"), "{:?}", found.warnings);
    }
    for place in 0..sound.len() {
        let mut bytes = sound.clone();
        bytes[place] ^= 0x40;
        std::fs::write(&name, &bytes).expect("room");
        assert_eq!(open(&path).load().expect("the beginning is still there").records.len(), 8, "byte {place}");
    }
    std::fs::write(&name, &sound).expect("room");
    let mut storage = open(&path);
    storage.load().expect("sound");
    storage.snapshot(8, b"eight", &[]).expect("room");
    storage.append(&records(9..=9, 1)).expect("room");
    drop(storage);
    let newest = path.join(format!("snapshot-{:020}", 8));
    std::fs::write(&newest, b"half").expect("room");
    let found = open(&path).load().expect("the one before");
    assert_eq!(found.snapshot.map(|snapshot| snapshot.through), Some(6));
    assert_eq!(found.records, records(7..=9, 1));
    // Both of them: the journal of the beginning is gone by now.
    std::fs::write(&name, b"half").expect("room");
    is_refused(open(&path).load(), &["event 1"]);
}

#[test]
fn files_that_do_not_belong_together_are_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let (path, _) = made(folder.path());
    let early = std::fs::read(journal(&path, 0)).expect("there");
    let mut storage = open(&path);
    storage.load().expect("sound");
    storage.append(&records(7..=9, 1)).expect("room");
    storage.snapshot(9, b"nine", &[]).expect("room");
    storage.append(&records(10..=12, 1)).expect("room");
    drop(storage);
    let late = std::fs::read(journal(&path, 9)).expect("there");
    std::fs::remove_file(journal(&path, 9)).expect("ours");
    is_refused(open(&path).load(), &["events behind 9", "missing"]);
    // Somebody puts an older copy of the journal there, and takes the holder's word away.
    std::fs::write(journal(&path, 0), &early).expect("room");
    std::fs::remove_file(path.join("holder")).expect("ours");
    is_refused(open(&path).load(), &["snapshot-", "9", "event 6"]);
    std::fs::remove_file(journal(&path, 0)).expect("ours");
    is_refused(open(&path).load(), &["missing"]);
    std::fs::write(journal(&path, 9), &late).expect("room");
    std::fs::remove_file(path.join(format!("snapshot-{:020}", 9))).expect("ours");
    is_refused(open(&path).load(), &["event 1", "missing"]);
    std::fs::write(journal(&path, 0), &early).expect("room");
    is_refused(open(&path).load(), &["begins behind event 9", "end with 6"]);
}

#[test]
fn a_large_value_that_is_gone_or_changed_is_refused() {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("control");
    let value = vec![3; LARGE_BYTES];
    let mut storage = open(&path);
    storage.load().expect("new");
    let event = Record { large: Some(LargeBody::new(value.clone())), ..record(1, 1) };
    storage.append(std::slice::from_ref(&event)).expect("room");
    drop(storage);
    let blob = std::fs::read_dir(path.join("blobs")).expect("there").next().expect("one").expect("ours").path();
    assert_eq!(load(&|| open(&path)).records, [event]);
    for len in [0, 1, value.len() - 1] {
        std::fs::write(&blob, &value[..len]).expect("room");
        is_refused(open(&path).load(), &["event 1", &blob.display().to_string()]);
    }
    std::fs::write(&blob, &value).expect("room");
    let mut storage = open(&path);
    storage.load().expect("whole again");
    storage.snapshot(1, b"state", &[Large { digest: digest_of(&value), bytes: &value }]).expect("room");
    drop(storage);
    std::fs::remove_file(&blob).expect("ours");
    is_refused(open(&path).load(), &["event 1", &blob.display().to_string()]);
}

#[test]
fn random_damage_gives_an_error_or_a_prefix_of_the_truth() {
    let folder = tempfile::tempdir().expect("a folder");
    let (path, all) = made(folder.path());
    let sound = std::fs::read(journal(&path, 0)).expect("there");
    let mut random = Random(5);
    let (mut errors, mut truths) = (0, 0);
    for round in 0..400 {
        let mut bytes = sound.clone();
        let start = random.below(sound.len() as u64) as usize;
        let end = (start + 1 + random.below(3_000) as usize).min(sound.len());
        match round % 3 {
            0 => bytes[start..end].iter_mut().for_each(|byte| *byte ^= 0x55),
            1 => bytes[start..end].fill(0),
            _ => drop(bytes.drain(start..end)),
        }
        match with(&path, 0, &bytes) {
            Err(error) => {
                assert!(matches!(&error, StorageError::Corrupt { .. }), "{error}");
                errors += 1;
            }
            Ok(found) => {
                assert_eq!(found.records, all[..found.records.len()], "round {round}");
                assert!(found.records.len() == all.len() || found.cut.is_some() || bytes.len() < sound.len());
                truths += 1;
            }
        }
    }
    assert!(errors > 10 && truths > 10, "{errors} errors, {truths} times a prefix");
}
