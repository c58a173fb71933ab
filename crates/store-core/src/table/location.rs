//! Where objects lie.

use trygon_ids::SegmentId;

/// The rest of a segment's number counts up.
pub(crate) const NODE_SHIFT: u32 = 40;

/// The node that a segment lies on.
pub fn node_of(segment: SegmentId) -> u32 {
    (segment.0 >> NODE_SHIFT) as u32
}

/// Where an object lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ObjectLocation {
    /// The segment.
    pub segment: SegmentId,
    /// Offset in it.
    pub offset_bytes: u64,
    /// Length of the object.
    pub size_bytes: u64,
}
