//! Mappings of received descriptors, writable for the one writer and read-only for everyone else.

use crate::copy::{CopyPlan, copy_parts};
use crate::populate::TouchedChunks;
use rustix::io;
use rustix::mm::{Advice, MapFlags, ProtFlags};
use std::ffi::c_void;
use std::os::fd::AsFd;
use std::ptr::NonNull;

/// Bytes of a mapped segment.
pub trait SegmentBytes: Send + Sync + std::fmt::Debug {
    /// Where the mapping begins.
    fn as_ptr(&self) -> *const u8;

    /// Length of the mapping in bytes.
    fn len_bytes(&self) -> usize;

    /// The bytes of a range, if it lies inside.
    ///
    /// The range must be that of a sealed object that the caller keeps alive: such bytes never change (STORE-1, STORE-2).
    fn range(&self, offset_bytes: u64, len_bytes: u64) -> Option<&[u8]> {
        let (start, len) = checked_range(offset_bytes, len_bytes, self.len_bytes())?;
        // SAFETY: the range lies inside the mapping, which lives as long as `self`; the caller's range is sealed, so nobody writes to it.
        Some(unsafe { std::slice::from_raw_parts(self.as_ptr().add(start), len) })
    }

    /// Maps the pages of a range ahead of reading them. Only for speed.
    fn prepare(&self, offset_bytes: u64, len_bytes: u64);
}

fn checked_range(offset_bytes: u64, len_bytes: u64, mapping_bytes: usize) -> Option<(usize, usize)> {
    let end = offset_bytes.checked_add(len_bytes)?;
    (end <= mapping_bytes as u64).then_some((offset_bytes as usize, len_bytes as usize))
}

/// Pages of this size are mapped by one entry instead of 512.
pub(crate) const HUGE_PAGE_BYTES: usize = 2 << 20;

/// An owned mapping, unmapped on drop.
#[derive(Debug)]
struct Mapping {
    start: NonNull<u8>,
    len: usize,
}

// SAFETY: the memory belongs to no thread; who may write to which range is decided by the store.
unsafe impl Send for Mapping {}
// SAFETY: as for Send; shared access only reads the address and the length.
unsafe impl Sync for Mapping {}

impl Mapping {
    fn new(descriptor: impl AsFd, size_bytes: u64, protection: ProtFlags) -> io::Result<Self> {
        let len = usize::try_from(size_bytes).map_err(|_| io::Errno::NOMEM)?;
        if len == 0 || rustix::fs::fstat(&descriptor)?.st_size as u64 != size_bytes {
            // A mapping longer than the segment would end in a bus error on access.
            return Err(io::Errno::INVAL);
        }
        // What a user's code forks inside a worker keeps its mapping: it may read arrays it inherited.
        Self::map_range(descriptor, 0, len, protection)
    }

    /// Maps a range of a segment, large ones at a multiple of 2 MiB: only there can huge pages be mapped as such.
    fn map_range(descriptor: impl AsFd, offset: u64, len: usize, protection: ProtFlags) -> io::Result<Self> {
        if len < HUGE_PAGE_BYTES {
            // SAFETY: a new mapping at an address of the kernel's choice; it replaces nothing.
            let start = unsafe {
                rustix::mm::mmap(std::ptr::null_mut(), len, protection, MapFlags::SHARED, descriptor, offset)
            }?;
            return Self::of(start, len);
        }
        let reserved_len = len.checked_add(HUGE_PAGE_BYTES).ok_or(io::Errno::NOMEM)?;
        let flags = MapFlags::PRIVATE | MapFlags::NORESERVE;
        // SAFETY: a new mapping without access rights at an address of the kernel's choice.
        let reserved =
            unsafe { rustix::mm::mmap_anonymous(std::ptr::null_mut(), reserved_len, ProtFlags::empty(), flags) }?;
        let reserved = Self::of(reserved, reserved_len)?;
        let head = reserved.start.as_ptr().align_offset(HUGE_PAGE_BYTES);
        let start = reserved.start.as_ptr().wrapping_add(head).cast::<c_void>();
        let flags = MapFlags::SHARED | MapFlags::FIXED;
        // SAFETY: replaces a part of the reservation just made, which nobody knows of. On failure the reservation is unmapped by its drop.
        let start = unsafe { rustix::mm::mmap(start, len, protection, flags, descriptor, offset) }?;
        let tail = reserved.start.as_ptr().wrapping_add(head + len);
        let tail_len = reserved_len - head - len;
        let head_start = reserved.start.as_ptr();
        std::mem::forget(reserved);
        // SAFETY: what is left of the reservation on both sides; failure leaves address space unused, nothing else.
        unsafe {
            if head > 0 {
                let _ = rustix::mm::munmap(head_start.cast(), head);
            }
            if tail_len > 0 {
                let _ = rustix::mm::munmap(tail.cast(), tail_len);
            }
        }
        Self::of(start, len)
    }

