//! The other nodes, as far as this one has to know them to speak with them.

use parking_lot::Mutex;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::sync::Arc;
use trygon_ids::{NodeId, WorkerId};

/// Bytes of a node's id that its processes' ids begin with.
const PREFIX: usize = 20;

/// Nodes that are gone and are remembered, so that nothing of theirs is heard that is still on its way.
const MOST_GONE: usize = 4_096;

/// One node.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct KnownNode {
    pub(crate) number: u32,
    pub(crate) address: String,
}

/// All nodes that live, this one too.
#[derive(Debug, Default)]
pub(crate) struct Nodes {
    by_id: BTreeMap<NodeId, KnownNode>,
    by_prefix: BTreeMap<[u8; PREFIX], NodeId>,
    /// For the threads that fetch objects.
    by_number: Arc<Mutex<BTreeMap<u32, NodeId>>>,
    gone: BTreeSet<NodeId>,
    /// The same, the first to go first.
    gone_in_order: VecDeque<NodeId>,
}

impl Nodes {
    /// A node, new or changed.
    pub(crate) fn put(&mut self, node: NodeId, known: KnownNode) {
        self.by_prefix.insert(prefix(node.as_bytes()), node);
        self.by_number.lock().insert(known.number, node);
        self.by_id.insert(node, known);
    }

    /// A node that is gone.
    pub(crate) fn remove(&mut self, node: NodeId) -> Option<KnownNode> {
        let known = self.by_id.remove(&node)?;
        self.by_prefix.remove(&prefix(node.as_bytes()));
        self.by_number.lock().remove(&known.number);
        self.gone.insert(node);
        self.gone_in_order.push_back(node);
        if self.gone_in_order.len() > MOST_GONE
            && let Some(oldest) = self.gone_in_order.pop_front()
        {
            self.gone.remove(&oldest);
        }
        Some(known)
    }

    /// NODE-1: whether a node is gone, so that nothing of it is to be heard. One that is not known yet is not.
    pub(crate) fn is_gone(&self, node: NodeId) -> bool {
        !self.gone.is_empty() && self.gone.contains(&node)
    }

    /// What is known of a node.
    pub(crate) fn get(&self, node: NodeId) -> Option<&KnownNode> {
        self.by_id.get(&node)
    }

    /// The node that a process is of, if that node is known.
    pub(crate) fn of_worker(&self, worker: WorkerId) -> Option<NodeId> {
        self.by_prefix.get(&prefix(worker.as_bytes())).copied()
    }

    /// Every node.
    pub(crate) fn ids(&self) -> Vec<NodeId> {
        self.by_id.keys().copied().collect()
    }

    /// The head's node: the one that was numbered first.
    pub(crate) fn head(&self) -> Option<NodeId> {
        self.by_id.iter().min_by_key(|(_, known)| known.number).map(|(node, _)| *node)
    }

    /// Where every node is.
    pub(crate) fn addresses(&self) -> BTreeMap<NodeId, String> {
        self.by_id.iter().map(|(node, known)| (*node, known.address.clone())).collect()
    }

    /// The nodes by number, kept up to date.
    pub(crate) fn numbers(&self) -> Arc<Mutex<BTreeMap<u32, NodeId>>> {
        self.by_number.clone()
    }
}

fn prefix(id: &[u8]) -> [u8; PREFIX] {
    let mut prefix = [0; PREFIX];
    prefix.copy_from_slice(&id[..PREFIX]);
    prefix
}

/// The incarnation, as an owner, of a process of a node.
pub(crate) fn incarnation(node: NodeId, worker: WorkerId) -> Vec<u8> {
    [&node.as_bytes()[PREFIX..PREFIX + 4], &worker.as_bytes()[PREFIX..]].concat()
}
