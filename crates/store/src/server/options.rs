//! What the daemon's store is told when it starts.

use crate::spill::SpillOptions;
use trygon_ids::WorkerId;

/// How long a request waits for space before it is refused.
const WAIT_MS: u64 = 10_000;

/// Options of the store.
#[derive(Debug, Clone)]
pub struct StoreOptions {
    /// Memory that all segments together may take.
    pub capacity_bytes: u64,
    /// How long a request waits for space before it is refused, in milliseconds.
    pub wait_ms: u64,
    /// Number of the node in its cluster; 0 where there is no cluster.
    pub node_number: u32,
    /// The daemon as a process: it writes the copies.
    pub own: WorkerId,
    /// How objects are written to files.
    pub spill: SpillOptions,
}

impl StoreOptions {
    /// The defaults for a store of this size.
    pub fn new(capacity_bytes: u64) -> Self {
        Self { capacity_bytes, wait_ms: WAIT_MS, node_number: 0, own: WorkerId::nil(), spill: SpillOptions::off() }
    }
}
