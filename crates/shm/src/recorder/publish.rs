//! The order of the recorder's stores, over any kind of memory.

use trygon_wire::recorder::{
    LOG_BYTES, LOG_OFFSET, MAX_NAME_BYTES, NAME_OFFSET, RECORD_HEAD_BYTES, RETRIABLE_OFFSET, STAGED_LEN_OFFSET,
    STARTED_OFFSET,
};

/// The staged log has no room for the record: what is staged has to be written out and cleared first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Full;

impl std::fmt::Display for Full {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("the flight recorder has no room for the record")
    }
}

impl std::error::Error for Full {}

/// Where a staged frame lies. Valid until the log is cleared.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StagedFrame {
    pub(super) offset: u32,
    pub(super) len: u32,
}

/// Memory that a recorder lies in.
pub(super) trait RecorderMemory {
    /// Stores bytes, in no order of their own.
    fn write(&self, offset: usize, bytes: &[u8]);

    /// Stores a word, in no order of its own. The offset is a multiple of 4.
    fn write_u32(&self, offset: usize, value: u32);

    /// Stores a word after everything that was stored before. The offset is a multiple of 8.
    fn publish_u64(&self, offset: usize, value: u64);

    /// What was stored or published before comes before what is stored after.
    fn keep_before_later_writes(&self);
}

/// Length of the record of a frame, or `None` if no log could hold it.
#[inline]
pub(super) fn record_bytes(frame_len: usize) -> Option<usize> {
    (frame_len <= LOG_BYTES - RECORD_HEAD_BYTES).then(|| RECORD_HEAD_BYTES + frame_len.next_multiple_of(8))
}

/// Connection and frame length of a record's head.
#[inline]
pub(super) fn read_head(head: &[u8]) -> (u64, usize) {
    let mut connection = [0; 8];
    connection.copy_from_slice(&head[..8]);
    let mut len = [0; 4];
    len.copy_from_slice(&head[8..12]);
    (u64::from_le_bytes(connection), u32::from_le_bytes(len) as usize)
}

#[inline]
pub(super) fn set_started(memory: &impl RecorderMemory, connection: u64, slot: u32, generation: u32, attempt: u32) {
    // Never an old connection with a new slot.
    clear_started(memory);
    memory.write_u32(STARTED_OFFSET + 8, slot);
    memory.write_u32(STARTED_OFFSET + 12, generation);
    memory.write_u32(STARTED_OFFSET + 16, attempt);
    memory.publish_u64(STARTED_OFFSET, connection);
    // User code comes next: a death in it must find the task started.
    memory.keep_before_later_writes();
}

#[inline]
pub(super) fn set_retriable(memory: &impl RecorderMemory, is_retriable: bool) {
    memory.write_u32(RETRIABLE_OFFSET, u32::from(is_retriable));
}

#[inline]
pub(super) fn clear_started(memory: &impl RecorderMemory) {
    memory.publish_u64(STARTED_OFFSET, 0);
    memory.keep_before_later_writes();
}

#[inline]
pub(super) fn stage(
    memory: &impl RecorderMemory,
    staged_len: usize,
    connection: u64,
    parts: &[&[u8]],
) -> Result<(StagedFrame, usize), Full> {
    let frame_len: usize = parts.iter().map(|part| part.len()).sum();
    let bytes = record_bytes(frame_len).filter(|bytes| *bytes <= LOG_BYTES - staged_len).ok_or(Full)?;
    let mut head = [0; RECORD_HEAD_BYTES];
    head[..8].copy_from_slice(&connection.to_le_bytes());
    head[8..12].copy_from_slice(&(frame_len as u32).to_le_bytes());
    memory.write(LOG_OFFSET + staged_len, &head);
    let mut at = staged_len + RECORD_HEAD_BYTES;
    for part in parts {
        memory.write(LOG_OFFSET + at, part);
        at += part.len();
    }
    memory.publish_u64(STAGED_LEN_OFFSET, (staged_len + bytes) as u64);
    memory.keep_before_later_writes();
    let frame = StagedFrame { offset: (staged_len + RECORD_HEAD_BYTES) as u32, len: frame_len as u32 };
    Ok((frame, staged_len + bytes))
}

#[inline]
pub(super) fn clear_staged(memory: &impl RecorderMemory) {
    memory.publish_u64(STAGED_LEN_OFFSET, 0);
    memory.keep_before_later_writes();
}

#[inline]
pub(super) fn set_name(memory: &impl RecorderMemory, name: &str) {
    let mut len = name.len().min(MAX_NAME_BYTES);
    while !name.is_char_boundary(len) {
        len -= 1;
    }
    memory.write_u32(NAME_OFFSET, 0);
    memory.keep_before_later_writes();
    memory.write(NAME_OFFSET + 4, &name.as_bytes()[..len]);
    memory.keep_before_later_writes();
    memory.write_u32(NAME_OFFSET, len as u32);
}
