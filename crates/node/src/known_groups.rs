//! What a node knows of placement groups.

use trygon_ids::PlacementGroupId;
use trygon_wire::control::LeaseRequest;

/// What the node knows of a group.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum KnownGroup {
    /// It is, or will be, reserved.
    There,
    /// It was removed.
    Removed,
}

/// A lease in a group that is not known yet: handles may travel faster than the creation, which comes by another connection.
#[derive(Debug)]
pub(crate) struct EarlyLease {
    pub(crate) group: PlacementGroupId,
    pub(crate) from: u64,
    pub(crate) request: LeaseRequest,
}
