//! Uses of placement groups that are not known yet.

use trygon_ids::{ActorId, PlacementGroupId};
use trygon_wire::control;

/// Something that names a group which is not known yet: handles may travel faster than the creation, which comes by another connection.
#[derive(Debug)]
pub(crate) struct EarlyGroupUse {
    pub(crate) group: PlacementGroupId,
    pub(crate) use_: GroupUse,
    /// From then on it is a group that nobody knows.
    pub(crate) until_ms: u64,
}

/// What a group is wanted for.
#[derive(Debug)]
pub(crate) enum GroupUse {
    Watch { from: u64 },
    Lease { from: u64, request: control::LeaseRequest },
    Actor(ActorId),
}
