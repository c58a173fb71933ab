//! Questions that are under way.

use std::collections::{BTreeMap, BTreeSet};
use trygon_ids::NodeId;
use trygon_wire::control::{Explained, NodeFacts};

/// Questions at once; each is a person's.
pub(crate) const MOST_OPEN: usize = 64;

/// Who wants the answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Asker {
    /// A process of this node: its number, and its question's.
    Process(u64, u64),
    /// Another node, and its question's number.
    Node(NodeId, u64),
}

/// One question.
#[derive(Debug)]
pub(crate) struct Inquiry {
    pub(crate) wanted: String,
    pub(crate) asker: Asker,
    pub(crate) until_ms: u64,
    /// Processes here that have not answered, and those that have.
    pub(crate) awaited: BTreeSet<u64>,
    pub(crate) heard: BTreeMap<u64, Explained>,
    /// Nodes that have not answered, and what the others said.
    pub(crate) awaited_nodes: BTreeSet<NodeId>,
    pub(crate) of_nodes: Vec<NodeFacts>,
}

/// All of them.
#[derive(Debug, Default)]
pub(crate) struct Inquiries {
    last: u64,
    pub(crate) open: BTreeMap<u64, Inquiry>,
}

impl Inquiries {
    /// A new one, by its number.
    pub(crate) fn add(&mut self, inquiry: Inquiry) -> u64 {
        self.last += 1;
        self.open.insert(self.last, inquiry);
        self.last
    }

    /// When the first of them is answered with what there is.
    pub(crate) fn deadline_ms(&self) -> Option<u64> {
        self.open.values().map(|inquiry| inquiry.until_ms).min()
    }
}
