//! Where the bundles of a group are, and how far the reservation has got.

use std::collections::BTreeMap;
use trygon_ids::NodeId;

/// One bundle.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(super) enum BundlePlace {
    /// Has no place.
    Nowhere,
    /// The present attempt wants it there.
    Asked(NodeId),
    /// May be used there.
    Held {
        /// The node.
        node: NodeId,
        /// The attempt by which it came there.
        attempt: u32,
    },
}

/// A node that the present attempt asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(super) enum Answer {
    /// It has not answered.
    Open,
    /// It holds what it was asked for; so many reports of it had come then.
    Held { loads: u64 },
}

/// All bundles of one group.
#[derive(Debug, Clone, serde::Serialize, serde::Deserialize)]
pub(super) struct Plan {
    /// The present attempt, or the last one.
    pub(super) attempt: u32,
    pub(super) bundles: Vec<BundlePlace>,
    /// Nodes that the present attempt asked; empty between attempts.
    pub(super) asked: BTreeMap<NodeId, Answer>,
    /// Why it waits, as its driver was told last.
    pub(super) told: String,
}

impl Plan {
    pub(super) fn new(bundles: usize) -> Self {
        Self { attempt: 0, bundles: vec![BundlePlace::Nowhere; bundles], asked: BTreeMap::new(), told: String::new() }
    }

    /// Bundles that may be used, and where.
    pub(super) fn held(&self) -> impl Iterator<Item = (usize, NodeId)> {
        self.bundles.iter().enumerate().filter_map(|(index, place)| match place {
            BundlePlace::Held { node, .. } => Some((index, *node)),
            BundlePlace::Nowhere | BundlePlace::Asked(_) => None,
        })
    }

    /// Bundles without a place.
    pub(super) fn missing(&self) -> Vec<usize> {
        (0..self.bundles.len()).filter(|index| self.bundles[*index] == BundlePlace::Nowhere).collect()
    }

    /// What the present attempt wants of a node.
    pub(super) fn asked_of(&self, node: NodeId) -> impl Iterator<Item = usize> {
        (0..self.bundles.len()).filter(move |index| self.bundles[*index] == BundlePlace::Asked(node))
    }

    /// Whether a node holds bundles that came by this attempt.
    pub(super) fn holds(&self, node: NodeId, attempt: u32) -> bool {
        self.bundles.contains(&BundlePlace::Held { node, attempt })
    }

    /// Whether a node holds bundles, or was asked to.
    pub(super) fn touches(&self, node: NodeId) -> bool {
        self.asked.contains_key(&node) || self.held().any(|(_, at)| at == node)
    }

    /// Every node that holds bundles, or was asked to.
    pub(super) fn nodes(&self) -> std::collections::BTreeSet<NodeId> {
        self.held().map(|(_, node)| node).chain(self.asked.keys().copied()).collect()
    }

    /// As nodes are told: empty for a bundle without a place; nothing while none has one.
    pub(super) fn bundle_nodes(&self) -> Vec<Vec<u8>> {
        if self.held().next().is_none() {
            return Vec::new();
        }
        let bytes = |place: &BundlePlace| match place {
            BundlePlace::Held { node, .. } => node.as_bytes().to_vec(),
            BundlePlace::Nowhere | BundlePlace::Asked(_) => Vec::new(),
        };
        self.bundles.iter().map(bytes).collect()
    }
}
