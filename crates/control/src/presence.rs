//! Which node has which stream, and since when a node has none. Pure: knows no clock, time is given.

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use trygon_ids::NodeId;

/// The nodes that are here or were here a moment ago.
#[derive(Debug)]
pub(crate) struct Presence {
    /// How long a node may be without a stream, in milliseconds.
    grace_ms: u64,
    nodes: BTreeMap<NodeId, Node>,
}

#[derive(Debug)]
enum Node {
    /// Has this stream.
    Here { stream: u64 },
    /// Has none; is given up at this time.
    Away { until_ms: u64, reason: String },
}

impl Presence {
    /// Nobody yet.
    pub(crate) fn new(grace_ms: u64) -> Self {
        Self { grace_ms, nodes: BTreeMap::new() }
    }

    /// A node of an earlier life of the control service, which is to come back within `wait_ms`.
    pub(crate) fn expect(&mut self, node: NodeId, now_ms: u64, wait_ms: u64) {
        let reason = "it did not come back after the control service had been started again".to_owned();
        self.nodes.insert(node, Node::Away { until_ms: now_ms + wait_ms, reason });
    }

    /// STREAM-1: a node opened a stream; an older one is not heard any more.
    pub(crate) fn opened(&mut self, node: NodeId, stream: u64) {
        self.nodes.insert(node, Node::Here { stream });
    }

    /// Whether what comes by this stream is heard.
    pub(crate) fn is_current(&self, node: NodeId, stream: u64) -> bool {
        matches!(self.nodes.get(&node), Some(Node::Here { stream: current }) if *current == stream)
    }

    /// A stream ended. True: it was the node's current one.
    ///
    /// `is_broken`: the other end closed or reset the connection, which a node that lives makes up for in a moment; so half of the grace
    /// is enough. A node that is silent may be cut off, and has its lease.
    pub(crate) fn closed(&mut self, node: NodeId, stream: u64, now_ms: u64, reason: &str, is_broken: bool) -> bool {
        let is_current = self.is_current(node, stream);
        if is_current {
            let (reason, grace_ms) = (reason.to_owned(), if is_broken { self.grace_ms / 2 } else { self.grace_ms });
            self.nodes.insert(node, Node::Away { until_ms: now_ms + grace_ms, reason });
        }
        is_current
    }

    /// STREAM-3: a node said farewell; it is not waited for.
    pub(crate) fn left(&mut self, node: NodeId) {
        self.nodes.remove(&node);
    }

    /// STREAM-3: takes out the nodes that were away for too long, each with a sentence that says so.
    pub(crate) fn take_lost(&mut self, now_ms: u64) -> Vec<(NodeId, String)> {
        let lost: Vec<(NodeId, String)> = self
            .nodes
            .iter()
            .filter_map(|(node, state)| match state {
                Node::Away { until_ms, reason } if *until_ms <= now_ms => {
                    Some((*node, format!("the head lost its connection to the node and gave it up: {reason}")))
                }
                Node::Away { .. } | Node::Here { .. } => None,
            })
            .collect();
        for (node, _) in &lost {
            self.nodes.remove(node);
        }
        lost
    }

    /// When `take_lost` is to be called next.
    pub(crate) fn next_deadline_ms(&self) -> Option<u64> {
        self.nodes
            .values()
            .filter_map(|state| match state {
                Node::Away { until_ms, .. } => Some(*until_ms),
                Node::Here { .. } => None,
            })
            .min()
    }
}
