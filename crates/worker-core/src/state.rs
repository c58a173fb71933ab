//! The core's state: what it owns, borrows and has asked for. No logic: the rules are in the modules that read the fields.

use crate::calls_in_flight::CallsInFlight;
use crate::defects::Defects;
use crate::effect::Effect;
use crate::entry::{Reference, Value, Waiter};
use crate::kept::{KeptTasks, Search};
use crate::numbers::{ActorIndex, FunctionIndex, PeerIndex};
use crate::remembered::{Recent, Registry};
use crate::retry_delays::MemoryRetries;
use crate::table::Table;
use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use trygon_ids::{ActorId, JobId, ObjectId, OwnerIncarnation, WorkerId};

/// Who this process is.
#[derive(Debug, Clone, Copy)]
pub struct Identity {
    /// Its job.
    pub job: JobId,
    /// Its worker id.
    pub worker: WorkerId,
    /// Its incarnation as an owner.
    pub incarnation: OwnerIncarnation,
}

/// What is known of a function.
#[derive(Debug, Clone)]
pub struct Function {
    /// Its name, for people.
    pub name: String,
    /// The scheduling class of its tasks; not used for a method.
    pub(crate) class: u32,
    /// The actor, if it is a method.
    pub(crate) actor: Option<ActorIndex>,
    /// Moving average of its run time; 0 while unknown.
    pub(crate) average_ns: u32,
    /// Its worker exits after some calls, so that nothing is queued behind one.
    pub(crate) one_at_a_time: bool,
}

/// Counts for tests of leaks and for people.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Statistics {
    /// Entries in the table.
    pub owned: usize,
    /// Objects borrowed.
    pub borrowed: usize,
    /// Tasks that are not done.
    pub unfinished: usize,
    /// Bytes of inline values on the heap (FLOW-2).
    pub inline_bytes: usize,
    /// Leases held.
    pub leases: usize,
}

/// Everything one process decides with. See the crate's documentation for the rules.
#[derive(Debug)]
pub struct Core {
    pub(crate) identity: Identity,
    pub(crate) table: Table,
    pub(crate) borrowed: BTreeMap<ObjectId, Borrowed>,
    pub(crate) functions: Registry<Function>,
    pub(crate) classes: Vec<Class>,
    pub(crate) class_of: BTreeMap<ClassKey, u32>,
    pub(crate) leases: Vec<Lease>,
    pub(crate) actors: Registry<Actor>,
    pub(crate) actor_of: HashMap<ActorId, ActorIndex>,
    /// Actors that are dead, in the order of their ends, until they are forgotten.
    pub(crate) ended_actors: VecDeque<ActorIndex>,
    pub(crate) effects: Vec<Effect>,
    pub(crate) unfinished: usize,
    pub(crate) inline_bytes: usize,
    /// Bytes of arguments of tasks that are not done (FLOW-1).
    pub(crate) argument_bytes: usize,
    pub(crate) next_request: u64,
    /// Counts completions of watched objects, so that a waiter looks again only when there is something to see.
    pub(crate) watched_completions: u64,
    pub(crate) scratch: Vec<u8>,
    /// Tasks that are being dropped, as long as their queues name them: one, and a call that fails with it.
    pub(crate) dropping: Vec<u32>,
    /// Uses that are being given back.
    pub(crate) to_release: Vec<Reference>,
    pub(crate) is_releasing: bool,
    /// Tasks whose argument came, by slot and generation.
    pub(crate) woken: VecDeque<(u32, u32)>,
    pub(crate) is_waking: bool,
    /// RETRY-1: tasks that wait for their next attempt, by when it is due and slot: generation and attempt.
    pub(crate) delayed: BTreeMap<(u64, u32), (u32, u32)>,
    pub(crate) retry_delays: crate::retry_delays::RetryDelays,
    /// Borrowed objects that were lent on since the running task began; `None` in a process that runs none.
    pub(crate) lent_on: Option<BTreeSet<ObjectId>>,
    /// What comes now was kept by a dead process's flight recorder.
    pub(crate) is_replaying: bool,
    /// Something was lost: from then on arguments are looked at before they are sent.
    pub(crate) has_losses: bool,
    /// Nodes that died, by number, each with a sentence about it: what lay there is lost.
    pub(crate) dead_nodes: BTreeMap<u64, Box<str>>,
    /// Own objects that are lost and of which a copy is looked for.
    pub(crate) searches: BTreeMap<ObjectId, Search>,
    /// Own objects whose place is this process's copy: it is released, not freed.
    pub(crate) rescued: BTreeSet<ObjectId>,
    /// Own objects on nodes that may go, of which copies come (OWN-9).
    pub(crate) moving: BTreeMap<ObjectId, crate::entry::Location>,
    /// Tasks that can be run again (OWN-6).
    pub(crate) kept: KeptTasks,
    pub(crate) memory_retries: MemoryRetries,
    /// Processes that died: nothing is lent to them any more.
    pub(crate) dead: Recent<WorkerId, ()>,
    /// Rules that a test takes away.
    #[doc(hidden)]
    pub defects: Defects,
}

