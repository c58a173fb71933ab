//! Everything that can happen to a node.

use crate::{DeviceList, EnvironmentId, LeaseId, Refusal, WorkerMemory};
use trygon_ids::{ActorId, JobId, NodeId, PlacementGroupId, WorkerId};
use trygon_placement::Delta;
use trygon_resources::ResourceSet;

/// An owner asks for leases of one scheduling class.
#[derive(Debug, Clone)]
pub struct LeaseRequest {
    /// Who asks: a driver or a worker.
    pub owner: WorkerId,
    /// Its job.
    pub job: JobId,
    /// Chosen by the asker.
    pub request_id: u64,
    /// What one lease holds, by the names of `demand.rs`.
    pub resources: ResourceSet,
    /// How many leases are wanted.
    pub count: u32,
    /// How deep the tasks are nested.
    pub depth: u32,
    /// What runs, for messages.
    pub name: String,
    /// What its worker must run in.
    pub environment: EnvironmentId,
}

/// Another node asks for leases for one of its owners.
#[derive(Debug, Clone)]
pub struct RemoteAsk {
    /// The node that asks.
    pub node: NodeId,
    /// What for, as its owner asked; `environment` is this node's number.
    pub request: LeaseRequest,
    /// It waits here for its turn; otherwise what does not fit now is declined.
    pub may_wait: bool,
}

/// An actor needs a worker of its own.
#[derive(Debug, Clone)]
pub struct ActorRequest {
    /// The actor.
    pub actor: ActorId,
    /// Which life of it.
    pub incarnation: u32,
    /// Its creator, in whose turn it is placed.
    pub owner: WorkerId,
    /// What must be free to place it, by name; held while the constructor runs.
    pub placement: ResourceSet,
    /// What it holds while it lives, by name.
    pub lifetime: ResourceSet,
    /// Nesting depth of its creator.
    pub depth: u32,
    /// Its class, for messages.
    pub name: String,
    /// What its worker must run in.
    pub environment: EnvironmentId,
}

/// A placement group is to be reserved.
#[derive(Debug, Clone)]
pub struct GroupRequest {
    /// The group.
    pub group: PlacementGroupId,
    /// Its creator, in whose turn it is served.
    pub owner: WorkerId,
    /// What each bundle holds.
    pub bundles: Vec<ResourceSet>,
    /// Each bundle must be on a node of its own.
    pub apart: bool,
    /// Selectors of labels that the node must have.
    pub labels: Option<String>,
    /// What it is called, for messages.
    pub name: String,
}

