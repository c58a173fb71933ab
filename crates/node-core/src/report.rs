//! What the head was told of this node.

use crate::QueuedDemand;
use trygon_resources::ResourceSet;

/// What was told last.
#[derive(Debug, Default)]
pub(crate) struct Report {
    pub(crate) total: ResourceSet,
    pub(crate) free: ResourceSet,
    pub(crate) queued: Vec<QueuedDemand>,
    pub(crate) was_told: bool,
    pub(crate) next_ms: u64,
    /// Something happened since it was looked at last.
    pub(crate) may_differ: bool,
}

impl Report {
    /// When to look again.
    pub(crate) fn deadline_ms(&self) -> Option<u64> {
        self.may_differ.then_some(self.next_ms)
    }

    /// The head forgot everything, or is another one.
    pub(crate) fn forget(&mut self) {
        self.was_told = false;
        self.may_differ = true;
    }
}
