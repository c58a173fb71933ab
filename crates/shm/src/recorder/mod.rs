//! The worker's side of the flight recorder (layout: `trygon_wire::recorder`), written on the hot path.
//!
//! The order of stores is what counts: whoever reads the memory after the writer's death, whichever instruction was the last, finds only
//! complete records (OWN-8). A record's bytes are stored before the length that covers them, and a cleared length before the bytes are
//! used again. That order is kept in `publish`, which the tests run on other kinds of memory.

mod delivery;
mod memory;
mod publish;

pub use delivery::unacknowledged_bytes;
pub use memory::{create_recorder_descriptor, read_recorder_descriptor};
pub use publish::{Full, StagedFrame};

use memory::MappedMemory;
use rustix::io;
use std::os::fd::AsFd;
use trygon_wire::recorder::{LOG_BYTES, LOG_OFFSET, RECORD_HEAD_BYTES};

/// A position in the staged log; starts at its beginning.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct StagedCursor {
    at: u32,
}

/// The recorder of this worker.
#[derive(Debug)]
pub struct Recorder {
    memory: MappedMemory,
    staged_len: usize,
    is_retriable: bool,
}

impl Recorder {
    /// The longest frame that an empty log takes.
    pub const MAX_FRAME_BYTES: usize = LOG_BYTES - RECORD_HEAD_BYTES;

    /// Maps the recorder that the daemon made.
    pub fn new(descriptor: impl AsFd) -> io::Result<Self> {
        MappedMemory::new(descriptor).map(|memory| Self { memory, staged_len: 0, is_retriable: false })
    }

    /// From here on, the worker's death means that this task was started and not finished. `connection` is not 0.
    #[inline]
    pub fn set_started(&mut self, connection: u64, slot: u32, generation: u32, attempt: u32) {
        publish::set_started(&self.memory, connection, slot, generation, attempt);
    }

    /// Whether the task that is started next is tried again when its worker dies.
    #[inline]
    pub fn set_retriable(&mut self, is_retriable: bool) {
        if self.is_retriable != is_retriable {
            self.is_retriable = is_retriable;
            publish::set_retriable(&self.memory, is_retriable);
        }
    }

    /// No task runs; its reply, if it has one, was staged before.
    #[inline]
    pub fn clear_started(&mut self) {
        publish::clear_started(&self.memory);
    }

    /// Keeps a frame, given in parts, until the log is cleared. A frame longer than `MAX_FRAME_BYTES` never fits.
    #[inline]
    pub fn stage(&mut self, connection: u64, parts: &[&[u8]]) -> Result<StagedFrame, Full> {
        let (frame, staged_len) = publish::stage(&self.memory, self.staged_len, connection, parts)?;
        self.staged_len = staged_len;
        Ok(frame)
    }

    /// Whether a frame of `len` bytes fits.
    #[inline]
    pub fn has_room(&self, len: usize) -> bool {
        publish::record_bytes(len).is_some_and(|bytes| bytes <= LOG_BYTES - self.staged_len)
    }

    /// The bytes of a staged frame, to be written to its socket from where they are.
    #[inline]
    pub fn frame(&self, frame: StagedFrame) -> &[u8] {
        let (offset, len) = (frame.offset as usize, frame.len as usize);
        // A frame of before the last `clear_staged` gives nothing instead of another record's bytes.
        if offset + len > self.staged_len {
            return &[];
        }
        self.memory.bytes(LOG_OFFSET + offset, len)
    }

    /// The next staged record, oldest first: its connection and its frame.
    #[inline]
    pub fn next_staged(&self, cursor: &mut StagedCursor) -> Option<(u64, &[u8])> {
        let at = cursor.at as usize;
        if at + RECORD_HEAD_BYTES > self.staged_len {
            return None;
        }
        let head = self.memory.bytes(LOG_OFFSET + at, RECORD_HEAD_BYTES);
        let (connection, len) = publish::read_head(head);
        let bytes = publish::record_bytes(len).filter(|bytes| at + bytes <= self.staged_len)?;
        cursor.at = (at + bytes) as u32;
        Some((connection, self.memory.bytes(LOG_OFFSET + at + RECORD_HEAD_BYTES, len)))
    }

    /// Bytes of the log in use, 0 when nothing is staged.
    #[inline]
    pub fn staged_bytes(&self) -> usize {
        self.staged_len
    }

    /// Everything staged was written to its sockets.
    #[inline]
    pub fn clear_staged(&mut self) {
        publish::clear_staged(&self.memory);
        self.staged_len = 0;
    }

    /// What runs, for the lines it prints; cut to the room there is.
    #[inline]
    pub fn set_name(&mut self, name: &str) {
        publish::set_name(&self.memory, name);
    }
}

#[cfg(test)]
mod tests;
