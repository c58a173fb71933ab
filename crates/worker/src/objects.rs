//! Objects in shared memory: a place to write one, the bytes of one.

use crate::answer::Answer;
use crate::copies::{Place, StoreError, Urgency};
use crate::engine::Engine;
use crate::requests::RequestError;
use crate::runtime::Runtime;
use crate::wait::Patience;
use parking_lot::MutexGuard;
use std::sync::Arc;
use trygon_ids::{ObjectId, SegmentId, WorkerId};
use trygon_store::client::{Allocation, PinnedBytes, Reservation};
use trygon_wire::{Kind, control};
use trygon_worker_core::Location;

impl From<RequestError> for StoreError {
    fn from(error: RequestError) -> Self {
        match error {
            RequestError::Closed => Self::Failed("the node's daemon is gone".to_owned()),
            RequestError::Interrupted => Self::Failed("interrupted".to_owned()),
            RequestError::Refused(message) | RequestError::OutOfDisk(message) => Self::Failed(message),
        }
    }
}

/// Space for one object. Dropped without being sealed, it is free again.
#[derive(Debug)]
pub struct StoredWrite(Allocation);

/// A stored object's bytes: valid while this lives, as far as the mapping goes; a counted reference keeps the range from being used again.
#[derive(Debug, Clone)]
pub struct StoredBytes(Arc<PinnedBytes>);

impl StoredBytes {
    /// The bytes.
    pub fn as_slice(&self) -> &[u8] {
        self.0.as_slice()
    }
}

impl StoredWrite {
    /// Writes the parts one after the other, on more than one core when they are large. False when they are longer than the space.
    pub fn write(&mut self, parts: &[&[u8]]) -> bool {
        self.0.write_parts(parts)
    }

    /// The space itself, for values that are made in place.
    pub fn as_mut_ptr(&mut self) -> *mut u8 {
        self.0.as_mut_ptr()
    }

    /// Length in bytes.
    pub fn size_bytes(&self) -> u64 {
        self.0.size_bytes
    }
}

impl Runtime {
    /// Space for an object of this size. Asks the daemon only when no segment has room.
    pub fn reserve(&self, size_bytes: u64) -> Result<StoredWrite, StoreError> {
        loop {
            match self.store.reserve(size_bytes) {
                Reservation::Ready(allocation) => return Ok(StoredWrite(allocation)),
                Reservation::NeedSegment { size_bytes } => {
                    let build = |request_id| control::SegmentRequest { request_id, size_bytes };
                    match self.ask(Kind::SegmentRequest, build)? {
                        Answer::SegmentGranted => {}
                        Answer::SegmentRefused(refused) => {
                            // What others left free in large segments is better than an error.
                            if let Reservation::Ready(allocation) = self.store.reserve_anywhere(size_bytes) {
                                return Ok(StoredWrite(allocation));
                            }
                            if refused.disk_full {
                                return Err(StoreError::DiskFull(refused.message));
                            }
                            return Err(StoreError::Full {
                                capacity_bytes: refused.capacity_bytes,
                                used_bytes: refused.used_bytes,
                                message: refused.message,
                            });
                        }
                        _ => return Err(StoreError::Gone),
                    }
                }
            }
        }
    }

    /// The object is written and will not change (STORE-1): the daemon is told, without waiting.
    pub fn seal(&self, write: StoredWrite, object: ObjectId, owner: WorkerId) -> Location {
        let sealed = write.0.seal();
        let Location { segment, offset_bytes, size_bytes } =
            Location { segment: sealed.segment, offset_bytes: sealed.offset_bytes, size_bytes: sealed.size_bytes };
        let message = control::ObjectSealed {
            object_id: object.as_bytes().to_vec(),
            segment_id: segment.0,
            offset_bytes,
            size_bytes,
            owner: owner.as_bytes().to_vec(),
        };
        let mut engine = self.lock();
        engine.control.send(Kind::ObjectSealed, &message);
        engine.control.flush();
        let has_backlog = engine.control.has_backlog();
        drop(engine);
        if has_backlog {
            // The reply that names the object must not overtake the daemon's knowledge of it (OWN-8).
            self.wait_through(&Patience::for_ever(), |engine| {
                engine.control.flush();
                !engine.control.has_backlog() || engine.is_closed()
            });
        }
        Location { segment, offset_bytes, size_bytes }
    }

