//! The nodes that may not come back, as data.

use std::collections::{BTreeMap, BTreeSet};
use trygon_ids::NodeId;

/// Who is fenced.
#[derive(Debug, Default, serde::Serialize, serde::Deserialize)]
pub(super) struct Fences {
    /// By the first node that the daemon was.
    pub(super) of_first: BTreeMap<NodeId, Fence>,
    /// Fenced nodes that live as far as is known: they get no lease any more.
    pub(super) closing: BTreeSet<NodeId>,
}

/// Why, and where.
#[derive(Debug, serde::Serialize, serde::Deserialize)]
pub(super) struct Fence {
    pub(super) reason: String,
    /// The machine, by its address without the port; empty for one that speaks with itself only.
    pub(super) machine: String,
}
