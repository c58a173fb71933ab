//! The segments that one process writes into, and where its next object goes.
//!
//! Small objects share segments. A large one gets an empty segment, or the space of an earlier large one of about its size: mixed with small
//! ones it would leave holes that no later large one fits. In both cases space that was freed last is used first, across segments too,
//! so that pages stay warm and the others become idle and go back.

use crate::RangeAllocator;
use std::collections::{BTreeMap, BTreeSet};
use trygon_ids::SegmentId;

/// Up to here an object is small and shares a segment with others.
pub(crate) const SMALL_BYTES: u64 = 4 << 20;
/// An empty segment larger than this is kept for large objects.
const LARGEST_SHARED_BYTES: u64 = 64 << 20;
/// Slack that a large object may waste on top of its own size in an empty segment.
const FIT_SLACK_BYTES: u64 = 2 << 20;

/// Where an object goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reserved {
    /// Into this range.
    Range {
        /// The segment.
        segment: SegmentId,
        /// Offset in it.
        offset_bytes: u64,
    },
    /// Nowhere yet: ask the daemon for a segment of at least this size, add it and try again.
    NeedSegment {
        /// The least size; the daemon gives more where it has it.
        size_bytes: u64,
    },
}

/// What objects a segment holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Use {
    Empty { since_ms: u64 },
    Small,
    Large,
}

#[derive(Debug)]
struct PoolSegment {
    allocator: RangeAllocator,
    used_for: Use,
    stamp: u64,
}

/// Sums over the pool.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct PoolStats {
    /// Segments held.
    pub segments: u64,
    /// Their size.
    pub segment_bytes: u64,
    /// Bytes of them in use.
    pub used_bytes: u64,
}

/// The segments of one writing process.
#[derive(Debug, Default)]
pub struct WriterPool {
    segments: BTreeMap<SegmentId, PoolSegment>,
    by_stamp: BTreeSet<(u64, SegmentId)>,
    next_stamp: u64,
    cuts_lines: bool,
}

impl WriterPool {
    /// Takes a rule away; for the simulator: the last, begun line of an object counts as free (STORE-1).
    #[doc(hidden)]
    pub fn cut_lines(&mut self) {
        self.cuts_lines = true;
    }

    /// A pool without segments.
    pub fn new() -> Self {
        Self::default()
    }

    /// A range for an object of `len_bytes`.
    pub fn reserve(&mut self, len_bytes: u64) -> Reserved {
        let wanted = RangeAllocator::occupied_bytes(len_bytes).unwrap_or(u64::MAX);
        let is_small = wanted <= SMALL_BYTES;
        let newest_first = self.by_stamp.iter().rev().map(|(_, id)| *id);
        let found = newest_first
            .into_iter()
            .find(|id| self.segments.get(id).is_some_and(|segment| segment.takes(wanted, is_small)));
        let Some(id) = found else {
            return Reserved::NeedSegment { size_bytes: wanted };
        };
        self.take(id, len_bytes, is_small).unwrap_or(Reserved::NeedSegment { size_bytes: wanted })
    }

    /// As `reserve`, but any space will do: for when the daemon has no more to give.
    pub fn reserve_anywhere(&mut self, len_bytes: u64) -> Reserved {
        let wanted = RangeAllocator::occupied_bytes(len_bytes).unwrap_or(u64::MAX);
        let fits = |segment: &&PoolSegment| segment.allocator.largest_free() >= wanted;
        let newest_first = self.by_stamp.iter().rev().map(|(_, id)| *id);
        let found = newest_first.into_iter().find(|id| self.segments.get(id).as_ref().is_some_and(fits));
        let Some(id) = found else {
            return Reserved::NeedSegment { size_bytes: wanted };
        };
        self.take(id, len_bytes, wanted <= SMALL_BYTES).unwrap_or(Reserved::NeedSegment { size_bytes: wanted })
    }

    /// A segment that the daemon gave. False when it is there already.
    pub fn add_segment(&mut self, segment: SegmentId, size_bytes: u64, now_ms: u64) -> bool {
        if self.segments.contains_key(&segment) {
            return false;
        }
        self.next_stamp += 1;
        let mut allocator = RangeAllocator::new(size_bytes);
        if self.cuts_lines {
            allocator.cut_lines();
        }
        let used_for = Use::Empty { since_ms: now_ms };
        self.segments.insert(segment, PoolSegment { allocator, used_for, stamp: self.next_stamp });
        self.by_stamp.insert((self.next_stamp, segment));
        true
    }

