//! The table of nodes.

use std::collections::BTreeMap;
use trygon_ids::{NodeId, WorkerId};
use trygon_proto::v1::NodeView;
use trygon_resources::ResourceSet;

/// Bytes of a node's id that its processes' ids begin with.
pub(super) const PREFIX: usize = 20;

/// One node.
#[derive(Debug, Clone, serde::Serialize, serde::Deserialize)]
pub(super) struct NodeEntry {
    #[serde(with = "crate::head::messages::one")]
    pub(super) view: NodeView,
    pub(super) total: ResourceSet,
    pub(super) free: ResourceSet,
    pub(super) daemon_pid: u32,
}

impl NodeEntry {
    /// Whether it takes new work.
    pub(super) fn takes_work(&self) -> bool {
        self.view.state == "alive"
    }
}

/// Every node, the dead ones too.
#[derive(Debug, Default, serde::Serialize, serde::Deserialize)]
pub(super) struct Nodes {
    pub(super) by_id: BTreeMap<NodeId, NodeEntry>,
    pub(super) by_prefix: BTreeMap<[u8; PREFIX], NodeId>,
    pub(super) next_number: u32,
}

impl Nodes {
    /// The node that a process lives on, if that is alive.
    pub(super) fn of_worker(&self, worker: WorkerId) -> Option<NodeId> {
        let mut prefix = [0; PREFIX];
        prefix.copy_from_slice(&worker.as_bytes()[..PREFIX]);
        self.by_prefix.get(&prefix).copied().filter(|node| self.is_alive(*node))
    }

    /// Whether a process is, or was, one of this node.
    pub(super) fn is_home(node: NodeId, worker: WorkerId) -> bool {
        node.as_bytes()[..PREFIX] == worker.as_bytes()[..PREFIX]
    }

    /// Nodes that live.
    pub(super) fn alive(&self) -> impl Iterator<Item = NodeId> {
        self.by_id.iter().filter(|(_, entry)| entry.view.state != "dead").map(|(id, _)| *id)
    }

    /// Whether a node lives.
    pub(super) fn is_alive(&self, node: NodeId) -> bool {
        self.by_id.get(&node).is_some_and(|entry| entry.view.state != "dead")
    }

    /// Every node that was ever here.
    pub(super) fn iter(&self) -> impl Iterator<Item = (&NodeId, &NodeEntry)> {
        self.by_id.iter()
    }

    /// The node for something: `preferred` if it has room, else the one with most free CPUs among those with room, else one that
    /// could have it some day.
    pub(super) fn pick(&self, demand: &ResourceSet, preferred: Option<NodeId>) -> Option<NodeId> {
        let open = || self.by_id.iter().filter(|(_, entry)| entry.takes_work());
        // A node that is a cluster of its own decides by itself, and says itself what it cannot do.
        if self.by_id.values().next().is_some_and(|entry| entry.view.address.is_empty()) {
            return open().map(|(id, _)| *id).next();
        }
        let has_room = |entry: &NodeEntry| entry.free.covers(demand);
        if let Some(preferred) = preferred
            && self.by_id.get(&preferred).is_some_and(|entry| entry.takes_work() && has_room(entry))
        {
            return Some(preferred);
        }
        let most_free = open()
            .filter(|(_, entry)| has_room(entry))
            .max_by_key(|(id, entry)| (entry.free.get("CPU"), std::cmp::Reverse(**id)))
            .map(|(id, _)| *id);
        most_free.or_else(|| open().find(|(_, entry)| entry.total.covers(demand)).map(|(id, _)| *id))
    }

    /// Something was placed there: until the node reports again it counts as used.
    pub(super) fn take(&mut self, node: NodeId, demand: &ResourceSet) {
        if let Some(entry) = self.by_id.get_mut(&node) {
            entry.free.subtract(demand);
        }
    }
}
