//! What the simulated daemon knows.

use std::collections::{BTreeMap, BTreeSet};
use trygon_control_core::{Actors, Death};
use trygon_ids::ActorId;
use trygon_node_core::Node;
use trygon_worker_core::Reference;

/// The daemon's state.
#[derive(Debug)]
pub(crate) struct Daemon {
    pub(crate) node: Node,
    pub(crate) actors: Actors,
    pub(crate) peers: BTreeMap<usize, BTreeSet<usize>>,
    /// The dead and why.
    pub(crate) graveyard: BTreeMap<usize, Death>,
    /// Processes that the daemon ended, and why.
    pub(crate) killed: BTreeMap<usize, (&'static str, String)>,
    /// Arguments of constructors.
    pub(crate) arguments: BTreeMap<ActorId, Vec<Reference>>,
    pub(crate) tick_planned_ms: u64,
}
