//! Which node has which stream and which lease, and when a node is given up. Pure: knows no clock, time is given.
//!
//! A node's lease lasts `lease_ms` on the node's own clock, from the moment at which it asked. The head counts from the moment at which it
//! answers, which is later, and waits for `margin_ms` more. So when it gives a node up, the node's workers have been stopped.

#[cfg(test)]
mod tests;

use std::collections::{BTreeMap, BTreeSet};
use trygon_ids::NodeId;

/// A daemon that has ended leaves workers that see it, and end too, within this.
const LAST_BREATH_MS: u64 = 100;

/// How long nodes are counted on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LeaseTerms {
    /// A lease, in milliseconds.
    pub lease_ms: u64,
    /// What is waited beyond it: for clocks that run at another pace, and for a node to stop its workers.
    pub margin_ms: u64,
}

impl LeaseTerms {
    /// NODE-3: how long a head that begins at another address than a node's last head waits for the node, which may hold on for `holds_ms`
    /// while its own head's address refuses: that, with a clock that runs slower, and a lease.
    pub fn wait_elsewhere_ms(&self, holds_ms: u64) -> u64 {
        holds_ms.saturating_add(holds_ms / 16).saturating_add(self.lease_ms + self.margin_ms)
    }
}

impl Default for LeaseTerms {
    fn default() -> Self {
        Self { lease_ms: 3_000, margin_ms: 500 }
    }
}

/// Planted defects, for the simulator: each breaks one rule.
#[derive(Debug, Clone, Copy, Default)]
pub struct PresenceDefects {
    /// NODE-2: a node without a stream is given up after the margin, whatever its lease.
    pub is_hasty: bool,
    /// STREAM-1: what comes by an older stream is heard.
    pub any_stream: bool,
    /// STREAM-3: a node that said farewell is waited for.
    pub farewell_forgotten: bool,
}

impl PresenceDefects {
    /// None.
    pub const NONE: Self = Self { is_hasty: false, any_stream: false, farewell_forgotten: false };
}

/// The nodes that are here or were here a moment ago.
#[derive(Debug)]
pub struct Presence {
    terms: LeaseTerms,
    nodes: BTreeMap<NodeId, Counted>,
    /// They get no lease any more.
    given_up: BTreeSet<NodeId>,
    defects: PresenceDefects,
}

#[derive(Debug)]
struct Counted {
    /// Has this stream; none for the moment.
    stream: Option<u64>,
    /// Counts until then: lease and margin.
    until_ms: u64,
    /// Its daemon has ended: given up then, whatever its lease.
    ended_ms: Option<u64>,
    reason: String,
}

impl Presence {
    /// Nobody yet.
    pub fn new(terms: LeaseTerms) -> Self {
        Self { terms, nodes: BTreeMap::new(), given_up: BTreeSet::new(), defects: PresenceDefects::default() }
    }

    /// With a planted defect.
    pub fn with_defects(terms: LeaseTerms, defects: PresenceDefects) -> Self {
        Self { defects, ..Self::new(terms) }
    }

    /// A node of an earlier life of the control service, which is to come back within `wait_ms`.
    pub fn expect(&mut self, node: NodeId, now_ms: u64, wait_ms: u64) {
        let reason = "it did not come back after the control service had been started again".to_owned();
        let counted = Counted { stream: None, until_ms: now_ms + wait_ms, ended_ms: None, reason };
        self.nodes.insert(node, counted);
    }

    /// NODE-1: the node gets no lease any more. It counts until its last one is over, or it says farewell.
    pub fn refuse(&mut self, node: NodeId) {
        self.given_up.insert(node);
    }

    /// Whether the node was given up, or gets no lease any more.
    pub fn is_refused(&self, node: NodeId) -> bool {
        self.given_up.contains(&node)
    }

    /// STREAM-1: a node opened a stream; an older one is not heard any more. One that was given up keeps it for as long as it takes to
    /// hear that.
    pub fn opened(&mut self, node: NodeId, stream: u64, now_ms: u64) {
        let until_ms = now_ms + self.span_ms();
        let counted = self.nodes.entry(node).or_insert_with(|| Counted::new(until_ms));
        counted.stream = Some(stream);
        counted.ended_ms = None;
        counted.until_ms = counted.until_ms.max(until_ms);
    }

