//! What of a request was asked of other nodes, and for which other node a request waits here.

use std::collections::BTreeMap;
use trygon_ids::NodeId;

/// A node that declined is asked again after this; twice as long each time.
const FIRST_REST_MS: u64 = 20;
/// At most this.
const MAX_REST_MS: u64 = 2_000;

/// The node that asks for one of its owners.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Home {
    pub(crate) node: NodeId,
    /// It waits for its turn instead of being declined.
    pub(crate) may_wait: bool,
}

/// What was asked of one node.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Ask {
    /// Leases asked for and not answered.
    pub(crate) count: u32,
    /// They wait there for their turn.
    pub(crate) may_wait: bool,
    /// When the last ones were asked for.
    pub(crate) since_ms: u64,
    /// How often the node declined since it last granted.
    declines: u32,
    /// It is not asked again before this.
    pub(crate) rests_until_ms: u64,
}

/// Everything of one request that was asked elsewhere.
#[derive(Debug, Clone, Default)]
pub(crate) struct Abroad {
    asks: BTreeMap<NodeId, Ask>,
    /// Its wishes were heard: from now on any node will do.
    pub(crate) is_heard: bool,
    /// No node would do when the view had changed so often: there is no use in looking again before it changes.
    pub(crate) looked_at: Option<u64>,
    /// When a node that declined has rested.
    rests_until_ms: Option<u64>,
    /// No node that is known could ever take it; people are told then, if that is still so.
    pub(crate) hopeless_until_ms: Option<u64>,
    /// Why no node can ever take it, for people.
    pub(crate) why: String,
}

impl Abroad {
    /// Leases asked for and not answered.
    pub(crate) fn count(&self) -> u32 {
        self.asks.values().map(|ask| ask.count).sum()
    }

    /// Leases asked of one node and not answered.
    pub(crate) fn asked_of(&self, node: NodeId) -> u32 {
        self.asks.get(&node).map_or(0, |ask| ask.count)
    }

    /// Whether a node may be asked now for what fits there at once.
    pub(crate) fn may_ask(&self, node: NodeId, now_ms: u64) -> bool {
        self.asks.get(&node).is_none_or(|ask| ask.rests_until_ms <= now_ms && !(ask.may_wait && ask.count > 0))
    }

    /// Every node that has not answered.
    pub(crate) fn open(&self) -> impl Iterator<Item = (NodeId, Ask)> {
        self.asks.iter().filter(|(_, ask)| ask.count > 0).map(|(node, ask)| (*node, *ask))
    }

    /// No node has room for what is left. It is looked at again when the view has changed, or a node that declined has rested.
    pub(crate) fn note_look(&mut self, now_ms: u64, changes: u64, reach_ms: Option<u64>) {
        let resting = self.asks.values().map(|ask| ask.rests_until_ms).filter(|until_ms| *until_ms > now_ms);
        let resting = resting.chain(reach_ms).min();
        self.rests_until_ms = resting;
        self.looked_at = resting.is_none().then_some(changes);
    }

    /// It is looked at now.
    pub(crate) fn forget_look(&mut self) {
        self.looked_at = None;
        self.rests_until_ms = None;
    }

    /// When a node that declined has rested.
    pub(crate) fn rests_until_ms(&self) -> Option<u64> {
        self.rests_until_ms
    }

    pub(crate) fn ask(&mut self, node: NodeId, count: u32, may_wait: bool, now_ms: u64) {
        let ask = self.asks.entry(node).or_default();
        ask.count += count;
        ask.may_wait = may_wait;
        ask.since_ms = now_ms;
    }

    pub(crate) fn granted(&mut self, node: NodeId) {
        if let Some(ask) = self.asks.get_mut(&node) {
            ask.count = ask.count.saturating_sub(1);
            ask.declines = 0;
            ask.rests_until_ms = 0;
        }
    }

    /// The node has no room for so many; returns how many of them had been asked for.
    pub(crate) fn declined(&mut self, node: NodeId, count: u32, now_ms: u64) -> u32 {
        let Some(ask) = self.asks.get_mut(&node) else {
            return 0;
        };
        let known = count.min(ask.count);
        ask.count -= known;
        ask.rests_until_ms = now_ms + (FIRST_REST_MS << ask.declines.min(10)).min(MAX_REST_MS);
        ask.declines = ask.declines.saturating_add(1);
        self.looked_at = None;
        known
    }

    /// What was asked of a node is void; returns how many leases that were.
    pub(crate) fn forget(&mut self, node: NodeId) -> u32 {
        self.looked_at = None;
        self.asks.remove(&node).map_or(0, |ask| ask.count)
    }
}
