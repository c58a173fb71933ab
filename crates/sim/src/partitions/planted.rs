//! What is planted in a run, and what it counts.

use trygon_control_core::PresenceDefects;
use trygon_node_core::OwnLeaseDefects;

/// Defects that are planted on either side.
#[derive(Debug, Clone, Copy, Default)]
pub struct Planted {
    /// On the nodes.
    pub node: OwnLeaseDefects,
    /// In the head.
    pub head: PresenceDefects,
}

/// What a run was.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Things that happened.
    pub events: u64,
    /// Nodes that were given up.
    pub given_up: u64,
    /// Lives of actors that began.
    pub lives: u64,
}
