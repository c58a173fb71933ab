//! One bundle of a placement group: what was taken from the node, and the books of what runs in it.

use crate::demand::{MARKER, MARKERS};
use crate::ledger::{Held, Ledger};

/// One bundle that is reserved.
#[derive(Debug)]
pub(crate) struct Bundle {
    /// What was taken from the node.
    pub(crate) held: Held,
    /// What of it is free.
    pub(crate) ledger: Ledger,
}

impl Bundle {
    /// A bundle in which nothing runs.
    pub(crate) fn new(held: Held, node: &Ledger) -> Self {
        let mut ledger = Ledger::of_held(&held, node);
        ledger.total.set(MARKER, MARKERS);
        ledger.free.set(MARKER, MARKERS);
        Self { held, ledger }
    }
}
