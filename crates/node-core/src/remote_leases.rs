//! Questions about leases between nodes, for whoever looks after the connections between owners and workers.

use crate::lease::Purpose;
use crate::{LeaseId, Node};
use trygon_ids::WorkerId;

impl Node {
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