    /// The bytes of a stored object, fetched first if they are on another node or in a file. The caller holds a reference to it as long as it
    /// looks.
    pub fn stored_bytes(&self, object: &ObjectId, location: Location) -> Result<StoredBytes, StoreError> {
        let mut tries_left = MOST_TRIES;
        loop {
            let mut engine = self.lock();
            match engine.place(object, location, Urgency::Get) {
                Place::Here(here) => {
                    // Under the engine's lock: the daemon is not told meanwhile that nobody here looks at it.
                    let bytes = self.store.bytes(here.segment.0, here.offset_bytes, here.size_bytes);
                    if let Some(bytes) = bytes {
                        return Ok(StoredBytes(Arc::new(bytes)));
                    }
                    if self.store.is_mapped(here.segment.0) || tries_left == 0 {
                        return Err(StoreError::Gone);
                    }
                    tries_left -= 1;
                    self.map_segment(engine, here.segment)?;
                    continue;
                }
                Place::Failed(error) => {
                    engine.forget_failure(object);
                    return Err(error);
                }
                Place::Coming => drop(engine),
            }
            self.wait(&Patience::for_ever(), |engine| {
                engine.fetch(object, location, Urgency::Get) || engine.is_closed()
            });
            if self.lock().is_closed() {
                return Err(RequestError::Closed.into());
            }
        }
    }

    /// Maps a segment that this process never read from, once for all threads that want it. Whether it is there is seen when it is looked at:
    /// what is gone may be in a file.
    fn map_segment(&self, mut engine: MutexGuard<'_, Engine>, segment: SegmentId) -> Result<(), StoreError> {
        if engine.replicas.mapping.insert(segment) {
            engine.control.send(Kind::SegmentMap, &control::SegmentMap { segment_id: segment.0 });
        }
        drop(engine);
        self.wait_through(&Patience::for_ever(), |engine| {
            !engine.replicas.mapping.contains(&segment) || engine.is_closed()
        });
        if self.lock().is_closed() { Err(RequestError::Closed.into()) } else { Ok(()) }
    }

    /// Keeps an object of this process where it is for as long as the result lives; for views that were made before it was sealed.
    pub fn pin(&self, write: &StoredWrite) -> Option<StoredBytes> {
        let Allocation { segment_id, offset_bytes, size_bytes, .. } = write.0;
        self.store.bytes(segment_id, offset_bytes, size_bytes).map(|bytes| StoredBytes(Arc::new(bytes)))
    }
}

/// How often a segment is mapped for one object: its copy may go and come back meanwhile.
const MOST_TRIES: u32 = 10;

/// Smaller values stay: the store's alignment would cost more than it frees.
const LEAST_MOVED_BYTES: usize = 1 << 10;

impl Runtime {
    /// FLOW-2: moves about `bytes` of inline values to shared memory. What does not fit there stays where it is.
    pub(crate) fn move_inline_values(&self, bytes: usize) {
        let movable = self.lock().core.movable_values(LEAST_MOVED_BYTES, bytes);
        for value in movable {
            let encoded = value.value.as_slice();
            let Ok(mut write) = self.reserve(encoded.len() as u64) else { return };
            write.write(&[encoded]);
            let engine = self.lock();
            let object = engine.core.object_id(value.slot, value.generation, value.index);
            let owner = engine.core.identity().worker;
            drop(engine);
            let location = self.seal(write, object, owner);
            let mut engine = self.lock();
            if !engine.core.moved_to_store(value.slot, value.generation, value.index, location) {
                engine.free_stored(&object, location);
            }
        }
    }

    /// Bytes of arguments of tasks that are not done.
    pub fn argument_bytes(&self) -> usize {
        self.lock().core.argument_bytes()
    }

    /// FLOW-1: waits until the arguments of unfinished tasks take less than `limit_bytes`. True when there was nothing to wait for.
    pub fn has_room_for_arguments(&self, limit_bytes: usize) -> bool {
        self.lock().core.has_argument_room(limit_bytes)
    }
}
