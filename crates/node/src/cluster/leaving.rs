//! Other nodes that drain: the processes here move what they own there to this node, while it is to be had.

use std::collections::BTreeMap;
use std::collections::btree_map::Entry;
use trygon_ids::NodeId;

/// Processes are told again so often: what was made there since is moved too.
const AGAIN_MS: u64 = 1_000;
/// A node that drains for longer has no deadline, and little that is new.
const BUSY_MS: u64 = 60_000;
const LATER_MS: u64 = 10_000;

/// The nodes that drain, and since when.
#[derive(Debug, Default)]
pub(crate) struct Leaving {
    since_ms: BTreeMap<NodeId, u64>,
    again_ms: u64,
}

impl Leaving {
    /// How a node is.
    pub(crate) fn note(&mut self, node: NodeId, drains: bool, now_ms: u64) {
        if !drains {
            self.since_ms.remove(&node);
        } else if let Entry::Vacant(entry) = self.since_ms.entry(node) {
            entry.insert(now_ms);
            self.again_ms = now_ms;
        }
    }

    /// Whether processes are to be told now; then when they are told next is set.
    pub(crate) fn is_due(&mut self, now_ms: u64) -> bool {
        if self.deadline_ms().is_none_or(|at_ms| at_ms > now_ms) {
            return false;
        }
        let is_new = self.since_ms.values().any(|since_ms| now_ms < since_ms + BUSY_MS);
        self.again_ms = now_ms + if is_new { AGAIN_MS } else { LATER_MS };
        true
    }

    /// The nodes.
    pub(crate) fn nodes(&self) -> impl Iterator<Item = NodeId> {
        self.since_ms.keys().copied()
    }

    /// When processes are to be told.
    pub(crate) fn deadline_ms(&self) -> Option<u64> {
        Some(self.again_ms).filter(|_| !self.since_ms.is_empty())
    }
}
