//! What a process knows of a placement group.

use trygon_worker_core::SmallBytes;

/// Where a placement group is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GroupState {
    /// Not reserved yet.
    Pending,
    /// All bundles are reserved.
    Created,
    /// Removed.
    Removed,
    /// Nobody knows it.
    Unknown,
}

/// What is known of a group that lives, or that somebody waits for.
#[derive(Debug)]
pub(crate) struct KnownGroup {
    pub(crate) state: GroupState,
    pub(crate) waiters: u32,
    /// Objects that get their value when the group is reserved.
    pub(crate) promised: Vec<Promised>,
}

/// An own object without a value yet.
#[derive(Debug)]
pub(crate) struct Promised {
    pub(crate) slot: u32,
    pub(crate) generation: u32,
    pub(crate) value: SmallBytes,
}

impl KnownGroup {
    /// A group of which only the id is known.
    pub(crate) fn new() -> Self {
        Self { state: GroupState::Pending, waiters: 0, promised: Vec::new() }
    }
}
