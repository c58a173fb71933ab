//! Everything a node can ask for.

use crate::{DeviceList, EnvironmentId, LeaseId};
use trygon_ids::{ActorId, WorkerId};
use trygon_resources::ResourceSet;

/// Why a worker is to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StopReason {
    /// It had nothing to do for long; it may finish what it owns first.
    Idle,
    /// The owner of what it runs is dead: end it at once.
    OwnerDied,
    /// It did not become ready in time: end it at once.
    StartTimeout,
    /// What it was to run in cannot be made, and it has not begun yet: forget it.
    NoEnvironment,
    /// Another environment needs its place; it may finish what it owns first.
    PlaceNeeded,
}

/// What is to be done.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Effect {
    /// Start a worker under this id.
    StartWorker {
        /// Its id.
        worker: WorkerId,
        /// What it runs in.
        environment: EnvironmentId,
    },
    /// End a worker.
    StopWorker {
        /// The worker.
        worker: WorkerId,
        /// Why.
        reason: StopReason,
    },
    /// Tell an owner that it holds a lease.
    Grant {
        /// Who asked.
        owner: WorkerId,
        /// What it asked.
        request_id: u64,
        /// The lease.
        lease: LeaseId,
        /// The worker.
        worker: WorkerId,
        /// Device instances held.
        devices: DeviceList,
    },
    /// An actor has a worker: start it there.
    ActorPlaced {
        /// The actor.
        actor: ActorId,
        /// Which life of it.
        incarnation: u32,
        /// The worker.
        worker: WorkerId,
        /// Device instances held.
        devices: DeviceList,
        /// What it holds once it runs.
        lifetime: ResourceSet,
    },
    /// Tell an owner why its request waits.
    LeaseWaits {
        /// Who asked.
        owner: WorkerId,
        /// What it asked.
        request_id: u64,
        /// Why, for people.
        message: String,
        /// It waits for a process, all are blocked and no more are allowed: without help it waits for ever.
        cap_reached: bool,
    },
    /// Tell an owner that its request is forgotten: its environment cannot be made.
    LeaseRefused {
        /// Who asked.
        owner: WorkerId,
        /// What it asked.
        request_id: u64,
        /// Why, for people.
        message: String,
    },
    /// An actor's request is forgotten: its environment cannot be made.
    ActorRefused {
        /// The actor.
        actor: ActorId,
        /// Why, for people.
        message: String,
    },
    /// Tell people why an actor waits.
    ActorWaits {
        /// The actor.
        actor: ActorId,
        /// Why, for people.
        message: String,
    },
}
