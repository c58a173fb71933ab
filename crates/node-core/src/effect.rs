//! Everything a node can ask for.

use crate::{DeviceList, EnvironmentId, LeaseId, Refusal};
use trygon_ids::{ActorId, PlacementGroupId, WorkerId};
use trygon_resources::ResourceSet;

/// Why a worker is to end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum StopReason {
    /// It had nothing to do for long; it may finish what it owns first.
    Idle,
    /// The owner of what it runs is dead: end it at once.
    OwnerDied,
    /// What it runs is in a placement group that was removed: end it at once.
    GroupRemoved,
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
        /// What it holds once it runs, by name.
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
    /// Tell an owner that its request will never be met.
    LeaseRefused {
        /// Who asked.
        owner: WorkerId,
        /// What it asked.
        request_id: u64,
        /// Why.
        refusal: Refusal,
        /// Why, for people.
        message: String,
    },
    /// An actor will never have a worker.
    ActorRefused {
        /// The actor.
        actor: ActorId,
        /// Why.
        refusal: Refusal,
        /// Why, for people.
        message: String,
    },
    /// Ask an owner to give a lease back when what runs has ended (FAIR-1).
    Revoke {
        /// Who holds it.
        owner: WorkerId,
        /// The lease.
        lease: LeaseId,
    },
    /// All bundles of a placement group are reserved.
    GroupReserved {
        /// The group.
        group: PlacementGroupId,
    },
    /// Tell people why a placement group waits.
    GroupWaits {
        /// The group.
        group: PlacementGroupId,
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
