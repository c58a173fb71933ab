//! What the core asks for, and the door through which tasks leave.

use crate::entry::{Location, Reference};
use crate::numbers::{ActorIndex, FunctionIndex, PeerIndex};
use std::collections::BTreeMap;
use trygon_ids::{ActorId, ObjectId, WorkerId};

/// A task on its way out. Borrowed, so that the common case copies its bytes once, into the socket's buffer.
#[derive(Debug)]
pub struct Task<'a> {
    /// Place in the table.
    pub slot: u32,
    /// Generation of that place.
    pub generation: u32,
    /// Which attempt.
    pub attempt: u32,
    /// The function or method.
    pub function: FunctionIndex,
    /// For an actor: number of the call.
    pub sequence: u64,
    /// The lease, for a task.
    pub lease_id: u64,
    /// How many results.
    pub num_returns: u16,
    /// How deep it is nested.
    pub depth: u16,
    /// Whether it is an actor's.
    pub is_actor_call: bool,
    /// Whether it is tried again when its worker dies.
    pub is_retriable: bool,
    /// Dependencies in their byte form, then arguments.
    pub payload: &'a [u8],
}

/// Takes tasks to the peers' buffers. Implemented by the sockets' owner and by the simulator.
pub trait Outbox {
    /// Appends a task to what is to be sent to `peer`.
    fn push(&mut self, peer: PeerIndex, task: &Task<'_>);
}

/// How to cancel.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Cancel {
    /// A task that runs is ended with its process.
    pub force: bool,
    /// What the task submitted is cancelled too.
    pub recursive: bool,
}

/// What is rare or crosses to others.
#[derive(Debug, Clone, PartialEq)]
pub enum Effect {
    /// Ask the daemon for leases.
    RequestLeases {
        /// Number of the request.
        request: u64,
        /// What each lease holds.
        resources: BTreeMap<String, f64>,
        /// How many.
        count: u32,
        /// Nesting depth of the tasks.
        depth: u16,
        /// A function that waits.
        name: String,
        /// Key of the runtime environment that the workers must have; empty for the plain one.
        environment: Vec<u8>,
    },
    /// What was asked for is not wanted any more.
    CancelRequest {
        /// Number of the request.
        request: u64,
    },
    /// Give a lease back.
    ReturnLease {
        /// The lease.
        lease_id: u64,
        /// Its worker exits.
        worker_exiting: bool,
    },
    /// A stored object is not needed any more.
    FreeStored {
        /// The object.
        object: ObjectId,
        /// Where it lies.
        location: Location,
    },
    /// This process refers no more to an object of which it has a copy (`Core::note_copy`) and that it does not own.
    Forgotten {
        /// The object.
        object: ObjectId,
    },
    /// An own object is lost: look for a copy on this node, and ask those who borrow it. What each says goes to `Core::on_copy_answer`.
    FindCopy {
        /// The object.
        object: ObjectId,
        /// Where it was; `None` when it was freed, so that there is no copy.
        location: Option<Location>,
        /// Who may have one.
        borrowers: Vec<WorkerId>,
    },
    /// Another node has a copy of a lost own object: fetch it. What becomes of that is this process's answer to `FindCopy`.
    FetchCopy {
        /// The object.
        object: ObjectId,
        /// Where it lies.
        location: Location,
    },
    /// Tell `reference.owner` that the object is not where it said. A question for it follows.
    ReportLost {
        /// The object and its owner.
        reference: Reference,
        /// Where it was.
        location: Location,
        /// Why it is not there.
        reason: Box<str>,
    },
    /// A task runs again because results of it were lost: for whoever reads the log.
    Rebuilding {
        /// Its function.
        function: FunctionIndex,
        /// What was lost, and why.
        reason: Box<str>,
    },
    /// Tell `reference.owner`: `borrower` holds `delta` more lends of the object.
    ReportBorrow {
        /// The object and its owner.
        reference: Reference,
        /// Who borrows.
        borrower: WorkerId,
        /// Lends, or minus returns.
        delta: i64,
    },
    /// Ask the owner for the value.
    Query {
        /// The object and its owner.
        reference: Reference,
    },
    /// A peer waits for this object, which is there now.
    Answer {
        /// The peer.
        peer: PeerIndex,
        /// The object.
        object: ObjectId,
    },
    /// Ask a worker for tasks that it has not started, the last ones first.
    Steal {
        /// The worker.
        peer: PeerIndex,
        /// How many.
        count: u32,
    },
    /// Ask a worker to drop or interrupt a task that was sent to it.
    Cancel {
        /// The worker.
        peer: PeerIndex,
        /// The task's slot.
        slot: u32,
        /// Its generation.
        generation: u32,
        /// Which attempt.
        attempt: u32,
        /// How.
        how: Cancel,
    },
    /// A task is tried again: for whoever reads the log.
    Retried {
        /// Its slot.
        slot: u32,
        /// Its generation.
        generation: u32,
        /// Where the attempt ran, when that is known.
        peer: Option<PeerIndex>,
        /// Its function.
        function: FunctionIndex,
        /// The attempt that failed, from 0.
        attempt: u32,
        /// How many retries are left; negative for no end.
        left: i32,
        /// Why.
        reason: String,
    },
    /// Tell whoever makes a stream's items how many were taken, or that no more are wanted.
    StreamCredit {
        /// The executor.
        peer: PeerIndex,
        /// The task's slot.
        slot: u32,
        /// Its generation.
        generation: u32,
        /// Which attempt runs.
        attempt: u32,
        /// Items that were taken.
        taken: u32,
    },
    /// Put a token into a completion queue.
    Complete {
        /// The queue.
        queue: u32,
        /// The token.
        token: u64,
    },
    /// Ask for the actor's state and a connection to it.
    WatchActor {
        /// The actor.
        actor: ActorId,
    },
    /// The actor ended long ago: its methods are not called any more under these numbers.
    MethodsForgotten {
        /// The methods.
        functions: Vec<FunctionIndex>,
    },
    /// The last handle is gone.
    ActorOutOfScope {
        /// The actor.
        actor: ActorId,
        /// Its index here.
        index: ActorIndex,
    },
    /// A task failed or was retried: for the record of events.
    TaskEnded {
        /// Its slot.
        slot: u32,
        /// Its generation.
        generation: u32,
        /// `FAILED` or `RETRIED`.
        state: &'static str,
        /// Which attempt.
        attempt: u32,
        /// Its function.
        function: FunctionIndex,
    },
}