    /// Takes a range back. False (and nothing happens) when it was not given out.
    pub fn free(&mut self, segment: SegmentId, offset_bytes: u64, len_bytes: u64, now_ms: u64) -> bool {
        let Some(entry) = self.segments.get_mut(&segment) else {
            return false;
        };
        if !entry.allocator.free(offset_bytes, len_bytes) {
            return false;
        }
        if entry.allocator.used_bytes() == 0 {
            entry.used_for = Use::Empty { since_ms: now_ms };
        }
        self.next_stamp += 1;
        self.by_stamp.remove(&(entry.stamp, segment));
        entry.stamp = self.next_stamp;
        self.by_stamp.insert((entry.stamp, segment));
        true
    }

    /// Removes the segments that have been empty for `idle_after_ms`: they are to be given back.
    pub fn idle_segments(&mut self, now_ms: u64, idle_after_ms: u64) -> Vec<SegmentId> {
        let idle = |segment: &PoolSegment| matches!(segment.used_for, Use::Empty { since_ms } if now_ms >= since_ms.saturating_add(idle_after_ms));
        let ids: Vec<SegmentId> =
            self.segments.iter().filter(|(_, segment)| idle(segment)).map(|(id, _)| *id).collect();
        for id in &ids {
            if let Some(segment) = self.segments.remove(id) {
                self.by_stamp.remove(&(segment.stamp, *id));
            }
        }
        ids
    }

    /// When `idle_segments` will next have something, if nothing happens before.
    pub fn next_idle_ms(&self, idle_after_ms: u64) -> Option<u64> {
        let since = |segment: &PoolSegment| match segment.used_for {
            Use::Empty { since_ms } => Some(since_ms.saturating_add(idle_after_ms)),
            Use::Small | Use::Large => None,
        };
        self.segments.values().filter_map(since).min()
    }

    /// Sums over the pool.
    pub fn stats(&self) -> PoolStats {
        let mut stats = PoolStats::default();
        for segment in self.segments.values() {
            stats.segments += 1;
            stats.segment_bytes += segment.allocator.size_bytes();
            stats.used_bytes += segment.allocator.used_bytes();
        }
        stats
    }

    /// Checks that the views of the segments agree.
    pub fn sanity_check(&self) -> Result<(), String> {
        if self.by_stamp.len() != self.segments.len() {
            return Err("an index holds a segment that is gone".into());
        }
        for (id, segment) in &self.segments {
            segment.allocator.sanity_check()?;
            let is_empty = matches!(segment.used_for, Use::Empty { .. });
            if is_empty != (segment.allocator.used_bytes() == 0) || !self.by_stamp.contains(&(segment.stamp, *id)) {
                return Err(format!(
                    "{id:?} is {:?} with {} bytes used",
                    segment.used_for,
                    segment.allocator.used_bytes()
                ));
            }
        }
        Ok(())
    }

    fn take(&mut self, id: SegmentId, len_bytes: u64, is_small: bool) -> Option<Reserved> {
        let segment = self.segments.get_mut(&id)?;
        let offset_bytes = segment.allocator.allocate(len_bytes)?;
        if matches!(segment.used_for, Use::Empty { .. }) {
            segment.used_for = if is_small { Use::Small } else { Use::Large };
        }
        Some(Reserved::Range { segment: id, offset_bytes })
    }
}

impl PoolSegment {
    fn takes(&self, wanted: u64, is_small: bool) -> bool {
        let room = self.allocator.largest_free();
        let size = self.allocator.size_bytes();
        room >= wanted
            && match self.used_for {
                Use::Small => is_small,
                Use::Large => !is_small,
                Use::Empty { .. } if is_small => size <= LARGEST_SHARED_BYTES,
                // An object must not hold a segment many times its size.
                Use::Empty { .. } => size <= wanted.saturating_mul(2).saturating_add(FIT_SLACK_BYTES),
            }
    }
}

#[cfg(test)]
mod tests;