/// What tells scheduling classes apart: resources and the runtime environment.
pub(crate) type ClassKey = (Vec<(String, u64)>, Vec<u8>);

/// Tasks that need the same resources and run in the same environment.
#[derive(Debug)]
pub(crate) struct Class {
    pub(crate) resources: BTreeMap<String, f64>,
    /// Key of the runtime environment; empty for the plain one.
    pub(crate) environment: Vec<u8>,
    pub(crate) queue: VecDeque<u32>,
    /// How many in the queue were dropped.
    pub(crate) dropped: u32,
    /// Held leases, as indices.
    pub(crate) leases: Vec<u32>,
    /// Requests without an answer yet: number and leases outstanding.
    pub(crate) requested: Vec<(u64, u32)>,
}

/// What a lease can take.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum LeaseState {
    Ready,
    /// Its worker waits in `get`: it takes nothing before it has replied.
    Blocked,
    /// Its worker exits after what it runs.
    Exiting,
    /// The daemon wants it back after what it runs.
    Revoked,
    Returned,
}

#[derive(Debug)]
pub(crate) struct Lease {
    pub(crate) lease_id: u64,
    pub(crate) peer: PeerIndex,
    pub(crate) class: u32,
    pub(crate) state: LeaseState,
    pub(crate) in_flight: u32,
    pub(crate) load_ns: u64,
    pub(crate) idle_since_ns: u64,
    /// When it last replied; `u64::MAX` until the first tick after it was given something.
    pub(crate) progress_ns: u64,
}

/// What the control service said of an actor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ActorState {
    /// Not created yet, or restarting: calls wait.
    Pending,
    /// Takes calls on this connection.
    Alive {
        /// The connection.
        peer: PeerIndex,
        /// Which life.
        incarnation: u32,
    },
    /// Will come back: calls wait; those that may have run fail or are retried.
    Restarting {
        /// The error of those that fail, encoded.
        error: Box<[u8]>,
    },
    /// Will not come back.
    Dead {
        /// The error of every call, encoded.
        error: Box<[u8]>,
    },
}

/// How an actor runs its calls.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct CallOrder {
    /// Several at once: when its process dies, any call that was sent may have begun.
    pub concurrent: bool,
    /// A call whose arguments are late does not hold later ones back.
    pub out_of_order: bool,
}

#[derive(Debug)]
pub(crate) struct Actor {
    pub(crate) id: ActorId,
    pub(crate) state: ActorState,
    /// Those that this process calls.
    pub(crate) methods: Vec<FunctionIndex>,
    /// Calls that were not sent, in order; the head may wait for arguments and holds the others back.
    pub(crate) queue: VecDeque<u32>,
    /// How many in the queue were dropped.
    pub(crate) dropped: u32,
    /// Calls that were sent, in order.
    pub(crate) in_flight: CallsInFlight,
    /// The connection that they went to. The actor's state may be another by now: whoever kills it knows before its process has ended.
    pub(crate) sent_to: Option<PeerIndex>,
    /// Calls that a dead life had started: they are settled when it is known whether there will be another.
    pub(crate) interrupted: Vec<u32>,
    pub(crate) next_sequence: u64,
    /// How its calls may be run.
    pub(crate) order: CallOrder,
    /// With calls out of order: those that wait for their arguments and are in no queue.
    pub(crate) waiting: usize,
    /// Arguments of the constructor, pinned while it may run.
    pub(crate) pinned: Vec<Reference>,
    /// What counts the actor's handles, when this process was given one.
    pub(crate) handle: Option<Reference>,
    /// Calls are pending: they hold the handle, so that the actor outlives them.
    pub(crate) holds_handle: bool,
}

/// One borrowed object.
#[derive(Debug)]
pub struct Borrowed {
    pub(crate) owner: WorkerId,
    pub(crate) local_references: u32,
    pub(crate) uses: u32,
    /// Lends that the owner was told of and that this process has to give back.
    pub(crate) lends: i64,
    /// What the owner answered.
    pub(crate) value: Value,
    pub(crate) contained: Vec<Reference>,
    pub(crate) queried: bool,
    /// A copy of it was fetched from another node.
    pub(crate) has_copy: bool,
    pub(crate) watched: bool,
    /// It failed because the connection with its owner broke, who may live: a new lend is a new beginning.
    pub(crate) is_severed: bool,
    pub(crate) waiters: Vec<Waiter>,
}