/// What happened.
#[derive(Debug, Clone)]
pub enum Event {
    /// The node begins: the first workers are started.
    Start,
    /// A job has this weight: what it is due of a node that it shares with others is in proportion (FAIR-2). 0: it is over.
    JobWeighted {
        /// The job.
        job: JobId,
        /// Its weight.
        weight: f64,
    },
    /// An owner asks for leases.
    LeaseRequested(LeaseRequest),
    /// An owner wants no more grants of a request.
    LeaseCancelled {
        /// Who asked.
        owner: WorkerId,
        /// What it asked.
        request_id: u64,
    },
    /// An owner gives a lease back.
    LeaseReturned {
        /// Who held it.
        owner: WorkerId,
        /// The lease.
        lease: LeaseId,
        /// The worker takes nothing any more.
        worker_exiting: bool,
    },
    /// An actor needs a worker.
    ActorWanted(ActorRequest),
    /// An actor that was not placed yet needs no worker any more.
    ActorUnwanted {
        /// The actor.
        actor: ActorId,
    },
    /// A placement group is to be reserved.
    GroupWanted(GroupRequest),
    /// A placement group ends, whether it was reserved or not.
    GroupRemoved {
        /// The group.
        group: PlacementGroupId,
    },
    /// The constructor of the actor on this worker is done: it keeps what it holds for life.
    ActorRunning {
        /// The actor's worker.
        worker: WorkerId,
    },
    /// Workers can be started in this environment.
    EnvironmentReady {
        /// The environment.
        environment: EnvironmentId,
    },
    /// An environment cannot be made: what waits for it is refused.
    EnvironmentFailed {
        /// The environment.
        environment: EnvironmentId,
        /// Why, for people.
        message: String,
    },
    /// So many workers are started ahead in this environment, and kept when idle; 0 for none.
    WorkersKept {
        /// The environment.
        environment: EnvironmentId,
        /// How many.
        count: usize,
    },
    /// A worker can take work.
    WorkerReady {
        /// The worker.
        worker: WorkerId,
    },
    /// A worker said that it takes nothing any more.
    WorkerExiting {
        /// The worker.
        worker: WorkerId,
    },
    /// A process is gone, as a worker and as an owner.
    ProcessDied {
        /// The worker or driver.
        process: WorkerId,
    },
    /// A worker waits for others: its CPUs may be lent.
    Blocked {
        /// The worker.
        worker: WorkerId,
        /// Depth of the task that waits.
        depth: u32,
    },
    /// A worker began to own objects, or owns none any more.
    WorkerOwns {
        /// The worker.
        worker: WorkerId,
        /// Whether it owns some.
        owns: bool,
    },
    /// The memory of the node is nearly full.
    MemoryPressure {
        /// How much more is in use than may be.
        excess_bytes: u64,
        /// What each worker has.
        workers: Vec<WorkerMemory>,
    },
    /// A worker goes on.
    Unblocked {
        /// The worker.
        worker: WorkerId,
    },
    /// The node is part of a cluster, under this number. Comes before any lease.
    Numbered {
        /// Its number, never given to another node.
        number: u32,
    },
    /// Other nodes came, went, or have other amounts free.
    ClusterChanged(Delta),
    /// Another node asks for leases.
    RemoteAsk(RemoteAsk),
    /// Another node wants no more grants of a request.
    RemoteCancel {
        /// The node.
        node: NodeId,
        /// Its owner.
        owner: WorkerId,
        /// What that asked.
        request_id: u64,
    },
    /// Another node granted a lease to an owner of this one.
    RemoteGranted {
        /// The node.
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
    /// Another node has no room for some of what it was asked.
    RemoteDeclined {
        /// The node.
        node: NodeId,
        /// Who asked.
        owner: WorkerId,
        /// What it asked.
        request_id: u64,
        /// How many leases are declined.
        count: u32,
        /// What is free there, by name.
        free: ResourceSet,
    },
    /// Another node will never meet what it was asked, and nobody else would.
    RemoteRefused {
        /// The node.
        node: NodeId,
        /// Who asked.
        owner: WorkerId,
        /// What it asked.
        request_id: u64,
        /// Why.
        refusal: Refusal,
        /// Why, for people.
        message: String,
    },
    /// A node is dead: with it its owners, its workers, and whatever was asked of it.
    NodeLost {
        /// The node.
        node: NodeId,
    },
    /// Processes of other nodes are dead.
    OwnersLost {
        /// Which.
        owners: Vec<WorkerId>,
    },
    /// The connection with a node broke: what was on its way is lost. The node may live.
    LinkLost {
        /// The node.
        node: NodeId,
    },
    /// The connection with a node is there again. First both say which leases of the other their owners hold.
    LinkUp {
        /// The node.
        node: NodeId,
        /// The leases of this node that its owners hold (`Node::leases_from`).
        leases: Vec<LeaseId>,
    },
    /// The first phase of a group's reservation: bundles are to be held here, all or none.
    BundlesPrepare {
        /// The group.
        group: PlacementGroupId,
        /// Which attempt this is.
        attempt: u32,
        /// Their places in the group, and what each holds.
        bundles: Vec<(u32, ResourceSet)>,
    },
    /// The second phase: what was prepared may be used.
    BundlesCommit {
        /// The group.
        group: PlacementGroupId,
        /// Which attempt.
        attempt: u32,
    },
    /// Bundles of one attempt go back; what runs in them is ended.
    BundlesReturn {
        /// The group.
        group: PlacementGroupId,
        /// Which attempt.
        attempt: u32,
    },
    /// A deadline that `next_deadline_ms` named has come.
    Tick,
}
