//! That a node is to take no new work, and until when it stays.

/// How this node is drained.
#[derive(Debug)]
pub(crate) struct Draining {
    /// It leaves then, whatever runs; before, when nothing is left. Without it, it stays.
    pub(crate) until_ms: Option<u64>,
    pub(crate) reason: String,
    /// When to look whether anything is left.
    pub(crate) look_ms: u64,
    /// What ran was stopped: the node leaves when all of it has ended, and then at the latest.
    pub(crate) ends_ms: Option<u64>,
}

impl Draining {
    /// When to look again.
    pub(crate) fn deadline_ms(&self) -> Option<u64> {
        self.until_ms.map(|_| self.look_ms)
    }
}
