//! From the files of a folder to what they hold: what is damaged at the very end is cut, what is damaged before stops the start.

use crate::storage::assemble::assemble;
use crate::storage::file::blobs::Blobs;
use crate::storage::file::errors::{corrupt, place, translate};
use crate::storage::file::folder::{self, Holder, numbered};
use crate::storage::file::frame;
use crate::storage::file::held::Held;
use crate::storage::file::open_journal::{JOURNAL, OpenJournal, begin_journal};
use crate::storage::file::snapshot::{self, SNAPSHOT};
use crate::storage::{Cut, Loaded, Record, Snapshot, StorageError};
use std::fs::{File, OpenOptions};
use std::io;
use std::path::{Path, PathBuf};

/// Takes the folder over and reads it.
pub(super) fn load(folder: &Path) -> Result<(Held, Loaded), StorageError> {
    let failed = |error: io::Error| translate(folder, &error);
    let holder = Holder::take(folder)?;
    folder::sweep(folder).map_err(failed)?;
    let mut blobs = Blobs::open(folder).map_err(failed)?;
    let mut journals = numbered(folder, JOURNAL).map_err(failed)?;
    let snapshots = numbered(folder, SNAPSHOT).map_err(failed)?;
    if journals.is_empty() && snapshots.is_empty() {
        begin_journal(folder, 0).map_err(failed)?;
        journals = numbered(folder, JOURNAL).map_err(failed)?;
    }
    let newest_base = holder.last_journal().map_err(failed)?;
    if journals.last().is_none_or(|(base, _)| *base < newest_base) {
        return Err(corrupt(folder, format!("the journal of events behind {newest_base} is missing")));
    }
    let mut warnings = Vec::new();
    let (snapshot, earlier) = newest(folder, &blobs, &snapshots, &mut warnings)?;
    let through = snapshot.as_ref().map_or(0, |snapshot| snapshot.through);
    let read = read_journals(folder, &journals, through)?;
    let (cut, journal) = (read.cut, read.journal);
    let end = read.entries.last().map_or(read.base, |record| record.index);
    if let Some((newest, path)) = snapshots.last().filter(|(newest, _)| end < *newest) {
        let message = format!("{} holds events up to {newest}, but the journals end with event {end}", path.display());
        return Err(corrupt(folder, message));
    }
    let entries = read.entries.into_iter().map(|record| (record.index, Some(record))).collect();
    let (mut records, _) = assemble(&place(folder), through, entries)?;
    for record in &mut records {
        let Some(large) = &mut record.large else { continue };
        let message = |error: String| format!("a value of event {} is lost: {error}", record.index);
        blobs.known.note(large.digest, record.index);
        large.bytes = blobs.read(&large.digest).map_err(|error| corrupt(folder, message(error)))?;
    }
    let large = snapshot.iter().flat_map(|snapshot| &snapshot.large).map(|(digest, _)| *digest);
    blobs.known.newest_snapshot(large);
    let held = Held { holder, journal, last_index: end.max(through), snapshots: [through, earlier], blobs };
    Ok((held, Loaded { snapshot, records, cut, warnings }))
}

/// The newest snapshot that can be read, and what the one before it holds. None: the journals begin at the beginning.
fn newest(
    folder: &Path,
    blobs: &Blobs,
    snapshots: &[(u64, PathBuf)],
    warnings: &mut Vec<String>,
) -> Result<(Option<Snapshot>, u64), StorageError> {
    for (position, (through, path)) in snapshots.iter().enumerate().rev() {
        let read = snapshot::read(path, *through).and_then(|mut snapshot| {
            for (digest, bytes) in &mut snapshot.large {
                *bytes = blobs.read(digest)?;
            }
            Ok(snapshot)
        });
        match read {
            Ok(snapshot) => {
                let earlier = position.checked_sub(1).map_or(0, |position| snapshots[position].0);
                return Ok((Some(snapshot), earlier));
            }
            Err(error) => warnings.push(format!(
                "{}: a snapshot cannot be read ({error}); the one before it and the events since take its place",
                place(folder)
            )),
        }
    }
    Ok((None, 0))
}

/// What the journals hold.
struct Read {
    /// The event before the first one that was read.
    base: u64,
    entries: Vec<Record>,
    cut: Option<Cut>,
    journal: OpenJournal,
}