    /// A node asks for a lease, which is refused for ever once it was given up (NODE-1). The lease in milliseconds from its question on.
    ///
    /// # Errors
    /// A sentence for the node.
    pub fn renew(&mut self, node: NodeId, now_ms: u64) -> Result<u64, String> {
        if self.given_up.contains(&node) {
            return Err("the head has given this node up".to_owned());
        }
        let until_ms = now_ms + self.span_ms();
        if let Some(counted) = self.nodes.get_mut(&node) {
            counted.until_ms = counted.until_ms.max(until_ms);
            counted.ended_ms = None;
        }
        Ok(self.terms.lease_ms)
    }

    /// Whether what comes by this stream is heard.
    pub fn is_current(&self, node: NodeId, stream: u64) -> bool {
        self.nodes.get(&node).is_some_and(|counted| {
            counted.stream == Some(stream) || (self.defects.any_stream && counted.stream.is_some())
        })
    }

    /// A stream ended. True: it was the node's current one. The node has its lease.
    pub fn closed(&mut self, node: NodeId, stream: u64, now_ms: u64, reason: &str) -> bool {
        let is_current = self.is_current(node, stream);
        if let Some(counted) = self.nodes.get_mut(&node).filter(|_| is_current) {
            counted.stream = None;
            reason.clone_into(&mut counted.reason);
            if self.defects.is_hasty {
                counted.until_ms = now_ms + self.terms.margin_ms;
            }
        }
        is_current
    }

    /// The node's machine says that nobody listens at the daemon's port any more: the daemon has ended, and its workers with it.
    /// `stream` is the one that broke: it may not have been noted yet.
    pub fn ended(&mut self, node: NodeId, stream: u64, now_ms: u64) {
        let has_another = |counted: &Counted| counted.stream.is_some_and(|current| current != stream);
        if let Some(counted) = self.nodes.get_mut(&node).filter(|counted| !has_another(counted)) {
            counted.ended_ms.get_or_insert(now_ms + LAST_BREATH_MS);
        }
    }

    /// STREAM-3: a node said farewell: nothing runs on it any more, and it is not waited for.
    pub fn left(&mut self, node: NodeId) {
        if !self.defects.farewell_forgotten {
            self.nodes.remove(&node);
        }
        self.refuse(node);
    }

    /// NODE-2: takes out the nodes whose leases and margins are over, and those that have ended, each with a sentence that says so.
    pub fn take_lost(&mut self, now_ms: u64) -> Vec<(NodeId, String)> {
        let lost: Vec<(NodeId, String)> = self
            .nodes
            .iter()
            .filter(|(_, counted)| counted.due_ms() <= now_ms)
            .map(|(node, counted)| (*node, counted.sentence(now_ms)))
            .collect();
        for (node, _) in &lost {
            self.nodes.remove(node);
            self.refuse(*node);
        }
        lost
    }

    /// When `take_lost` is to be called next.
    pub fn next_deadline_ms(&self) -> Option<u64> {
        self.nodes.values().map(Counted::due_ms).min()
    }

    fn span_ms(&self) -> u64 {
        self.terms.lease_ms + self.terms.margin_ms
    }
}

impl Counted {
    fn new(until_ms: u64) -> Self {
        let reason = "it did not renew its lease".to_owned();
        Self { stream: None, until_ms, ended_ms: None, reason }
    }

    fn due_ms(&self) -> u64 {
        self.ended_ms.map_or(self.until_ms, |ended_ms| ended_ms.min(self.until_ms))
    }

    fn sentence(&self, now_ms: u64) -> String {
        if self.ended_ms.is_some_and(|ended_ms| ended_ms <= now_ms) {
            return format!("its daemon has ended: {}", self.reason);
        }
        match self.stream {
            Some(_) => "the head gave it up: it did not renew its lease".to_owned(),
            None => format!("the head lost its connection to the node and gave it up: {}", self.reason),
        }
    }
}
