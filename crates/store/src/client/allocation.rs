//! Room for one object that is being written.

use crate::client::shared::Shared;
use std::sync::Arc;
use trygon_ids::SegmentId;
use trygon_shm::{CopyPlan, WritableMapping};
use trygon_store_core::ObjectLocation;

/// Space that nobody else writes to. Dropped before `seal`, it is free again.
#[derive(Debug)]
pub struct Allocation {
    shared: Option<Arc<Shared>>,
    mapping: Arc<WritableMapping>,
    /// The segment's number.
    pub segment_id: u64,
    /// Offset in the segment.
    pub offset_bytes: u64,
    /// Length of the object.
    pub size_bytes: u64,
}

impl Allocation {
    pub(crate) fn new(shared: Arc<Shared>, mapping: Arc<WritableMapping>, location: ObjectLocation) -> Self {
        Self {
            shared: Some(shared),
            mapping,
            segment_id: location.segment.0,
            offset_bytes: location.offset_bytes,
            size_bytes: location.size_bytes,
        }
    }

    /// Writes the object: `parts` one after the other, which together are `size_bytes` long or shorter. False when they are longer; then
    /// nothing is written. Large ones are copied by two threads; call it without holding a lock.
    pub fn write_parts(&mut self, parts: &[&[u8]]) -> bool {
        self.write_parts_at(0, parts)
    }

    /// As `write_parts`, from a place inside the object on.
    pub fn write_parts_at(&mut self, start_bytes: u64, parts: &[&[u8]]) -> bool {
        let total: u64 = parts.iter().map(|part| part.len() as u64).sum();
        if start_bytes.checked_add(total).is_none_or(|end| end > self.size_bytes) {
            return false;
        }
        self.mapping.write_parts(self.offset_bytes + start_bytes, parts, CopyPlan::default()).is_some()
    }

    /// Where the object begins, for an array that is made in place. Valid, and to be written to, until `seal` or drop.
    pub fn as_mut_ptr(&mut self) -> *mut u8 {
        // The pool gives only ranges inside their segment.
        self.mapping.range_mut_ptr(self.offset_bytes, self.size_bytes).unwrap_or(std::ptr::null_mut())
    }

    /// A hand that writes into the space from other threads. Whoever has it must be done before `seal` or drop.
    pub(crate) fn writer(&self) -> RangeWriter {
        RangeWriter { mapping: self.mapping.clone(), offset_bytes: self.offset_bytes, size_bytes: self.size_bytes }
    }

    /// The object is complete and will not change (STORE-1). From here on the space is given back with `StoreClient::free`.
    pub fn seal(mut self) -> ObjectLocation {
        self.shared = None;
        ObjectLocation {
            segment: SegmentId(self.segment_id),
            offset_bytes: self.offset_bytes,
            size_bytes: self.size_bytes,
        }
    }
}

/// Writes into a range that belongs to an `Allocation`.
#[derive(Debug, Clone)]
pub(crate) struct RangeWriter {
    mapping: Arc<WritableMapping>,
    offset_bytes: u64,
    size_bytes: u64,
}

impl RangeWriter {
    /// Has `write` fill a part of the range; `None` when that does not lie inside.
    pub(crate) fn fill<R>(&self, start_bytes: u64, len_bytes: u64, write: impl FnOnce(&mut [u8]) -> R) -> Option<R> {
        let end = start_bytes.checked_add(len_bytes).filter(|end| *end <= self.size_bytes)?;
        self.mapping.fill(self.offset_bytes + end - len_bytes, len_bytes, write)
    }
}

impl Drop for Allocation {
    fn drop(&mut self) {
        if let Some(shared) = self.shared.take() {
            shared.free(SegmentId(self.segment_id), self.offset_bytes, self.size_bytes);
        }
    }
}
