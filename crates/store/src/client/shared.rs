//! The state behind a client, its allocations and its pinned bytes.

use parking_lot::Mutex;
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use std::time::Instant;
use trygon_ids::SegmentId;
use trygon_shm::{ReadOnlyMapping, WritableMapping};
use trygon_store_core::WriterPool;

/// Pins of one range.
#[derive(Debug)]
pub(crate) struct Pinned {
    pub(crate) count: u32,
    /// The range was freed while pinned; its length. It goes back to the pool with the last pin (STORE-2).
    pub(crate) free_len_bytes: Option<u64>,
}

/// Another process's segment, mapped for reading.
#[derive(Debug)]
pub(crate) struct Readable {
    pub(crate) mapping: Arc<ReadOnlyMapping>,
    pub(crate) used_ms: u64,
}

#[derive(Debug, Default)]
pub(crate) struct State {
    pub(crate) pool: WriterPool,
    pub(crate) writable: HashMap<SegmentId, Arc<WritableMapping>>,
    pub(crate) readable: HashMap<SegmentId, Readable>,
    pub(crate) pins: BTreeMap<(SegmentId, u64), Pinned>,
}

/// Everything that a client shares with what it gave out.
#[derive(Debug)]
pub(crate) struct Shared {
    /// A lock, because any thread of the program may drop an array at any time. Held for map look-ups only; never while bytes are copied.
    pub(crate) state: Mutex<State>,
    started: Instant,
}

impl Shared {
    pub(crate) fn new() -> Arc<Self> {
        Arc::new(Self { state: Mutex::new(State::default()), started: Instant::now() })
    }

    /// Milliseconds on this client's own clock, which starts with it.
    pub(crate) fn now_ms(&self) -> u64 {
        self.started.elapsed().as_millis() as u64
    }

    /// Gives a range back, now or with its last pin. False when it was not given out.
    pub(crate) fn free(&self, segment: SegmentId, offset_bytes: u64, len_bytes: u64) -> bool {
        let now_ms = self.now_ms();
        let mut state = self.state.lock();
        if let Some(pinned) = state.pins.get_mut(&(segment, offset_bytes)) {
            let is_first = pinned.free_len_bytes.is_none();
            pinned.free_len_bytes = Some(len_bytes);
            return is_first;
        }
        state.pool.free(segment, offset_bytes, len_bytes, now_ms)
    }

    pub(crate) fn unpin(&self, segment: SegmentId, offset_bytes: u64) {
        let now_ms = self.now_ms();
        let mut state = self.state.lock();
        let Some(pinned) = state.pins.get_mut(&(segment, offset_bytes)) else {
            return;
        };
        pinned.count -= 1;
        if pinned.count > 0 {
            return;
        }
        let free_len_bytes = pinned.free_len_bytes;
        state.pins.remove(&(segment, offset_bytes));
        if let Some(len_bytes) = free_len_bytes {
            state.pool.free(segment, offset_bytes, len_bytes, now_ms);
        }
    }
}
