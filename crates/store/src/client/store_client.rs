//! The client itself.

use crate::client::allocation::Allocation;
use crate::client::pinned_bytes::PinnedBytes;
use crate::client::shared::{Pinned, Readable, Shared, State};
use rustix::io;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use trygon_ids::SegmentId;
use trygon_shm::{ReadOnlyMapping, SegmentBytes, WritableMapping};
use trygon_store_core::{ObjectLocation, PoolStats, Reserved};

/// An empty segment goes back to the daemon after this time.
const IDLE_AFTER_MS: u64 = 3_000;
/// A mapping of another process's segment that nobody looks at goes after this time; a later `get` asks for it again.
const UNMAP_AFTER_MS: u64 = 10_000;

/// Room for an object, or what is missing for it.
#[derive(Debug)]
pub enum Reservation {
    /// The space.
    Ready(Allocation),
    /// Ask the daemon for a segment of at least this size (`SegmentRequest`), call `add_segment` and then `reserve` again.
    NeedSegment {
        /// The least size.
        size_bytes: u64,
    },
}

/// Figures of a client.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct ClientStats {
    /// The segments that this process writes.
    pub pool: PoolStats,
    /// Segments of others that it has mapped.
    pub mapped_segments: u64,
    /// Ranges that it wrote and looks at.
    pub pinned_ranges: u64,
}

/// The store as a driver or worker sees it. Clones are handles of the same one.
#[derive(Debug, Clone)]
pub struct StoreClient {
    shared: Arc<Shared>,
}

impl Default for StoreClient {
    fn default() -> Self {
        Self::new()
    }
}

impl StoreClient {
    /// A client without any segment.
    pub fn new() -> Self {
        Self { shared: Shared::new() }
    }

    /// Milliseconds on the client's own clock, for `idle_segments`.
    pub fn now_ms(&self) -> u64 {
        self.shared.now_ms()
    }

    /// Room for an object of `len_bytes`.
    pub fn reserve(&self, len_bytes: u64) -> Reservation {
        let mut state = self.shared.state.lock();
        let reserved = state.pool.reserve(len_bytes);
        self.finish_reserve(&state, reserved, len_bytes)
    }

    /// As `reserve`, but takes any space that is left in this process's segments, even where it fits badly. For when the daemon refused.
    pub fn reserve_anywhere(&self, len_bytes: u64) -> Reservation {
        let mut state = self.shared.state.lock();
        let reserved = state.pool.reserve_anywhere(len_bytes);
        self.finish_reserve(&state, reserved, len_bytes)
    }

    fn finish_reserve(&self, state: &State, reserved: Reserved, len_bytes: u64) -> Reservation {
        match reserved {
            Reserved::NeedSegment { size_bytes } => Reservation::NeedSegment { size_bytes },
            Reserved::Range { segment, offset_bytes } => match state.writable.get(&segment) {
                Some(mapping) => {
                    let location = ObjectLocation { segment, offset_bytes, size_bytes: len_bytes };
                    Reservation::Ready(Allocation::new(self.shared.clone(), mapping.clone(), location))
                }
                // Pool and mappings change together; without a mapping there would be no space either.
                None => Reservation::NeedSegment { size_bytes: len_bytes },
            },
        }
    }

    /// A segment that the daemon granted, with its writable descriptor.
    pub fn add_segment(&self, segment_id: u64, size_bytes: u64, descriptor: OwnedFd) -> io::Result<()> {
        let mapping = Arc::new(WritableMapping::new(&descriptor, size_bytes)?);
        let now_ms = self.now_ms();
        let mut state = self.shared.state.lock();
        let segment = SegmentId(segment_id);
        if state.pool.add_segment(segment, size_bytes, now_ms) {
            state.writable.insert(segment, mapping);
        }
        Ok(())
    }

    /// Takes back the space of a sealed object that this process wrote: it owns it and nobody refers to it, or the daemon said `Reclaim`.
    /// False when the range was not given out. While this process looks at it, the space waits.
    pub fn free(&self, segment_id: u64, offset_bytes: u64, len_bytes: u64) -> bool {
        self.shared.free(SegmentId(segment_id), offset_bytes, len_bytes)
    }

    /// Whether this process writes the segment.
    pub fn is_own(&self, segment_id: u64) -> bool {
        self.shared.state.lock().writable.contains_key(&SegmentId(segment_id))
    }

    /// A mapped segment, own ones included. `None`: ask the daemon (`SegmentMap`) and call `add_mapping`.
    pub fn mapping(&self, segment_id: u64) -> Option<Arc<dyn SegmentBytes>> {
        let now_ms = self.now_ms();
        let mut state = self.shared.state.lock();
        let segment = SegmentId(segment_id);
        if let Some(mapping) = state.writable.get(&segment) {
            return Some(mapping.clone());
        }
        state.readable.get_mut(&segment).map(|readable| {
            readable.used_ms = now_ms;
            readable.mapping.clone() as Arc<dyn SegmentBytes>
        })
    }

