//! The bytes of a journal: a header, and a frame for each append.
//!
//! ```text
//! header   "trygon-journal-1", base (8 bytes), marker (8), checksum (4)
//! frame    marker (8), length (8), checksum (4), then for each record: length (8), record
//! ```
//!
//! The marker is drawn for each file, so that nothing that programs keep can look like a frame. A frame is on the disk before the next one
//! is written: a damaged frame behind which there is a sound one was acknowledged, and one behind which there is none may not have been.

use crate::storage::Record;
use crate::storage::record::Checksum;

const MAGIC: &[u8; 16] = b"trygon-journal-1";
/// Bytes of a journal's header.
pub(super) const HEADER_BYTES: usize = 16 + 8 + 8 + 4;
const FRAME_BYTES: usize = 8 + 8 + 4;

/// The header of a journal.
pub(super) fn header(base: u64, marker: u64) -> Vec<u8> {
    let mut bytes = MAGIC.to_vec();
    bytes.extend_from_slice(&base.to_le_bytes());
    bytes.extend_from_slice(&marker.to_le_bytes());
    let checksum = checksum(&[&bytes]);
    bytes.extend_from_slice(&checksum.to_le_bytes());
    bytes
}

/// The base and the marker of a journal; `None` when that is not its header.
pub(super) fn read_header(bytes: &[u8]) -> Option<(u64, u64)> {
    let (header, _) = bytes.split_first_chunk::<HEADER_BYTES>()?;
    let (rest, sum) = header.split_last_chunk::<4>()?;
    let is_sound = rest.starts_with(MAGIC) && checksum(&[rest]) == u32::from_le_bytes(*sum);
    is_sound.then(|| (number(&rest[16..]), number(&rest[24..]))).and_then(|(base, marker)| Some((base?, marker?)))
}

/// A frame with these records.
pub(super) fn encode(marker: u64, records: &[Record]) -> Vec<u8> {
    let mut bytes = vec![0; FRAME_BYTES];
    for record in records {
        let place = bytes.len();
        bytes.extend_from_slice(&[0; 8]);
        record.encode_into(&mut bytes);
        let len = (bytes.len() - place - 8) as u64;
        bytes[place..place + 8].copy_from_slice(&len.to_le_bytes());
    }
    let len = ((bytes.len() - FRAME_BYTES) as u64).to_le_bytes();
    let checksum = checksum(&[&marker.to_le_bytes(), &len, &bytes[FRAME_BYTES..]]);
    bytes[..8].copy_from_slice(&marker.to_le_bytes());
    bytes[8..16].copy_from_slice(&len);
    bytes[16..20].copy_from_slice(&checksum.to_le_bytes());
    bytes
}

/// The records of the frame that begins here, and where it ends; `None` when there is no sound frame.
pub(super) fn read(bytes: &[u8], start: usize, marker: u64) -> Option<(Vec<Record>, usize)> {
    let (head, rest) = bytes.get(start..)?.split_first_chunk::<FRAME_BYTES>()?;
    let (len, sum) = (number(&head[8..])?, head.last_chunk::<4>()?);
    let payload = rest.get(..usize::try_from(len).ok()?)?;
    let is_sound = number(head)? == marker
        && checksum(&[&marker.to_le_bytes(), &len.to_le_bytes(), payload]) == u32::from_le_bytes(*sum);
    let records = is_sound.then(|| read_records(payload))??;
    Some((records, start + FRAME_BYTES + payload.len()))
}

/// A sound frame behind `start`, wherever it begins: its place and the first event in it.
pub(super) fn find(bytes: &[u8], start: usize, marker: u64) -> Option<(usize, u64)> {
    let wanted = marker.to_le_bytes();
    let begins = bytes.get(start..)?.windows(8).enumerate().filter(|(_, window)| *window == wanted);
    begins.map(|(place, _)| start + place).find_map(|place| {
        let (records, _) = read(bytes, place, marker)?;
        Some((place, records.first()?.index))
    })
}

fn read_records(mut bytes: &[u8]) -> Option<Vec<Record>> {
    let mut records = Vec::new();
    while !bytes.is_empty() {
        let (len, rest) = bytes.split_first_chunk::<8>()?;
        let (record, rest) = rest.split_at_checked(usize::try_from(u64::from_le_bytes(*len)).ok()?)?;
        records.push(Record::decode(record)?);
        bytes = rest;
    }
    Some(records)
}

pub(super) fn checksum(parts: &[&[u8]]) -> u32 {
    let mut checksum = Checksum::new();
    parts.iter().for_each(|part| checksum.add(part));
    checksum.finish()
}

fn number(bytes: &[u8]) -> Option<u64> {
    bytes.first_chunk::<8>().map(|bytes| u64::from_le_bytes(*bytes))
}
