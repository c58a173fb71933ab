//! Bytes of a sealed object that stay where they are as long as someone looks at them.

use crate::client::shared::Shared;
use std::ops::Deref;
use std::sync::Arc;
use trygon_ids::SegmentId;
use trygon_shm::SegmentBytes;

/// A view on a sealed object. Keeps the mapping, keeps the object from leaving memory for a file, and in the process that wrote it the space
/// from being used again (STORE-2). Elsewhere that is up to the reference to the object, which has to live as long.
#[derive(Debug)]
pub struct PinnedBytes {
    mapping: Arc<dyn SegmentBytes>,
    offset_bytes: u64,
    len_bytes: u64,
    /// Where the pin is counted.
    pin: Option<(Arc<Shared>, SegmentId)>,
}

impl PinnedBytes {
    /// The range has been checked to lie inside the mapping.
    pub(crate) fn new(
        mapping: Arc<dyn SegmentBytes>,
        offset_bytes: u64,
        len_bytes: u64,
        pin: Option<(Arc<Shared>, SegmentId)>,
    ) -> Self {
        Self { mapping, offset_bytes, len_bytes, pin }
    }

    /// The bytes.
    pub fn as_slice(&self) -> &[u8] {
        self.mapping.range(self.offset_bytes, self.len_bytes).unwrap_or_default()
    }

    /// Where they begin. Valid as long as `self` lives, wherever it is moved.
    pub fn as_ptr(&self) -> *const u8 {
        self.as_slice().as_ptr()
    }
}

impl Deref for PinnedBytes {
    type Target = [u8];

    fn deref(&self) -> &[u8] {
        self.as_slice()
    }
}

impl Drop for PinnedBytes {
    fn drop(&mut self) {
        if let Some((shared, segment)) = self.pin.take() {
            shared.unpin(segment, self.offset_bytes);
        }
    }
}
