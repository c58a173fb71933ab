//! From entries as they were found to records in order: what is damaged at the end is cut, what is damaged before is an error.

use crate::storage::{Cut, Record, StorageError};

/// An entry as it was found: the index it stands under, and its record unless that is damaged.
pub(crate) type Entry = (u64, Option<Record>);

/// The sound records behind `through`, and what was cut off.
pub(crate) fn assemble(
    place: &str,
    through: u64,
    entries: Vec<Entry>,
) -> Result<(Vec<Record>, Option<Cut>), StorageError> {
    let mut records = Vec::with_capacity(entries.len());
    let mut entries = entries.into_iter().filter(|(index, _)| *index > through).peekable();
    while let Some((index, record)) = entries.peek_mut() {
        let expected = through + 1 + records.len() as u64;
        let is_next = *index == expected;
        match record.take().filter(|record| is_next && record.index == expected) {
            Some(record) => records.push(record),
            None => return cut(place, expected, records, entries.collect()),
        }
        entries.next();
    }
    Ok((records, None))
}

/// The entry under `expected` is damaged or missing; `rest` begins with whatever was found there.
fn cut(
    place: &str,
    expected: u64,
    records: Vec<Record>,
    rest: Vec<Entry>,
) -> Result<(Vec<Record>, Option<Cut>), StorageError> {
    let is_gap = rest.first().is_some_and(|(index, _)| *index > expected);
    if is_gap || rest.iter().skip(1).any(|(_, record)| record.is_some()) {
        let message = format!("event {expected} of the journal cannot be read, but later ones can");
        return Err(StorageError::Corrupt { place: place.to_owned(), message });
    }
    Ok((records, Some(Cut { first_index: expected, dropped: rest.len() as u64, detail: place.to_owned() })))
}

#[cfg(test)]
mod tests;
