//! The recorder's memory: a small memfd, made by the daemon and mapped by the worker.

use crate::recorder::publish::RecorderMemory;
use crate::{Segment, SegmentBytes, WritableMapping};
use rustix::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::atomic::{AtomicU32, AtomicU64, Ordering, compiler_fence};
use trygon_wire::recorder::LEN;

/// Length of the memfd: the recorder in whole pages.
fn segment_bytes() -> u64 {
    Segment::rounded_size(LEN as u64)
}

/// The daemon's side: a new recorder. The daemon keeps one descriptor and gives a duplicate to the worker. Its pages come as they are used.
pub fn create_recorder_descriptor() -> io::Result<OwnedFd> {
    Segment::create_empty("trygon-recorder", LEN as u64)?.writable_descriptor()
}

/// The daemon's side: what a dead worker left, for the functions of `trygon_wire::recorder`.
pub fn read_recorder_descriptor(descriptor: impl AsFd) -> io::Result<Vec<u8>> {
    let mut bytes = vec![0; LEN];
    let mut filled = 0;
    while filled < LEN {
        match rustix::io::pread(&descriptor, &mut bytes[filled..], filled as u64) {
            Ok(0) => break,
            Ok(count) => filled += count,
            Err(io::Errno::INTR) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(bytes)
}

/// The mapped recorder. Only its owner writes, and it needs `&mut Recorder` to do so.
#[derive(Debug)]
pub(super) struct MappedMemory {
    /// Keeps the mapping alive.
    _mapping: WritableMapping,
    start: *mut u8,
}

// SAFETY: the memory belongs to no thread; `Recorder` hands out writes only with exclusive access.
unsafe impl Send for MappedMemory {}
// SAFETY: with shared access there are only reads.
unsafe impl Sync for MappedMemory {}

impl MappedMemory {
    pub(super) fn new(descriptor: impl AsFd) -> io::Result<Self> {
        let mapping = WritableMapping::new(descriptor, segment_bytes())?;
        let start = mapping.as_ptr().cast_mut();
        Ok(Self { _mapping: mapping, start })
    }

    /// The bytes of a range that was written before.
    #[inline]
    pub(super) fn bytes(&self, offset: usize, len: usize) -> &[u8] {
        assert!(offset <= LEN && len <= LEN - offset, "a range inside the recorder");
        // SAFETY: the range lies inside the mapping; the borrow of `self` keeps `Recorder` from writing meanwhile.
        unsafe { std::slice::from_raw_parts(self.start.add(offset), len) }
    }
}

impl RecorderMemory for MappedMemory {
    #[inline]
    fn write(&self, offset: usize, bytes: &[u8]) {
        assert!(offset <= LEN && bytes.len() <= LEN - offset, "a range inside the recorder");
        // SAFETY: the range lies inside the mapping, and only the thread with `&mut Recorder` comes here.
        unsafe { std::ptr::copy_nonoverlapping(bytes.as_ptr(), self.start.add(offset), bytes.len()) };
    }

    #[inline]
    fn write_u32(&self, offset: usize, value: u32) {
        assert!(offset.is_multiple_of(4) && offset + 4 <= LEN, "an aligned word inside the recorder");
        // SAFETY: inside the mapping, aligned; a mapping begins at a page.
        let word = unsafe { AtomicU32::from_ptr(self.start.add(offset).cast()) };
        word.store(value.to_le(), Ordering::Relaxed);
    }

    #[inline]
    fn publish_u64(&self, offset: usize, value: u64) {
        assert!(offset.is_multiple_of(8) && offset + 8 <= LEN, "an aligned word inside the recorder");
        // SAFETY: inside the mapping, aligned; a mapping begins at a page.
        let word = unsafe { AtomicU64::from_ptr(self.start.add(offset).cast()) };
        word.store(value.to_le(), Ordering::Release);
    }

    #[inline]
    fn keep_before_later_writes(&self) {
        // The reader looks after this process ended, when every store that was executed has arrived. Only the compiler could still
        // have put a later store in front of an earlier one, so that it was executed and the earlier one was not.
        compiler_fence(Ordering::SeqCst);
    }
}
