//! Everything a node can ask for.

use crate::{DeviceList, EnvironmentId, LeaseId, Refusal};
use trygon_ids::{ActorId, JobId, NodeId, PlacementGroupId, WorkerId};
use trygon_resources::ResourceSet;

/// Demand of one kind that waits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueuedDemand {
    /// What one needs, by name.
    pub resources: ResourceSet,
    /// How many wait.
    pub count: u32,
    /// What the first one is called.
    pub name: String,
    /// Why no node can ever take it, for people; empty when one can.
    pub message: String,
}

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
    /// The node's memory is nearly full: end it at once, with its children.
    MemoryPressure,
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
    /// From now on a worker may gain so much memory. Comes before the grant.
    MemoryLimited {
        /// The worker.
        worker: WorkerId,
        /// For this lease.
        lease: LeaseId,
        /// What may be gained.
        limit_bytes: u64,
        /// What runs, for messages.
        name: String,
    },
    /// The lease with that limit ended.
    MemoryUnlimited {
        /// The worker.
        worker: WorkerId,
        /// The lease.
        lease: LeaseId,
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
    /// Ask an owner to give a lease back when what runs has ended (FAIR-1, FAIR-2).
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
    /// Ask another node for leases for an owner of this node. Answered by as many `RemoteGranted` and `RemoteDeclined`, or one
    /// `RemoteRefused`, unless `CancelAsk` follows.
    AskNode {
        /// The other node.
        node: NodeId,
        /// Who asks.
        owner: WorkerId,
        /// Its job.
        job: JobId,
        /// What it asked.
        request_id: u64,
        /// What one lease holds, by name.
        resources: ResourceSet,
        /// How many more leases are wanted there.
        count: u32,
        /// How deep the tasks are nested.
        depth: u32,
        /// What runs, for messages.
        name: String,
        /// What its worker must run in, by this node's number.
        environment: EnvironmentId,
        /// It waits there for its turn, instead of being declined.
        may_wait: bool,
    },
    /// What was asked of a node for this request, and not answered, is not wanted any more.
    CancelAsk {
        /// The other node.
        node: NodeId,
        /// Who asked.
        owner: WorkerId,
        /// What it asked.
        request_id: u64,
    },
    /// Tell another node that one of its owners holds a lease here.
    GrantRemote {
        /// The owner's node.
        node: NodeId,
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
    /// Tell another node that there is no room for some of what it asked.
    DeclineAsk {
        /// The node that asked.
        node: NodeId,
        /// Its owner.
        owner: WorkerId,
        /// What that asked.
        request_id: u64,
        /// How many leases are declined.
        count: u32,
        /// What is free here, by name.
        free: ResourceSet,
    },
    /// Tell another node that what it asked will never be met here.
    RefuseAsk {
        /// The node that asked.
        node: NodeId,
        /// Its owner.
        owner: WorkerId,
        /// What that asked.
        request_id: u64,
        /// Why.
        refusal: Refusal,
        /// Why, for people.
        message: String,
    },
    /// Ask an owner on another node to give a lease back when what runs has ended (FAIR-1, FAIR-2).
    RevokeRemote {
        /// The owner's node.
        node: NodeId,
        /// Who holds it.
        owner: WorkerId,
        /// The lease.
        lease: LeaseId,
    },
    /// Give a lease back to the node that granted it.
    ForwardReturn {
        /// The node that granted it.
        node: NodeId,
        /// Who held it.
        owner: WorkerId,
        /// The lease.
        lease: LeaseId,
        /// The worker takes nothing any more.
        worker_exiting: bool,
    },
    /// Tell a node that an owner that holds leases there is dead.
    OwnerGone {
        /// The node that granted leases to it.
        node: NodeId,
        /// The owner.
        owner: WorkerId,
    },
    /// Tell the head what is free and what waits.
    LoadChanged {
        /// What the node has, in placement groups too, by name.
        total: ResourceSet,
        /// What is free of it.
        free: ResourceSet,
        /// What waits, by kind; what comes after the first 64 kinds is left out.
        queued: Vec<QueuedDemand>,
    },
    /// The answer to `BundlesPrepare`.
    BundlesPrepared {
        /// The group.
        group: PlacementGroupId,
        /// Which attempt it answers.
        attempt: u32,
        /// Whether all are held.
        ok: bool,
        /// What is free here, by name.
        free: ResourceSet,
    },
}
