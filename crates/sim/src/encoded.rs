//! Byte forms of values and errors.

use trygon_ids::WorkerId;
use trygon_worker_core::SystemError;

/// The error of an object that is gone.
pub(crate) fn freed_error() -> Box<[u8]> {
    SystemError::new("object_freed").encode()
}

/// The number in an inline value.
pub(crate) fn decoded(bytes: &[u8]) -> u64 {
    let mut word = [0; 8];
    word.copy_from_slice(&bytes[..8]);
    u64::from_le_bytes(word)
}

/// The number in a worker's id.
pub(crate) fn number_of(worker: WorkerId) -> usize {
    let mut number = [0; 8];
    number.copy_from_slice(&worker.as_bytes()[20..]);
    u64::from_be_bytes(number) as usize
}