    fn of(start: *mut c_void, len: usize) -> io::Result<Self> {
        NonNull::new(start.cast::<u8>()).map(|start| Self { start, len }).ok_or(io::Errno::NOMEM)
    }

    fn advise(&self, offset: usize, len: usize, advice: Advice) -> io::Result<()> {
        let start = self.start.as_ptr().wrapping_add(offset).cast::<c_void>();
        // SAFETY: the range is cut to the mapping by the callers, and the advices used here (populate) change no content.
        unsafe { rustix::mm::madvise(start, len, advice) }
    }
}

impl Drop for Mapping {
    fn drop(&mut self) {
        // SAFETY: this is the mapping made in `new`; borrows of it cannot outlive `self`.
        // Failure would mean that the range is not ours; there is nothing to be done about it here.
        let _ = unsafe { rustix::mm::munmap(self.start.as_ptr().cast::<c_void>(), self.len) };
    }
}

/// Makes the system provide one huge page of a segment. False when it cannot; then a part of it may be there.
///
/// Unlike a setting for the whole system, which is usually off for shared memory, this advice needs no privilege.
pub(crate) fn provide_huge_page(descriptor: impl AsFd, offset: u64) -> bool {
    let Ok(mapping) = Mapping::map_range(descriptor, offset, HUGE_PAGE_BYTES, ProtFlags::READ | ProtFlags::WRITE)
    else {
        return false;
    };
    let start = mapping.start.as_ptr();
    // A range without any page is refused.
    // SAFETY: inside the mapping, which nobody else knows of; the segment is still being made.
    unsafe { start.write_volatile(0) };
    // SAFETY: the range is that of the mapping; the advice changes no content.
    unsafe { libc::madvise(start.cast(), HUGE_PAGE_BYTES, libc::MADV_COLLAPSE) == 0 }
}

/// A segment mapped by a process that only reads it.
#[derive(Debug)]
pub struct ReadOnlyMapping {
    mapping: Mapping,
    touched: TouchedChunks,
}

impl ReadOnlyMapping {
    /// Maps the whole segment. Fails with `INVAL` when its size is another one.
    pub fn new(descriptor: impl AsFd, size_bytes: u64) -> io::Result<Self> {
        let mapping = Mapping::new(descriptor, size_bytes, ProtFlags::READ)?;
        let touched = TouchedChunks::new(mapping.len);
        Ok(Self { mapping, touched })
    }

    /// Maps the pages of a range ahead of reading them, once. Ignored where the system cannot do it.
    pub fn populate(&self, offset_bytes: u64, len_bytes: u64) {
        let Some((offset, len)) = checked_range(offset_bytes, len_bytes, self.mapping.len) else {
            return;
        };
        self.touched.touch(offset, len, |start, run| {
            let _ = self.mapping.advise(start, run, Advice::LinuxPopulateRead);
        });
    }
}

