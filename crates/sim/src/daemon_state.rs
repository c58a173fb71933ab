//! What the simulated daemon knows.

use crate::far::Cluster;
use crate::machines::Machine;
use crate::memory::Limit;
use std::collections::{BTreeMap, BTreeSet};
use trygon_control_core::{Actors, Death};
use trygon_ids::{ActorId, WorkerId};
use trygon_worker_core::Reference;

/// The daemon's state.
#[derive(Debug)]
pub(crate) struct Daemon {
    pub(crate) machines: Vec<Machine>,
    /// The head of a cluster.
    pub(crate) head: Option<Cluster>,
    /// Actors that have a worker, and which.
    pub(crate) placed: BTreeMap<(ActorId, u32), WorkerId>,
    /// Requests that owners wanted no more, as their daemons know.
    pub(crate) cancelled: BTreeSet<(usize, u64)>,
    /// Actors that the head said are dead.
    pub(crate) dead_actors: BTreeSet<ActorId>,
    /// What workers may have, and for which lease.
    pub(crate) limits: BTreeMap<usize, Limit>,
    /// Workers that end for memory.
    pub(crate) victims: BTreeSet<usize>,
    pub(crate) actors: Actors,
    pub(crate) peers: BTreeMap<usize, BTreeSet<usize>>,
    /// The dead and why.
    pub(crate) graveyard: BTreeMap<usize, Death>,
    /// Processes that the daemon ended, and why.
    pub(crate) killed: BTreeMap<usize, (&'static str, String)>,
    /// Arguments of constructors.
    pub(crate) arguments: BTreeMap<ActorId, Vec<Reference>>,
}
