//! What a node knows of the others, and which of their leases its owners hold.

use crate::LeaseId;
use crate::report::Report;
use std::collections::BTreeMap;
use trygon_ids::{NodeId, WorkerId};
use trygon_placement::View;

/// Where the number of a node begins in the number of a lease.
pub(crate) const NUMBER_SHIFT: u32 = 40;

/// A lease that another node granted to an owner of this one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Foreign {
    pub(crate) node: NodeId,
    pub(crate) owner: WorkerId,
    pub(crate) worker: WorkerId,
}

/// The other nodes.
#[derive(Debug, Default)]
pub(crate) struct Cluster {
    /// This node's number; `None` while it is alone.
    pub(crate) number: Option<u32>,
    /// All others.
    pub(crate) view: View,
    /// This node takes nothing new.
    pub(crate) is_draining: bool,
    /// Leases of other nodes that owners of this one hold.
    pub(crate) foreign: BTreeMap<LeaseId, Foreign>,
    /// Where SPREAD goes on.
    pub(crate) turn: u32,
    /// Nodes that cannot be reached, and until when they are not asked at all.
    pub(crate) down: BTreeMap<NodeId, u64>,
    /// What the head was told.
    pub(crate) report: Report,
}

impl Cluster {
    /// Whether a message would reach the node.
    pub(crate) fn is_reached(&self, node: NodeId, now_ms: u64) -> bool {
        self.down.get(&node).is_none_or(|until_ms| *until_ms <= now_ms)
    }

    /// When a node that cannot be reached now is tried again.
    pub(crate) fn next_reach_ms(&self, now_ms: u64) -> Option<u64> {
        self.down.values().copied().filter(|until_ms| *until_ms > now_ms).min()
    }

    /// Whether there are other nodes that could be asked.
    pub(crate) fn has_others(&self) -> bool {
        !self.view.is_empty()
    }
}
