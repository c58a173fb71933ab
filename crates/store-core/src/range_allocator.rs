//! Ranges inside one segment: 64-byte aligned, merged when free, and given out again newest first, because what was used last is still
//! in the caches and mapped.

use std::collections::{BTreeMap, BTreeSet};

/// Every range begins at a multiple of it: a cache line, and the widest vector.
pub const ALIGNMENT_BYTES: u64 = 64;

/// How many of the newest ranges are tried before the best fit is taken. A long row of small holes must not make allocation slow.
const NEWEST_TRIED: usize = 8;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct FreeRange {
    len: u64,
    /// When it was freed, as a count of frees; 0 for space that was never used.
    stamp: u64,
}

/// The free and used ranges of one segment.
#[derive(Debug, Clone)]
pub struct RangeAllocator {
    size_bytes: u64,
    used_bytes: u64,
    next_stamp: u64,
    free: BTreeMap<u64, FreeRange>,
    by_len: BTreeSet<(u64, u64)>,
    by_stamp: BTreeSet<(u64, u64)>,
    /// STORE-1, planted: the last, begun line of an object is left out.
    cuts_lines: bool,
}

impl RangeAllocator {
    /// An allocator over `size_bytes`, all free.
    pub fn new(size_bytes: u64) -> Self {
        let size_bytes = size_bytes / ALIGNMENT_BYTES * ALIGNMENT_BYTES;
        let mut allocator = Self {
            size_bytes,
            used_bytes: 0,
            next_stamp: 1,
            free: BTreeMap::new(),
            by_len: BTreeSet::new(),
            by_stamp: BTreeSet::new(),
            cuts_lines: false,
        };
        if size_bytes > 0 {
            allocator.insert(0, FreeRange { len: size_bytes, stamp: 0 });
        }
        allocator
    }

    /// Takes a rule away; for the simulator.
    #[doc(hidden)]
    pub fn cut_lines(&mut self) {
        self.cuts_lines = true;
    }

    fn length(&self, len_bytes: u64) -> Option<u64> {
        let cut_bytes = if self.cuts_lines && len_bytes > ALIGNMENT_BYTES { len_bytes % ALIGNMENT_BYTES } else { 0 };
        Self::occupied_bytes(len_bytes - cut_bytes)
    }

    /// What an object of `len_bytes` occupies: whole lines, at least one. `None` when it is beyond any segment.
    pub fn occupied_bytes(len_bytes: u64) -> Option<u64> {
        len_bytes.max(1).checked_next_multiple_of(ALIGNMENT_BYTES)
    }

    /// Takes a range of at least `len_bytes`; its offset.
    pub fn allocate(&mut self, len_bytes: u64) -> Option<u64> {
        let len = self.length(len_bytes)?;
        let newest = self.by_stamp.iter().rev().take(NEWEST_TRIED).map(|(_, offset)| *offset);
        let newest = newest.into_iter().find(|offset| self.free.get(offset).is_some_and(|range| range.len >= len));
        let offset = match newest {
            Some(offset) => offset,
            None => self.by_len.range((len, 0)..).next()?.1,
        };
        let range = self.remove(offset)?;
        if range.len > len {
            self.insert(offset + len, FreeRange { len: range.len - len, stamp: range.stamp });
        }
        self.used_bytes += len;
        Some(offset)
    }

    /// Gives back a range that `allocate` returned for the same length. False (and nothing happens) when that cannot be.
    pub fn free(&mut self, offset: u64, len_bytes: u64) -> bool {
        let Some(len) = self.length(len_bytes) else {
            return false;
        };
        let Some(end) = offset.checked_add(len) else {
            return false;
        };
        if !offset.is_multiple_of(ALIGNMENT_BYTES) || end > self.size_bytes || self.overlaps_free(offset, end) {
            return false;
        }
        let mut start = offset;
        let mut total = len;
        if let Some((&before, &range)) = self.free.range(..offset).next_back()
            && before + range.len == offset
        {
            self.remove(before);
            start = before;
            total += range.len;
        }
        if let Some(range) = self.remove(end) {
            total += range.len;
        }
        self.insert(start, FreeRange { len: total, stamp: self.next_stamp });
        self.next_stamp += 1;
        self.used_bytes -= len;
        true
    }

    /// Bytes that are given out.
    pub fn used_bytes(&self) -> u64 {
        self.used_bytes
    }

    /// Size of the segment, in whole lines.
    pub fn size_bytes(&self) -> u64 {
        self.size_bytes
    }

    /// Length of the largest free range.
    pub fn largest_free(&self) -> u64 {
        self.by_len.last().map_or(0, |(len, _)| *len)
    }

    /// Checks that the three views of the free ranges agree, and that no two free ranges touch.
    pub fn sanity_check(&self) -> Result<(), String> {
        let mut free_bytes = 0;
        let mut last_end = None;
        for (offset, range) in &self.free {
            if last_end.is_some_and(|end| end >= *offset) {
                return Err(format!("the free range at {offset} touches the one before it"));
            }
            if !self.by_len.contains(&(range.len, *offset)) || !self.by_stamp.contains(&(range.stamp, *offset)) {
                return Err(format!("the free range at {offset} is missing from an index"));
            }
            free_bytes += range.len;
            last_end = Some(offset + range.len);
        }
        if last_end.is_some_and(|end| end > self.size_bytes) || free_bytes + self.used_bytes != self.size_bytes {
            return Err(format!("{free_bytes} free and {} used of {}", self.used_bytes, self.size_bytes));
        }
        if self.by_len.len() != self.free.len() || self.by_stamp.len() != self.free.len() {
            return Err("an index holds a range that is not free".into());
        }
        Ok(())
    }

    fn overlaps_free(&self, start: u64, end: u64) -> bool {
        self.free.range(..end).next_back().is_some_and(|(offset, range)| offset + range.len > start)
    }

    fn insert(&mut self, offset: u64, range: FreeRange) {
        self.free.insert(offset, range);
        self.by_len.insert((range.len, offset));
        self.by_stamp.insert((range.stamp, offset));
    }

    fn remove(&mut self, offset: u64) -> Option<FreeRange> {
        let range = self.free.remove(&offset)?;
        self.by_len.remove(&(range.len, offset));
        self.by_stamp.remove(&(range.stamp, offset));
        Some(range)
    }
}

#[cfg(test)]
mod tests;
