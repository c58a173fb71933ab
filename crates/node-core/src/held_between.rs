//! Questions about what is held between nodes, for whoever looks after the connections with them.

use crate::bundle::Bundle;
use crate::lease::Purpose;
use crate::{LeaseId, Node};
use trygon_ids::{PlacementGroupId, WorkerId};

/// A bundle of a placement group that is held here.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BundleView {
    /// The group.
    pub group: PlacementGroupId,
    /// Its place in the group.
    pub index: u32,
    /// Which attempt of the head's holds it.
    pub attempt: u32,
    /// It may be used.
    pub is_committed: bool,
}

impl Node {
    /// Every bundle that is held.
    pub fn bundle_views(&self) -> Vec<BundleView> {
        let of_group = self.groups.iter().flat_map(|(group, bundles)| bundles.iter().map(|bundle| (*group, bundle)));
        let view = |(group, (index, bundle)): (PlacementGroupId, (&usize, &Bundle))| BundleView {
            group,
            index: u32::try_from(*index).unwrap_or(u32::MAX),
            attempt: bundle.attempt,
            is_committed: bundle.is_committed,
        };
        of_group.map(view).collect()
    }

    /// Whether this worker runs tasks for this owner.
    pub fn is_leased_to(&self, worker: WorkerId, owner: WorkerId) -> bool {
        let is_theirs = |purpose: &Purpose| matches!(purpose, Purpose::Tasks { .. });
        self.leases.values().any(|lease| lease.worker == worker && lease.owner == owner && is_theirs(&lease.purpose))
    }

    /// The leases on a worker of another node that an owner of this one holds.
    pub fn foreign_leases(&self, owner: WorkerId, worker: WorkerId) -> Vec<LeaseId> {
        let of_theirs = self.cluster.foreign.iter().filter(|(_, lease)| lease.owner == owner && lease.worker == worker);
        of_theirs.map(|(id, _)| *id).collect()
    }
}
