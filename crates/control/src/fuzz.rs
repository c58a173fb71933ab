//! Doors for the fuzz targets: what the control service reads and is private otherwise.

use crate::parent::{FromControl, ToControl};
use crate::storage::{Cut, Record};
use prost::Message as _;

/// An entry of the stream that Redis keeps: its id, and names and values in turn.
pub fn redis_record(id: &str, fields: &[Vec<u8>]) -> Option<Record> {
    crate::storage::redis::record(id, fields)
}

/// From entries as they were found to records in order; `None` when that is refused.
pub fn assemble(through: u64, entries: Vec<(u64, Option<Record>)>) -> Option<(Vec<Record>, Option<Cut>)> {
    crate::storage::assemble::assemble("the journal", through, entries).ok()
}

/// A packet between the daemon and the control service, either way: its length after it was written again.
pub fn packet(bytes: &[u8]) -> [Option<usize>; 2] {
    let to = ToControl::decode(bytes).ok().map(|message| message.encode_to_vec().len());
    let from = FromControl::decode(bytes).ok().map(|message| message.encode_to_vec().len());
    [to, from]
}
