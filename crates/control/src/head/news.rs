//! What nodes are to be told of one another.

use std::collections::{BTreeMap, BTreeSet};
use trygon_ids::NodeId;

/// What is to be told.
#[derive(Debug, Default, serde::Serialize, serde::Deserialize)]
pub(super) struct News {
    /// Who came, left, or changed in more than what is free, in order; each once.
    pub(super) log: BTreeMap<u64, NodeId>,
    pub(super) place_in_log: BTreeMap<NodeId, u64>,
    pub(super) last: u64,
    /// How far each node was told.
    pub(super) told: BTreeMap<NodeId, u64>,
    /// Nodes of which something else is free now.
    pub(super) changed: BTreeSet<NodeId>,
    /// Shifts the shares from time to time.
    pub(super) turn: u64,
    pub(super) due_us: Option<u64>,
}

impl News {
    pub(super) fn due(&mut self, at_us: u64) {
        self.due_us = Some(self.due_us.map_or(at_us, |other| other.min(at_us)));
    }

    /// A node is given up for so long that nobody asks.
    pub(super) fn forget(&mut self, node: NodeId) {
        self.told.remove(&node);
        self.changed.remove(&node);
        if let Some(place) = self.place_in_log.remove(&node) {
            self.log.remove(&place);
        }
    }

    /// What a node was told counts as everything, or as nothing.
    pub(super) fn note_told(&mut self, node: NodeId, is_everything: bool) {
        self.told.insert(node, if is_everything { self.last } else { 0 });
    }

    /// A node that is gone is told nothing.
    pub(super) fn stop(&mut self, node: NodeId) {
        self.told.remove(&node);
    }
}
