//! A segment as its creator sees it: a sealed memfd whose pages it populates, and the descriptors it gives away.

use crate::huge;
use rustix::fs::{FallocateFlags, MemfdFlags, Mode, OFlags, SealFlags};
use rustix::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd, OwnedFd};

/// The unit in which memory is taken from and given back to the system.
pub const PAGE_BYTES: u64 = 4096;

/// Segments from this size on are a multiple of it, so that the system can use huge pages.
const LARGE_UNIT_BYTES: u64 = 2 << 20;

/// Smaller segments do not try huge pages: there is little to be gained.
const HUGE_FROM_BYTES: u64 = 8 << 20;

/// A piece of shared memory.
#[derive(Debug)]
pub struct Segment {
    descriptor: OwnedFd,
    size_bytes: u64,
}

impl Segment {
    /// The size that a segment of at least `size_bytes` gets: whole pages, and multiples of 2 MiB once it is as large.
    pub fn rounded_size(size_bytes: u64) -> u64 {
        let unit = if size_bytes >= LARGE_UNIT_BYTES { LARGE_UNIT_BYTES } else { PAGE_BYTES };
        size_bytes.max(1).checked_next_multiple_of(unit).unwrap_or(size_bytes)
    }

    /// A segment of the rounded size, with all of its pages populated.
    pub fn create(name: &str, size_bytes: u64) -> io::Result<Self> {
        let segment = Self::create_empty(name, Self::rounded_size(size_bytes))?;
        segment.populate(0, segment.size_bytes)?;
        Ok(segment)
    }

    /// A segment of this size, rounded up to whole pages, that has none of them yet; call `populate` before anyone writes.
    pub fn create_empty(name: &str, size_bytes: u64) -> io::Result<Self> {
        let size_bytes = size_bytes.max(1).checked_next_multiple_of(PAGE_BYTES).ok_or(io::Errno::NOMEM)?;
        let flags = MemfdFlags::CLOEXEC | MemfdFlags::ALLOW_SEALING;
        // Without the execute bit where the kernel can do that; older ones refuse the flag.
        let descriptor = match rustix::fs::memfd_create(name, flags | MemfdFlags::NOEXEC_SEAL) {
            Err(io::Errno::INVAL) => rustix::fs::memfd_create(name, flags)?,
            other => other?,
        };
        // A reader must not turn its descriptor into a writable one by opening it again by its path.
        rustix::fs::fchmod(&descriptor, Mode::RUSR)?;
        rustix::fs::ftruncate(&descriptor, size_bytes)?;
        rustix::fs::fcntl_add_seals(&descriptor, SealFlags::SHRINK | SealFlags::GROW | SealFlags::SEAL)?;
        Ok(Self { descriptor, size_bytes })
    }

    /// Its size.
    pub fn size_bytes(&self) -> u64 {
        self.size_bytes
    }

    /// Makes the system provide the pages of a range now. They are charged to the calling process's group. To be called before anyone
    /// has a descriptor.
    pub fn populate(&self, offset_bytes: u64, len_bytes: u64) -> io::Result<()> {
        let end = offset_bytes + len_bytes;
        let mut at = offset_bytes;
        if self.size_bytes >= HUGE_FROM_BYTES && at.is_multiple_of(LARGE_UNIT_BYTES) {
            let huge_end = end / LARGE_UNIT_BYTES * LARGE_UNIT_BYTES;
            at = huge::provide(&self.descriptor, at, huge_end);
        }
        if at == end {
            return Ok(());
        }
        io::retry_on_intr(|| rustix::fs::fallocate(&self.descriptor, FallocateFlags::empty(), at, end - at))
    }

    /// Gives the whole pages inside a range back to the system, for every process. Returns how many bytes that were.
    /// What was written there reads as zeros afterwards.
    pub fn erase(&self, offset_bytes: u64, len_bytes: u64) -> io::Result<u64> {
        let start = offset_bytes.next_multiple_of(PAGE_BYTES);
        let end = (offset_bytes + len_bytes).min(self.size_bytes) / PAGE_BYTES * PAGE_BYTES;
        if end <= start {
            return Ok(0);
        }
        let flags = FallocateFlags::PUNCH_HOLE | FallocateFlags::KEEP_SIZE;
        io::retry_on_intr(|| rustix::fs::fallocate(&self.descriptor, flags, start, end - start))?;
        Ok(end - start)
    }

    /// A descriptor for the one process that writes.
    pub fn writable_descriptor(&self) -> io::Result<OwnedFd> {
        io::fcntl_dupfd_cloexec(&self.descriptor, 0)
    }

    /// A descriptor for readers: opened anew for reading only, so that it cannot be mapped writable.
    pub fn read_only_descriptor(&self) -> io::Result<OwnedFd> {
        let path = format!("/proc/self/fd/{}", self.descriptor.as_raw_fd());
        rustix::fs::open(path, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())
    }
}

impl AsFd for Segment {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.descriptor.as_fd()
    }
}
