//! Nodes come and go, and connections with them.

use crate::cluster::NUMBER_SHIFT;
use crate::lease::{Lease, Purpose};
use crate::worker::Life;
use crate::{Effect, LeaseId, Node, StopReason};
use trygon_ids::{NodeId, WorkerId};
use trygon_placement::Delta;

/// A node to which the connection broke is asked again after this, or when the connection is there again.
const UNREACHED_MS: u64 = 1_000;

impl Node {
    /// The node is one of many. Leases have its number in theirs from now on; what the head knows of it is told anew.
    pub(crate) fn on_numbered(&mut self, number: u32) {
        self.cluster.number = Some(number);
        self.cluster.report.forget();
        let base = u64::from(number) << NUMBER_SHIFT;
        if self.next_lease >> NUMBER_SHIFT != u64::from(number) {
            self.next_lease = base | (self.next_lease & ((1 << NUMBER_SHIFT) - 1));
        }
    }

    /// Others have other amounts free, or are new, or gone.
    pub(crate) fn on_cluster_changed(&mut self, delta: Delta, effects: &mut Vec<Effect>) {
        let prefix = self.options.worker_id_prefix;
        let is_own = |node: NodeId| node.as_bytes()[..prefix.len()] == prefix;
        if let Some(own) = delta.nodes.iter().find(|state| is_own(state.node)) {
            self.cluster.is_draining = own.is_draining;
        }
        for node in self.cluster.view.apply(delta, |node| !is_own(node)) {
            self.end_with(node, effects);
        }
    }

    /// SPILL-5: a node is dead.
    pub(crate) fn on_node_lost(&mut self, node: NodeId, effects: &mut Vec<Effect>) {
        self.cluster.view.remove(node);
        self.end_with(node, effects);
    }

    fn end_with(&mut self, node: NodeId, effects: &mut Vec<Effect>) {
        self.cluster.down.remove(&node);
        self.forget_asks_of(node);
        self.queue.take_from(node, |_| true);
        self.cluster.foreign.retain(|_, lease| lease.node != node);
        let is_theirs = |lease: &Lease| lease.home == Some(node) && matches!(lease.purpose, Purpose::Tasks { .. });
        self.end_orphans(is_theirs, effects);
    }

    /// LEASE-3: workers that run something for a dead owner are ended; their leases end with them.
    pub(crate) fn end_orphans(&mut self, is_orphan: impl Fn(&Lease) -> bool, effects: &mut Vec<Effect>) {
        let orphans: Vec<(LeaseId, WorkerId)> =
            self.leases.iter().filter(|(_, lease)| is_orphan(lease)).map(|(id, lease)| (*id, lease.worker)).collect();
        for (lease, worker) in orphans.into_iter().filter(|_| !self.defects.orphans_kept) {
            self.workers.insert(worker, Life::Exiting { lease: Some(lease) });
            effects.push(Effect::StopWorker { worker, reason: StopReason::OwnerDied });
        }
    }

    /// What was on its way is lost: what was asked is asked again, what was to be answered is not wanted here any more.
    pub(crate) fn on_link_lost(&mut self, now_ms: u64, node: NodeId) {
        self.cluster.down.insert(node, now_ms + UNREACHED_MS);
        self.forget_asks_of(node);
        self.queue.take_from(node, |_| true);
    }

    /// Grants and returns may have been lost: leases that their owners do not hold go back.
    pub(crate) fn on_link_up(&mut self, now_ms: u64, node: NodeId, held: &[LeaseId]) {
        self.cluster.down.remove(&node);
        self.forget_looks();
        let is_lost = |id: LeaseId, lease: &Lease| {
            lease.home == Some(node) && matches!(lease.purpose, Purpose::Tasks { .. }) && !held.contains(&id)
        };
        let lost: Vec<(LeaseId, WorkerId)> = self
            .leases
            .iter()
            .filter(|(id, lease)| is_lost(**id, lease))
            .map(|(id, lease)| (*id, lease.owner))
            .collect();
        for (lease, owner) in lost {
            self.on_lease_returned(now_ms, owner, lease, false);
        }
    }

    /// The leases of a node that owners of this one hold: what is said when a connection is there again.
    pub fn leases_from(&self, node: NodeId) -> Vec<LeaseId> {
        self.cluster.foreign.iter().filter(|(_, lease)| lease.node == node).map(|(id, _)| *id).collect()
    }

    /// Everything that waits is to be looked at again.
    fn forget_looks(&mut self) {
        self.queue.iter_mut().for_each(|(_, waiting)| waiting.abroad.forget_look());
    }

    /// What was asked of a node waits here again.
    fn forget_asks_of(&mut self, node: NodeId) {
        self.queue.iter_mut().for_each(|(_, waiting)| {
            waiting.abroad.forget(node);
        });
        self.cluster.view.forget_asks(node);
    }
}
