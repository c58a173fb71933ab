//! What two processes of one job say to each other beside tasks and replies.
//!
//! References travel as `(object id, owner's worker id)`.

use crate::messages::messages;

messages! {
    /// Gives a function, or a method of an actor, a number on this connection.
    FunctionDefine {
        /// The number, counted up from 0 by the caller.
        #[prost(uint32, tag = "1")] index: u32,
        /// SHA-256 of the pickled function; empty for a method.
        #[prost(bytes = "vec", tag = "2")] hash: Vec<u8>,
        /// The function's or method's name.
        #[prost(string, tag = "3")] name: String,
        /// The actor, for a method.
        #[prost(bytes = "vec", tag = "4")] actor_id: Vec<u8>,
        /// The worker exits after so many calls; 0 for never.
        #[prost(uint32, tag = "5")] max_calls: u32,
        /// The concurrency group of a method's calls; empty for the one that the class gives it.
        #[prost(string, tag = "6")] group: String,
        /// An error that user code raises may be retried.
        #[prost(bool, tag = "7")] retries_errors: bool,
        /// Only errors of these classes, a pickled tuple; empty for any.
        #[prost(bytes = "vec", tag = "8")] retry_classes: Vec<u8>,
    }
    /// Asks for the body of a function.
    FunctionFetch {
        /// SHA-256 of the pickled function.
        #[prost(bytes = "vec", tag = "1")] hash: Vec<u8>,
    }
    /// The body of a function.
    FunctionBody {
        /// SHA-256 of the pickled function.
        #[prost(bytes = "vec", tag = "1")] hash: Vec<u8>,
        /// The pickle.
        #[prost(bytes = "vec", tag = "2")] body: Vec<u8>,
    }
    /// The tasks that follow run under this lease.
    LeaseBind {
        /// The lease.
        #[prost(uint64, tag = "1")] lease_id: u64,
        /// Device instances.
        #[prost(message, repeated, tag = "2")] devices: Vec<crate::control::Devices>,
        /// What the lease holds.
        #[prost(btree_map = "string, double", tag = "3")] resources: std::collections::BTreeMap<String, f64>,
    }
    /// One task: its place in the owner's table and its attempt.
    TaskKey {
        /// The slot.
        #[prost(uint32, tag = "1")] slot: u32,
        /// The generation.
        #[prost(uint32, tag = "2")] generation: u32,
        /// The attempt.
        #[prost(uint32, tag = "3")] attempt: u32,
    }
    /// Tasks that the worker received and did not start.
    HandBack {
        /// The tasks, in the order in which they came.
        #[prost(message, repeated, tag = "1")] tasks: Vec<TaskKey>,
        /// The worker waits in `get` or `wait`: it takes no more before it has replied.
        #[prost(bool, tag = "2")] blocked: bool,
    }
    /// The owner wants up to `count` tasks back that were not started, the last ones first.
    Steal {
        /// How many.
        #[prost(uint32, tag = "1")] count: u32,
    }
    /// Cancels a task.
    Cancel {
        /// The task.
        #[prost(message, optional, tag = "1")] task: Option<TaskKey>,
        /// End the process.
        #[prost(bool, tag = "2")] force: bool,
        /// And what it submitted.
        #[prost(bool, tag = "3")] recursive: bool,
    }
    /// Asks the owner of an object to cancel the task that makes it.
    CancelObject {
        /// The object.
        #[prost(bytes = "vec", tag = "1")] object_id: Vec<u8>,
        /// End the process of a task that runs.
        #[prost(bool, tag = "2")] force: bool,
        /// And what it submitted.
        #[prost(bool, tag = "3")] recursive: bool,
        /// Number of the answer; 0 when none is wanted.
        #[prost(uint64, tag = "4")] request_id: u64,
    }
    /// What became of a `CancelObject`.
    CancelAnswer {
        /// Number of the request.
        #[prost(uint64, tag = "1")] request_id: u64,
        /// Refused: the object is made by an actor, whose process is not ended for one call.
        #[prost(bool, tag = "2")] actor_forced: bool,
    }
    /// A reference: an object and its owner.
    Reference {
        /// The object.
        #[prost(bytes = "vec", tag = "1")] object_id: Vec<u8>,
        /// The owner's worker id.
        #[prost(bytes = "vec", tag = "2")] owner: Vec<u8>,
    }
    /// Asks the owner of an object for its value; the answer comes when it is there.
    ObjectQuery {
        /// The object.
        #[prost(bytes = "vec", tag = "1")] object_id: Vec<u8>,
    }
    /// The owner's answer to `ObjectQuery`.
    ObjectReply {
        /// The object.
        #[prost(bytes = "vec", tag = "1")] object_id: Vec<u8>,
        /// 0: inline value, 1: stored, 2: encoded error, 3: not known to its owner (freed).
        #[prost(uint32, tag = "2")] form: u32,
        /// The value or error.
        #[prost(bytes = "vec", tag = "3")] value: Vec<u8>,
        /// Where it lies, when stored.
        #[prost(uint64, tag = "4")] segment_id: u64,
        /// Offset in the segment.
        #[prost(uint64, tag = "5")] offset_bytes: u64,
        /// Its length.
        #[prost(uint64, tag = "6")] size_bytes: u64,
        /// References inside the value: the owner keeps them while the object lives.
        #[prost(message, repeated, tag = "7")] contained: Vec<Reference>,
    }
    /// Whoever could not get an object tells its owner. The question for it follows on the same connection.
    ObjectLost {
        /// The object.
        #[prost(bytes = "vec", tag = "1")] object_id: Vec<u8>,
        /// Where it was said to lie: an owner that knows of another place by now changes nothing.
        #[prost(uint64, tag = "2")] segment_id: u64,
        /// Offset in the segment.
        #[prost(uint64, tag = "3")] offset_bytes: u64,
        /// Its length.
        #[prost(uint64, tag = "4")] size_bytes: u64,
        /// Why it cannot be had, for people.
        #[prost(string, tag = "5")] reason: String,
    }
    /// The owner of a lost object asks a borrower for a copy. Answer: `LocationUpdate`.
    CopyQuery {
        /// The object.
        #[prost(bytes = "vec", tag = "1")] object_id: Vec<u8>,
    }
    /// The answer to `CopyQuery`.
    LocationUpdate {
        /// The object.
        #[prost(bytes = "vec", tag = "1")] object_id: Vec<u8>,
        /// Whether the sender has a copy; it keeps it only as long as it borrows the object.
        #[prost(bool, tag = "2")] is_here: bool,
        /// Where the copy lies.
        #[prost(uint64, tag = "3")] segment_id: u64,
        /// Offset in the segment.
        #[prost(uint64, tag = "4")] offset_bytes: u64,
        /// Its length.
        #[prost(uint64, tag = "5")] size_bytes: u64,
    }
    /// OWN-4: the owner's count of lends to `borrower` changes by `lends`: +1 from the lender, minus the returned ones from the borrower.
    /// Frames of one connection arrive in order, and a lender reports before it lets go itself, so the count reaches zero only when nobody
    /// holds the object. `counter` lets a transport that repeats frames drop what was seen.
    BorrowReport {
        /// The object.
        #[prost(bytes = "vec", tag = "1")] object_id: Vec<u8>,
        /// The sender's incarnation, 12 bytes.
        #[prost(bytes = "vec", tag = "2")] incarnation: Vec<u8>,
        /// Counted up by the sender, for each receiver, from 1.
        #[prost(uint64, tag = "3")] counter: u64,
        /// Who borrows.
        #[prost(bytes = "vec", tag = "5")] borrower: Vec<u8>,
        /// The change.
        #[prost(sint64, tag = "7")] lends: i64,
    }
}
