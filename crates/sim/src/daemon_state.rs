//! What the simulated daemon knows.

use crate::machines::Machine;
use std::collections::{BTreeMap, BTreeSet};
use trygon_control::Head;
use trygon_control_core::{Actors, Death};
use trygon_ids::{ActorId, WorkerId};
use trygon_node_core::{LeaseId, MemoryCharge};
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

/// The head's place in the simulation.
#[derive(Debug)]
pub(crate) struct Cluster {
    pub(crate) head: Head,
    pub(crate) tick_planned_us: u64,
    pub(crate) heard: u64,
}

/// What a worker may gain, for one lease.
#[derive(Debug)]
pub(crate) struct Limit {
    pub(crate) lease: LeaseId,
    pub(crate) limit_bytes: u64,
    pub(crate) charge: MemoryCharge,
    /// The least that it used since the lease began.
    pub(crate) least_bytes: u64,
}
