//! What a process, and a node, knows of one task or object: for people who ask why something is as it is.

use crate::control::{Death, TaskEvent};
use crate::messages::messages;
use std::collections::BTreeMap;

messages! {
    /// The daemon asks a process what it knows. The thread of the process that reads its sockets answers, whatever its program does.
    Explain {
        /// Chosen by the daemon.
        #[prost(uint64, tag = "1")] request_id: u64,
        /// The id of a task or an object in hexadecimal, or how one begins.
        #[prost(string, tag = "2")] wanted: String,
    }
    /// The answer. No argument, no value, no environment is in it.
    Explained {
        /// The request.
        #[prost(uint64, tag = "1")] request_id: u64,
        /// Tasks that the process owns.
        #[prost(message, repeated, tag = "2")] tasks: Vec<TaskFacts>,
        /// Objects that the process owns.
        #[prost(message, repeated, tag = "3")] objects: Vec<ObjectFacts>,
        /// Tasks that the process runs, or that wait in it.
        #[prost(message, repeated, tag = "4")] running: Vec<RunningFacts>,
        /// Objects that the process borrows.
        #[prost(message, repeated, tag = "5")] borrowed: Vec<BorrowedFacts>,
        /// Of an id of the process's own: `over` when it was used and nothing refers to it any more, `never` when it was not used yet.
        #[prost(string, tag = "6")] fate: String,
        /// What ended earlier attempts, where the task itself is forgotten.
        #[prost(message, repeated, tag = "7")] past: Vec<AttemptFacts>,
    }
    /// An attempt that is over.
    AttemptFacts {
        /// From 0.
        #[prost(uint32, tag = "1")] attempt: u32,
        /// When it ended, in microseconds since the epoch.
        #[prost(uint64, tag = "2")] time_us: u64,
        /// What ended it.
        #[prost(string, tag = "3")] reason: String,
        /// The process that ran it; empty when none had it.
        #[prost(bytes = "vec", tag = "4")] worker_id: Vec<u8>,
    }
    /// An argument that a task waits for.
    ArgumentFacts {
        /// The object.
        #[prost(bytes = "vec", tag = "1")] object_id: Vec<u8>,
        /// Its owner's worker id.
        #[prost(bytes = "vec", tag = "2")] owner: Vec<u8>,
        /// The function of the task that makes it; empty when another process owns it.
        #[prost(string, tag = "3")] task_name: String,
        /// That task's state.
        #[prost(string, tag = "4")] state: String,
    }
    /// A task, as its owner knows it.
    TaskFacts {
        /// The task.
        #[prost(bytes = "vec", tag = "1")] task_id: Vec<u8>,
        /// Its function.
        #[prost(string, tag = "2")] name: String,
        /// `WAITS_FOR_ARGUMENTS`, `WAITS_FOR_LEASE`, `WAITS_FOR_ACTOR`, `WAITS_FOR_RETRY`, `SENT`, `FINISHED`, `FAILED`, `CANCELLED`.
        #[prost(string, tag = "3")] state: String,
        /// From 0.
        #[prost(uint32, tag = "4")] attempt: u32,
        /// Retries left; negative for no end.
        #[prost(sint32, tag = "5")] retries_left: i32,
        /// Earlier attempts, the first first.
        #[prost(message, repeated, tag = "6")] past: Vec<AttemptFacts>,
        /// Arguments that are not there.
        #[prost(message, repeated, tag = "7")] waits_for: Vec<ArgumentFacts>,
        /// What a lease for it holds.
        #[prost(btree_map = "string, double", tag = "8")] needs: BTreeMap<String, f64>,
        /// Milliseconds until it is tried again.
        #[prost(uint64, tag = "9")] retry_in_ms: u64,
        /// The process that it was sent to.
        #[prost(bytes = "vec", tag = "10")] executor: Vec<u8>,
        /// How many tasks of the same owner were sent there, or wait before it for the same actor.
        #[prost(uint32, tag = "11")] others: u32,
        /// The actor, of a call.
        #[prost(bytes = "vec", tag = "12")] actor_id: Vec<u8>,
        /// How the actor is as far as the owner knows.
        #[prost(string, tag = "13")] actor_state: String,
        /// `cancel` was called.
        #[prost(bool, tag = "14")] cancelled: bool,
        /// Kind of the error that stands in place of its results; `user` when its code raised.
        #[prost(string, tag = "15")] error_kind: String,
        /// A sentence about it.
        #[prost(string, tag = "16")] error_message: String,
        /// It had ended, and runs again because results were lost.
        #[prost(bool, tag = "17")] is_rebuilding: bool,
        /// How many arguments it has that are references.
        #[prost(uint32, tag = "18")] num_dependencies: u32,
    }
    /// Who borrows an object.
    BorrowerFacts {
        /// The process.
        #[prost(bytes = "vec", tag = "1")] worker_id: Vec<u8>,
        /// Lends less returns.
        #[prost(sint64, tag = "2")] lends: i64,
    }
    /// An object, as its owner knows it.
    ObjectFacts {
        /// The object.
        #[prost(bytes = "vec", tag = "1")] object_id: Vec<u8>,
        /// `put` made it, or it stands for the handles of an actor.
        #[prost(bool, tag = "2")] is_put: bool,
        /// `PENDING`, `INLINE`, `STORED`, `ERROR`, `LOST`, `FREED`.
        #[prost(string, tag = "3")] state: String,
        /// Length of its value.
        #[prost(uint64, tag = "4")] size_bytes: u64,
        /// Where it lies in shared memory.
        #[prost(uint64, tag = "5")] segment_id: u64,
        /// References of the owner's program.
        #[prost(uint32, tag = "6")] local_references: u32,
        /// Tasks in flight that have it as an argument, and objects that contain it.
        #[prost(uint32, tag = "7")] uses: u32,
        /// Other processes that hold it.
        #[prost(message, repeated, tag = "8")] borrowers: Vec<BorrowerFacts>,
        /// Who waits for it: tasks, processes, event loops.
        #[prost(uint32, tag = "9")] waiters: u32,
        /// References inside its value.
        #[prost(uint32, tag = "10")] contained: u32,
        /// Finished tasks that may be run again and would need it.
        #[prost(uint32, tag = "11")] pins: u32,
        /// Why it cannot be made again; empty when it can.
        #[prost(string, tag = "12")] no_rebuild: String,
        /// Why it is lost, while a copy of it is looked for.
        #[prost(string, tag = "13")] lost_reason: String,
        /// Kind of the error that stands in its place.
        #[prost(string, tag = "14")] error_kind: String,
        /// A sentence about it.
        #[prost(string, tag = "15")] error_message: String,
        /// Retries that making it again could use; negative for no end.
        #[prost(sint32, tag = "16")] retries_left: i32,
    }
    /// A task in the process that runs it.
    RunningFacts {
        /// The task.
        #[prost(bytes = "vec", tag = "1")] task_id: Vec<u8>,
        /// Which attempt.
        #[prost(uint32, tag = "2")] attempt: u32,
        /// Its code runs; otherwise it waits here for its turn.
        #[prost(bool, tag = "3")] has_begun: bool,
        /// For how long, in microseconds; 0 when that is not known.
        #[prost(uint64, tag = "4")] for_us: u64,
        /// The code waits for objects.
        #[prost(bool, tag = "5")] is_blocked: bool,
        /// How many calls wait in the process before it.
        #[prost(uint32, tag = "6")] behind: u32,
    }
    /// An object in a process that borrows it.
    BorrowedFacts {
        /// The object.
        #[prost(bytes = "vec", tag = "1")] object_id: Vec<u8>,
        /// Its owner's worker id.
        #[prost(bytes = "vec", tag = "2")] owner: Vec<u8>,
        /// References of the program.
        #[prost(uint32, tag = "3")] local_references: u32,
        /// Tasks in flight that have it as an argument, and objects that contain it.
        #[prost(uint32, tag = "4")] uses: u32,
        /// As the borrower knows it: `PENDING`, `INLINE`, `STORED`, `ERROR`.
        #[prost(string, tag = "5")] state: String,
        /// Something here waits for it.
        #[prost(bool, tag = "6")] is_awaited: bool,
    }
    /// One process of a node, and what it said.
    ProcessFacts {
        /// The process.
        #[prost(bytes = "vec", tag = "1")] worker_id: Vec<u8>,
        /// Its process id.
        #[prost(uint32, tag = "2")] pid: u32,
        /// A program, and no worker.
        #[prost(bool, tag = "3")] is_driver: bool,
        /// What it knows; none when it did not answer in time.
        #[prost(message, optional, tag = "4")] facts: Option<Explained>,
        /// What the system says of one that did not answer: `stopped`, or nothing.
        #[prost(string, tag = "5")] os_state: String,
    }
    /// An object in a node's store.
    StoredFacts {
        /// The object.
        #[prost(bytes = "vec", tag = "1")] object_id: Vec<u8>,
        /// Its length.
        #[prost(uint64, tag = "2")] size_bytes: u64,
        /// `memory`, `copy`, `file`, `unreadable`.
        #[prost(string, tag = "3")] place: String,
        /// The file and its folder, when it is in one.
        #[prost(string, tag = "4")] file: String,
        /// How many processes have its memory mapped.
        #[prost(uint32, tag = "5")] readers: u32,
        /// Its owner is dead; it stays for those who may read it.
        #[prost(bool, tag = "6")] held_for_readers: bool,
        /// Somebody looks at it: it cannot go into a file now.
        #[prost(bool, tag = "7")] is_looked_at: bool,
    }
    /// A request for leases that waits on a node.
    WaitingFacts {
        /// Who asked.
        #[prost(bytes = "vec", tag = "1")] owner: Vec<u8>,
        /// What is to run.
        #[prost(string, tag = "2")] name: String,
        /// How many.
        #[prost(uint32, tag = "3")] count: u32,
        /// What one needs.
        #[prost(string, tag = "4")] needs: String,
        /// Why it waits.
        #[prost(string, tag = "5")] why: String,
    }
    /// What holds a node's resources.
    HeldFacts {
        /// A function or an actor's class.
        #[prost(string, tag = "1")] name: String,
        /// How many workers run it.
        #[prost(uint32, tag = "2")] count: u32,
        /// What they hold together.
        #[prost(btree_map = "string, double", tag = "3")] resources: BTreeMap<String, f64>,
    }
    /// What a node knows.
    NodeFacts {
        /// The node.
        #[prost(bytes = "vec", tag = "1")] node_id: Vec<u8>,
        /// Its processes that know something, did not answer, or own what was asked for.
        #[prost(message, repeated, tag = "2")] processes: Vec<ProcessFacts>,
        /// Objects in its store.
        #[prost(message, repeated, tag = "3")] stored: Vec<StoredFacts>,
        /// Requests of the owner that wait here.
        #[prost(message, repeated, tag = "4")] waiting: Vec<WaitingFacts>,
        /// Events of the task.
        #[prost(message, repeated, tag = "5")] events: Vec<TaskEvent>,
        /// What holds its resources.
        #[prost(message, repeated, tag = "6")] held: Vec<HeldFacts>,
        /// The owner was a process of this node, which is dead.
        #[prost(message, optional, tag = "7")] owner_death: Option<Death>,
    }
}
