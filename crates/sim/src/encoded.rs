//! Byte forms of values and errors.

pub(crate) use crate::machines::number_of;
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
