//! One bundle of a placement group: what was taken from the node, and the books of what runs in it.

use crate::ledger::{Held, Ledger};
use std::collections::BTreeMap;
use trygon_placement::{MARKER, MARKERS};

/// The bundles of one group that are on this node, by their places in the group.
pub(crate) type Bundles = BTreeMap<usize, Bundle>;

/// One bundle that is reserved.
#[derive(Debug)]
pub(crate) struct Bundle {
    /// What was taken from the node.
    pub(crate) held: Held,
    /// What of it is free.
    pub(crate) ledger: Ledger,
    /// The attempt of a reservation over many nodes that it belongs to; 0 if it was reserved here alone.
    pub(crate) attempt: u32,
    /// Whether it may be used: all bundles of the group are reserved.
    pub(crate) is_committed: bool,
}

impl Bundle {
    /// A bundle in which nothing runs.
    pub(crate) fn new(held: Held, node: &Ledger) -> Self {
        let mut ledger = Ledger::of_held(&held, node);
        ledger.total.set(MARKER, MARKERS);
        ledger.free.set(MARKER, MARKERS);
        Self { held, ledger, attempt: 0, is_committed: true }
    }
}