    /// Another process's segment, with the read-only descriptor that the daemon sent.
    pub fn add_mapping(&self, segment_id: u64, size_bytes: u64, descriptor: OwnedFd) -> io::Result<()> {
        let mapping = Arc::new(ReadOnlyMapping::new(&descriptor, size_bytes)?);
        let used_ms = self.now_ms();
        let mut state = self.shared.state.lock();
        // Two threads may have asked; what is looked at already stays.
        state.readable.entry(SegmentId(segment_id)).or_insert(Readable { mapping, used_ms });
        Ok(())
    }

    /// The bytes of a sealed object. `None` when the segment is not mapped (see `mapping`) or the range is not inside it.
    pub fn bytes(&self, segment_id: u64, offset_bytes: u64, len_bytes: u64) -> Option<PinnedBytes> {
        let now_ms = self.now_ms();
        let end = offset_bytes.checked_add(len_bytes)?;
        let mut state = self.shared.state.lock();
        let segment = SegmentId(segment_id);
        if let Some(mapping) = state.writable.get(&segment).cloned() {
            if end > mapping.len_bytes() as u64 {
                return None;
            }
            let pinned = state.pins.entry((segment, offset_bytes)).or_insert(Pinned { count: 0, free_len_bytes: None });
            pinned.count += 1;
            let pin = Some((self.shared.clone(), segment));
            return Some(PinnedBytes::new(mapping, offset_bytes, len_bytes, pin));
        }
        let readable = state.readable.get_mut(&segment)?;
        if end > readable.mapping.len_bytes() as u64 {
            return None;
        }
        readable.used_ms = now_ms;
        let mapping = readable.mapping.clone();
        let pinned = state.pins.entry((segment, offset_bytes)).or_insert(Pinned { count: 0, free_len_bytes: None });
        pinned.count += 1;
        Some(PinnedBytes::new(mapping, offset_bytes, len_bytes, Some((self.shared.clone(), segment))))
    }

    /// Whether this process looks at the object that begins there.
    pub fn is_pinned(&self, segment_id: u64, offset_bytes: u64) -> bool {
        self.shared.state.lock().pins.contains_key(&(SegmentId(segment_id), offset_bytes))
    }

    /// Where the objects of a segment begin that this process looks at.
    pub fn pinned_in(&self, segment_id: u64) -> Vec<u64> {
        let segment = SegmentId(segment_id);
        let state = self.shared.state.lock();
        state.pins.range((segment, 0)..=(segment, u64::MAX)).map(|((_, offset_bytes), _)| *offset_bytes).collect()
    }

    /// Whether the segment is mapped here.
    pub fn is_mapped(&self, segment_id: u64) -> bool {
        let state = self.shared.state.lock();
        let segment = SegmentId(segment_id);
        state.writable.contains_key(&segment) || state.readable.contains_key(&segment)
    }

    /// Call it now and then (`now_ms` of `StoreClient::now_ms`): segments that have been empty for a while, unmapped already; each is to be
    /// given back with a `SegmentReturn`. Mappings that nobody used for longer go too.
    pub fn idle_segments(&self, now_ms: u64) -> Vec<u64> {
        let mut state = self.shared.state.lock();
        let idle = state.pool.idle_segments(now_ms, IDLE_AFTER_MS);
        // Unmapped after the lock is gone: that takes time for each page.
        let mut unused: Vec<Arc<dyn SegmentBytes>> = Vec::new();
        unused.extend(
            idle.iter().filter_map(|id| state.writable.remove(id)).map(|mapping| mapping as Arc<dyn SegmentBytes>),
        );
        state.readable.retain(|_, readable| {
            let stays = Arc::strong_count(&readable.mapping) > 1 || now_ms < readable.used_ms + UNMAP_AFTER_MS;
            if !stays {
                unused.push(readable.mapping.clone());
            }
            stays
        });
        drop(state);
        drop(unused);
        idle.into_iter().map(|segment| segment.0).collect()
    }

    /// When `idle_segments` will next return something, if nothing happens before; on the clock of `now_ms`.
    pub fn next_idle_ms(&self) -> Option<u64> {
        let state = self.shared.state.lock();
        let unused = |readable: &&Readable| Arc::strong_count(&readable.mapping) == 1;
        let mapped = state.readable.values().filter(unused).map(|readable| readable.used_ms + UNMAP_AFTER_MS).min();
        state.pool.next_idle_ms(IDLE_AFTER_MS).into_iter().chain(mapped).min()
    }

    /// Figures, for people and tests.
    pub fn stats(&self) -> ClientStats {
        let state = self.shared.state.lock();
        ClientStats {
            pool: state.pool.stats(),
            mapped_segments: state.readable.len() as u64,
            pinned_ranges: state.pins.len() as u64,
        }
    }
}
