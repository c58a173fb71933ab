//! The flight recorder: one shared page range per worker that outlives it (OWN-8).
//!
//! Layout, little endian, in a memfd of `LEN` bytes made by the daemon and mapped by the worker:
//!
//! | offset | what |
//! |---|---|
//! | 0 | started connection: u64, 0 when no task runs |
//! | 8 | started slot: u32, generation: u32, attempt: u32 |
//! | 20 | 1 when what runs is tried again if its worker dies: u32 |
//! | 24 | length of the staged log: u64 |
//! | 32 | the name of what runs, for log lines: length u32, then up to 92 bytes |
//! | 128 | the staged log: records `{connection: u64, length: u32, unused: u32, frame, padding to 8}` |
//!
//! The worker stages every reply here before it is written to a socket, and empties the log only when everything in it was written. A
//! reader therefore finds every reply that may not have arrived, some perhaps a second time: receivers ignore what they know.

/// Size of the whole recorder: whole pages.
pub const LEN: usize = 128 + LOG_BYTES;
/// Room for staged replies.
pub const LOG_BYTES: usize = (256 << 10) - 128;
/// Where the started task is.
pub const STARTED_OFFSET: usize = 0;
/// Where it says whether what runs is tried again.
pub const RETRIABLE_OFFSET: usize = 20;
/// Where the length of the staged log is.
pub const STAGED_LEN_OFFSET: usize = 24;
/// Where the name of the running function is.
pub const NAME_OFFSET: usize = 32;
/// Longest name kept.
pub const MAX_NAME_BYTES: usize = 92;
/// Where the staged log begins.
pub const LOG_OFFSET: usize = 128;
/// Length of a record's head.
pub const RECORD_HEAD_BYTES: usize = 16;

/// The task that a dead worker had started and not finished.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Started {
    /// The connection it came by.
    pub connection: u64,
    /// The slot in its owner's table.
    pub slot: u32,
    /// The generation of that slot.
    pub generation: u32,
    /// Which attempt it was.
    pub attempt: u32,
}

fn u32_at(bytes: &[u8], offset: usize) -> u32 {
    let mut word = [0; 4];
    word.copy_from_slice(&bytes[offset..offset + 4]);
    u32::from_le_bytes(word)
}

fn u64_at(bytes: &[u8], offset: usize) -> u64 {
    let mut word = [0; 8];
    word.copy_from_slice(&bytes[offset..offset + 8]);
    u64::from_le_bytes(word)
}

/// What ran when the worker died, if anything. `bytes` is a copy of the recorder.
pub fn started(bytes: &[u8]) -> Option<Started> {
    if bytes.len() < LOG_OFFSET || u64_at(bytes, STARTED_OFFSET) == 0 {
        return None;
    }
    Some(Started {
        connection: u64_at(bytes, 0),
        slot: u32_at(bytes, 8),
        generation: u32_at(bytes, 12),
        attempt: u32_at(bytes, 16),
    })
}

/// Whether a task runs that is tried again when its worker dies. `bytes` is a copy of the recorder, or of its head.
pub fn runs_retriable(bytes: &[u8]) -> bool {
    started(bytes).is_some() && u32_at(bytes, RETRIABLE_OFFSET) != 0
}

/// The staged frames in order: connection and frame. Stops at the first record that does not fit.
pub fn staged(bytes: &[u8]) -> Vec<(u64, &[u8])> {
    let mut records = Vec::new();
    if bytes.len() < LOG_OFFSET {
        return records;
    }
    let log = &bytes[LOG_OFFSET..];
    let end = (u64_at(bytes, STAGED_LEN_OFFSET) as usize).min(log.len());
    let mut at = 0;
    while end - at >= RECORD_HEAD_BYTES {
        let len = u32_at(log, at + 8) as usize;
        let frame_start = at + RECORD_HEAD_BYTES;
        if len > end - frame_start {
            break;
        }
        records.push((u64_at(log, at), &log[frame_start..frame_start + len]));
        at = (frame_start + len.next_multiple_of(8)).min(end);
    }
    records
}

/// The name of what ran, as far as it is text.
pub fn running_name(bytes: &[u8]) -> String {
    if bytes.len() < LOG_OFFSET {
        return String::new();
    }
    let len = (u32_at(bytes, NAME_OFFSET) as usize).min(MAX_NAME_BYTES);
    String::from_utf8_lossy(&bytes[NAME_OFFSET + 4..NAME_OFFSET + 4 + len]).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn garbage_is_read_without_panic() {
        let mut bytes = vec![0xff; LEN];
        assert!(staged(&bytes).is_empty());
        bytes[STAGED_LEN_OFFSET..STAGED_LEN_OFFSET + 8].copy_from_slice(&40u64.to_le_bytes());
        bytes[LOG_OFFSET + 8..LOG_OFFSET + 12].copy_from_slice(&5u32.to_le_bytes());
        assert_eq!(staged(&bytes).len(), 1);
        assert!(running_name(&[]).is_empty());
        assert_eq!(started(&[0; 3]), None);
    }
}
