//! What travels between simulated processes.

use std::collections::BTreeMap;
use trygon_control_core::Death;
use trygon_ids::{ActorId, ObjectId, PlacementGroupId, WorkerId};
use trygon_node_core::Event as NodeEvent;
use trygon_proto::v1::{head_to_node, node_to_head};
use trygon_worker_core::{FunctionIndex, ItemKey, Location, Reference, Reply, Value};

/// A task as it travels.
#[derive(Debug, Clone)]
pub(crate) struct Push {
    pub(crate) slot: u32,
    pub(crate) generation: u32,
    pub(crate) attempt: u32,
    pub(crate) function: FunctionIndex,
    pub(crate) sequence: u64,
    pub(crate) num_returns: u16,
    pub(crate) depth: u16,
    pub(crate) is_actor_call: bool,
    pub(crate) payload: Vec<u8>,
}

/// A reply.
#[derive(Debug, Clone)]
pub(crate) struct Done {
    pub(crate) reply: Reply,
    pub(crate) returns: Vec<(Value, Vec<Reference>)>,
    pub(crate) kept: Vec<Reference>,
}

/// From process to process.
#[derive(Debug, Clone)]
pub(crate) enum ToPeer {
    Push(Push),
    Done(Done),
    /// One item of a generator.
    Item {
        key: ItemKey,
        value: Value,
        contained: Vec<Reference>,
    },
    /// A generator made so many items; its reply follows.
    ItemsEnd {
        key: ItemKey,
    },
    HandBack {
        tasks: Vec<(u32, u32, u32)>,
        blocked: bool,
    },
    Steal {
        count: u32,
    },
    Cancel {
        key: (u32, u32, u32),
        recursive: bool,
    },
    CancelObject {
        object: ObjectId,
        recursive: bool,
    },
    Query {
        object: ObjectId,
    },
    Answer {
        object: ObjectId,
        value: Value,
        contained: Vec<Reference>,
    },
    /// The object is not where its owner said.
    Lost {
        object: ObjectId,
        location: Location,
    },
    /// The owner of a lost object asks for a copy.
    CopyQuery {
        object: ObjectId,
    },
    /// The copy's place, if there is one.
    CopyAnswer {
        object: ObjectId,
        place: Option<Location>,
    },
    Borrow {
        object: ObjectId,
        borrower: WorkerId,
        delta: i64,
    },
}

/// From a process to its node's daemon.
#[derive(Debug, Clone)]
pub(crate) enum ToDaemon {
    Request {
        request: u64,
        resources: BTreeMap<String, f64>,
        count: u32,
        depth: u16,
        name: String,
        environment: u32,
    },
    Cancel {
        request: u64,
    },
    Return {
        lease: u64,
        worker_exiting: bool,
    },
    Connect {
        worker: usize,
    },
    Ready,
    Exiting {
        kind: &'static str,
    },
    /// It owns objects from now on, or none any more.
    Owns {
        owns: bool,
    },
    Blocked {
        depth: u16,
    },
    Unblocked,
    Free {
        place: u64,
    },
    CreateActor {
        actor: ActorId,
        arguments: Vec<Reference>,
        max_restarts: i64,
        depth: u16,
    },
    WatchActor {
        actor: ActorId,
    },
    KillActor {
        actor: ActorId,
        no_restart: bool,
        out_of_scope: bool,
    },
    ActorStarted {
        actor: ActorId,
        incarnation: u32,
    },
    CreateGroup {
        group: PlacementGroupId,
        strategy: &'static str,
    },
    RemoveGroup {
        group: PlacementGroupId,
    },
}

/// What became of a process, told to its peers.
#[derive(Debug, Clone)]
pub(crate) struct PeerDied {
    pub(crate) worker: usize,
    pub(crate) death: Death,
    pub(crate) started: Option<(u32, u32, u32)>,
    /// What the recorder kept although it was written: it came, or comes before this.
    pub(crate) written: Vec<ToPeer>,
    /// What the recorder kept and nobody has got.
    pub(crate) frames: Vec<ToPeer>,
    /// Nobody knows what it had begun: its record is lost.
    pub(crate) unrecorded: bool,
}

impl PeerDied {
    /// A death of which no record is known.
    pub(crate) fn unrecorded(worker: usize, death: Death) -> Self {
        Self { worker, death, started: None, written: Vec::new(), frames: Vec::new(), unrecorded: true }
    }
}

/// From the daemon to a process.
#[derive(Debug, Clone)]
pub(crate) enum ToProcess {
    Granted {
        request: u64,
        lease: u64,
        worker: usize,
    },
    Revoked {
        lease: u64,
    },
    /// A request will never be met.
    Refused {
        request: u64,
        kind: &'static str,
    },
    /// A machine's memory is lost.
    NodeLost {
        node: u64,
    },
    /// A machine goes.
    NodeDrains {
        node: u64,
    },
    /// A copy of what lies there was asked for a while ago.
    Copied {
        object: ObjectId,
        location: Location,
    },
    Connected {
        worker: usize,
    },
    Died(PeerDied),
    Actor {
        actor: ActorId,
        state: &'static str,
        incarnation: u32,
        worker: Option<usize>,
        message: String,
    },
    StartActor {
        actor: ActorId,
        incarnation: u32,
        arguments: Vec<Reference>,
    },
    Exit,
}

/// Anything that travels.
#[derive(Debug, Clone)]
pub(crate) enum Message {
    Peer(ToPeer),
    Daemon(ToDaemon),
    Process(ToProcess),
    /// Between daemons, and between them and the head.
    Far(Far),
}

/// What daemons and the head say to one another.
#[derive(Debug, Clone)]
pub(crate) enum Far {
    /// From node to node.
    Node(Box<NodeEvent>),
    /// A lease is to be given back.
    Revoke {
        owner: WorkerId,
        lease: u64,
    },
    /// A process died that another of that node is connected with.
    PeerDied {
        to: usize,
        died: PeerDied,
    },
    ToHead(Box<node_to_head::Body>),
    FromHead(Box<head_to_node::Body>),
}
