//! The table of nodes.

use std::collections::{BTreeMap, BTreeSet};
use trygon_ids::{ActorId, JobId, NodeId, PlacementGroupId, WorkerId};
use trygon_placement::NodeState;
use trygon_proto::v1::{HeadToNode, Load, NodeView, head_to_node};
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
    /// What it reported last, but for the amounts.
    #[serde(with = "crate::head::messages::one")]
    pub(super) load: Load,
    /// Reports that came.
    pub(super) loads: u64,
    /// The first node that its daemon was: this one, or one that was given up.
    pub(super) first_id: NodeId,
    /// As people call it.
    pub(super) name: String,
    /// What is in use there by now, though no report has it yet.
    pub(super) settling: Vec<Settling>,
    /// The number of what was taken in last of what changes the state (HEAR-1).
    pub(super) heard: u64,
    /// Answers to that, until the node says that it has them, by the numbers.
    #[serde(with = "crate::head::messages::by_key")]
    pub(super) answers: BTreeMap<u64, HeadToNode>,
    /// The address of the head that it registered with last, and how long it holds on when nobody listens there.
    pub(super) head_address: String,
    pub(super) holds_ms: u64,
}

/// Something that was asked of a node and is in use there.
#[derive(Debug, Clone, serde::Serialize, serde::Deserialize)]
pub(super) struct Settling {
    pub(super) until_us: u64,
    pub(super) amounts: ResourceSet,
    pub(super) what: Settled,
}

/// What settles.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(super) enum Settled {
    /// A bundle of this group.
    Group(PlacementGroupId),
    /// What this actor needs while its constructor runs.
    Actor(ActorId),
    /// What the node lacks, whatever its report says.
    Doubt,
}

/// What there is besides placement groups.
pub(super) fn without_groups(amounts: &ResourceSet) -> ResourceSet {
    let plain = amounts.iter().filter(|(name, _)| !name.contains("_group_"));
    plain.map(|(name, amount)| (name.to_owned(), amount)).collect()
}

impl NodeEntry {
    /// Whether it takes new work.
    pub(super) fn takes_work(&self) -> bool {
        self.view.state == "alive"
    }

    /// As the head sees it that chooses among nodes: bundles of groups it finds by its plans, and a node may have hundreds.
    pub(super) fn state(&self, node: NodeId) -> NodeState {
        NodeState {
            node,
            number: self.view.node_number,
            total: without_groups(&self.total),
            free: without_groups(&self.free),
            labels: self.view.labels.iter().map(|(key, value)| (key.clone(), value.clone())).collect(),
            is_draining: !self.takes_work(),
            queued: u64::from(self.view.waiting),
        }
    }
}

/// Every node, the dead ones too.
#[derive(Debug, Default, serde::Serialize, serde::Deserialize)]
pub(super) struct Nodes {
    pub(super) by_id: BTreeMap<NodeId, NodeEntry>,
    pub(super) by_prefix: BTreeMap<[u8; PREFIX], NodeId>,
    /// The node that registered last with an address.
    pub(super) by_address: BTreeMap<String, NodeId>,
    pub(super) next_number: u32,
    /// Nodes that live.
    pub(super) count: usize,
}

impl Nodes {
    /// Processes whose ids begin as the node's are of it.
    pub(super) fn note_prefix(&mut self, node: NodeId) {
        let mut prefix = [0; PREFIX];
        prefix.copy_from_slice(&node.as_bytes()[..PREFIX]);
        self.by_prefix.insert(prefix, node);
    }

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

    /// Jobs of a node of which it may not have heard that they were accepted (HEAR-1).
    pub(super) fn accepted_unheard(&self, node: NodeId) -> BTreeSet<JobId> {
        let answers = self.by_id.get(&node).into_iter().flat_map(|entry| entry.answers.values());
        let accepted = answers.filter_map(|answer| match &answer.body {
            Some(head_to_node::Body::JobAccepted(accepted)) => JobId::from_bytes(&accepted.job_id).ok(),
            _ => None,
        });
        accepted.collect()
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

    /// Whether this node may be among these. One that is a cluster of its own has no others, and a cluster has no such node.
    pub(super) fn may_have(&self, node: NodeId, is_alone: bool) -> bool {
        let known = self.by_id.first_key_value();
        known.is_none_or(|(id, entry)| entry.view.address.is_empty() == is_alone && (!is_alone || *id == node))
    }

    /// Whether the only node is a cluster of its own: it decides by itself, and says itself what it cannot do.
    pub(super) fn is_alone(&self) -> bool {
        self.by_id.values().next().is_some_and(|entry| entry.view.address.is_empty())
    }

    /// The node that is a cluster of its own, if it takes work.
    pub(super) fn own(&self) -> Option<NodeId> {
        self.by_id.iter().find(|(_, entry)| entry.takes_work()).map(|(id, _)| *id)
    }
}