impl SegmentBytes for ReadOnlyMapping {
    fn prepare(&self, offset_bytes: u64, len_bytes: u64) {
        self.populate(offset_bytes, len_bytes);
    }

    fn as_ptr(&self) -> *const u8 {
        self.mapping.start.as_ptr()
    }

    fn len_bytes(&self) -> usize {
        self.mapping.len
    }
}

/// A segment mapped by its one writer.
#[derive(Debug)]
pub struct WritableMapping {
    mapping: Mapping,
    touched: TouchedChunks,
}

impl WritableMapping {
    /// Maps the whole segment. Fails with `INVAL` when its size is another one, and with `ACCES` when the descriptor is read-only.
    pub fn new(descriptor: impl AsFd, size_bytes: u64) -> io::Result<Self> {
        let mapping = Mapping::new(descriptor, size_bytes, ProtFlags::READ | ProtFlags::WRITE)?;
        let touched = TouchedChunks::new(mapping.len);
        Ok(Self { mapping, touched })
    }

    /// The address of a range to be written by foreign code, with its pages mapped; `None` when it does not lie inside.
    ///
    /// The range must have been allocated to the caller and not be sealed.
    pub fn range_mut_ptr(&self, offset_bytes: u64, len_bytes: u64) -> Option<*mut u8> {
        let (offset, len) = checked_range(offset_bytes, len_bytes, self.mapping.len)?;
        self.populate(offset, len);
        Some(self.mapping.start.as_ptr().wrapping_add(offset))
    }

    /// Writes `parts` one after the other. Returns how many bytes that were, or `None` (nothing written) when they do not fit.
    ///
    /// The range must have been allocated to the caller and not be sealed.
    pub fn write_parts(&self, offset_bytes: u64, parts: &[&[u8]], plan: CopyPlan) -> Option<u64> {
        let total: u64 = parts.iter().map(|part| part.len() as u64).sum();
        let (offset, _) = checked_range(offset_bytes, total, self.mapping.len)?;
        let destination = self.mapping.start.as_ptr().wrapping_add(offset);
        let before = |start: usize, len: usize| self.populate(offset + start, len);
        // SAFETY: the range lies inside the mapping and was allocated to the caller alone, so no part overlaps it and nobody reads it.
        unsafe { copy_parts(destination, parts, plan, &before) };
        Some(total)
    }

    /// Has `write` fill a range, which may be that of a socket's read: nothing is copied in between. `None` when it does not lie inside.
    ///
    /// The range must have been allocated to the caller and not be sealed, and no two threads may fill the same bytes.
    pub fn fill<R>(&self, offset_bytes: u64, len_bytes: u64, write: impl FnOnce(&mut [u8]) -> R) -> Option<R> {
        let (offset, len) = checked_range(offset_bytes, len_bytes, self.mapping.len)?;
        self.populate(offset, len);
        let start = self.mapping.start.as_ptr().wrapping_add(offset);
        // SAFETY: the range lies inside the mapping, whose pages exist and are initialised (zeroes at first); it was allocated to the caller
        // alone, so that nobody else has a reference to these bytes.
        let bytes = unsafe { std::slice::from_raw_parts_mut(start, len) };
        Some(write(bytes))
    }

    fn populate(&self, offset: usize, len: usize) {
        // Without the advice (before Linux 5.14) the pages are mapped by faults, which is only slower.
        self.touched.touch(offset, len, |start, run| {
            let _ = self.mapping.advise(start, run, Advice::LinuxPopulateWrite);
        });
    }
}

impl SegmentBytes for WritableMapping {
    fn prepare(&self, offset_bytes: u64, len_bytes: u64) {
        if let Some((offset, len)) = checked_range(offset_bytes, len_bytes, self.mapping.len) {
            self.populate(offset, len);
        }
    }

    fn as_ptr(&self) -> *const u8 {
        self.mapping.start.as_ptr()
    }

    fn len_bytes(&self) -> usize {
        self.mapping.len
    }
}