fn read_journals(folder: &Path, journals: &[(u64, PathBuf)], through: u64) -> Result<Read, StorageError> {
    let Some(first) = journals.iter().rposition(|(base, _)| *base <= through) else {
        let from = journals
            .first()
            .map_or("there is none".to_owned(), |(base, _)| format!("the first is of event {}", base + 1));
        let message = format!("the journal with event {} is missing: {from}", through + 1);
        return Err(corrupt(folder, message));
    };
    let mut read: Option<Read> = None;
    for (place, (base, path)) in journals.iter().enumerate().skip(first) {
        let is_last = place + 1 == journals.len();
        let before = read.take();
        let mut entries = before.map(|read| read.entries).unwrap_or_default();
        let last = entries.last().map_or(journals[first].0, |record| record.index);
        if *base > last {
            let message = format!("{} begins behind event {base}, but events end with {last}", path.display());
            return Err(corrupt(folder, message));
        }
        let (journal, cut) = read_journal(folder, path, *base, is_last, &mut entries)?;
        read = Some(Read { base: journals[first].0, entries, cut, journal });
    }
    read.ok_or_else(|| corrupt(folder, "it has no journal".to_owned()))
}

/// Adds the records of one journal. What is damaged at the end of the last one is cut off.
fn read_journal(
    folder: &Path,
    path: &Path,
    base: u64,
    is_last: bool,
    entries: &mut Vec<Record>,
) -> Result<(OpenJournal, Option<Cut>), StorageError> {
    let failed = |error: io::Error| translate(folder, &error);
    let bytes = std::fs::read(path).map_err(failed)?;
    let Some((_, marker)) = frame::read_header(&bytes).filter(|(found, _)| *found == base) else {
        return Err(corrupt(
            folder,
            format!("{} has no sound header (its first {} bytes)", path.display(), frame::HEADER_BYTES),
        ));
    };
    let first_last = entries.last().map_or(base, |record| record.index);
    let mut end = frame::HEADER_BYTES;
    while let Some((records, next)) = frame::read(&bytes, end, marker) {
        let (Some(first), last) = (records.first().map(|record| record.index), last_of(entries, first_last)) else {
            break;
        };
        if first > last + 1 {
            let message = format!("{} at byte {end}: event {first} follows event {last}", path.display());
            return Err(corrupt(folder, message));
        }
        while entries.last().is_some_and(|record| record.index >= first) {
            entries.pop();
        }
        entries.extend(records);
        end = next;
    }
    let file = OpenOptions::new().read(true).write(true).open(path).map_err(failed)?;
    let journal = OpenJournal { file, marker, end: end as u64, is_dirty: false };
    if end == bytes.len() {
        return Ok((journal, None));
    }
    let expected = last_of(entries, first_last) + 1;
    let behind = frame::find(&bytes, end + 1, marker);
    if let Some((place, index)) = behind {
        let message = format!(
            "{} at byte {end}: event {expected} cannot be read, but event {index} at byte {place} can, so that it was acknowledged",
            path.display()
        );
        return Err(corrupt(folder, message));
    }
    if !is_last {
        let message =
            format!("{} at byte {end}: event {expected} cannot be read, but later journals can", path.display());
        return Err(corrupt(folder, message));
    }
    let cut = cut_off(folder, path, &journal.file, &bytes, end, expected).map_err(failed)?;
    Ok((journal, Some(cut)))
}

fn last_of(entries: &[Record], otherwise: u64) -> u64 {
    entries.last().map_or(otherwise, |record| record.index)
}

/// Keeps what is cut for whoever wants to look at it, if there is room, and shortens the journal.
fn cut_off(folder: &Path, path: &Path, file: &File, bytes: &[u8], end: usize, expected: u64) -> io::Result<Cut> {
    let name = path.file_name().unwrap_or_default().to_string_lossy();
    let (rest, kept) = (&bytes[end..], format!("damaged-{name}-{end}"));
    let is_empty = rest.iter().all(|byte| *byte == 0);
    if !is_empty {
        let _ = folder::write(folder, &kept, &[rest], || {});
    }
    file.set_len(end as u64)?;
    file.sync_all()?;
    let what = if is_empty { "zeros".to_owned() } else { format!("bytes, kept as {kept}") };
    let detail = format!("{} at byte {end}: {} {what}", path.display(), rest.len());
    Ok(Cut { first_index: expected, dropped: 1, detail })
}
