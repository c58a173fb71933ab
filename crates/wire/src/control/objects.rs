//! Shared memory, state, key-value, events, logs, the zygote.

use crate::messages::messages;

messages! {
    /// Asks for a segment to write objects into. Answer: `SegmentGranted` or `SegmentRefused`.
    SegmentRequest {
        /// Chosen by the asker.
        #[prost(uint64, tag = "1")] request_id: u64,
        /// Least size in bytes.
        #[prost(uint64, tag = "2")] size_bytes: u64,
    }
    /// A segment with populated pages; a writable descriptor lies beside it.
    SegmentGranted {
        /// The request.
        #[prost(uint64, tag = "1")] request_id: u64,
        /// The segment.
        #[prost(uint64, tag = "2")] segment_id: u64,
        /// Its size.
        #[prost(uint64, tag = "3")] size_bytes: u64,
    }
    /// The store is full and stayed full.
    SegmentRefused {
        /// The request.
        #[prost(uint64, tag = "1")] request_id: u64,
        /// Capacity of the store.
        #[prost(uint64, tag = "2")] capacity_bytes: u64,
        /// Bytes in segments.
        #[prost(uint64, tag = "3")] used_bytes: u64,
        /// For people.
        #[prost(string, tag = "4")] message: String,
        /// The disk that objects are written to is full.
        #[prost(bool, tag = "5")] disk_full: bool,
    }
    /// Somebody waits for memory: give empty segments back at once, not only when they have been idle, and copies that nobody looks at.
    ReturnSegments {
        /// How long this holds, in milliseconds.
        #[prost(uint32, tag = "1")] for_ms: u32,
    }
    /// Asks for a read-only descriptor of a segment. Answer: `SegmentMapped`.
    SegmentMap {
        /// The segment.
        #[prost(uint64, tag = "1")] segment_id: u64,
    }
    /// A read-only descriptor lies beside it when `size_bytes` is not 0; else the segment is gone.
    SegmentMapped {
        /// The segment.
        #[prost(uint64, tag = "1")] segment_id: u64,
        /// Its size.
        #[prost(uint64, tag = "2")] size_bytes: u64,
        /// As if `WatchSegment` had come.
        #[prost(bool, tag = "3")] watched: bool,
    }
    /// From now on the process asks with `ObjectPull` before it looks at an object of the segment, and never takes space back itself. Answer:
    /// `SegmentWatched`.
    WatchSegment {
        /// The segment.
        #[prost(uint64, tag = "1")] segment_id: u64,
    }
    /// What the process looks at in the segment at this moment.
    SegmentWatched {
        /// The segment.
        #[prost(uint64, tag = "1")] segment_id: u64,
        /// Where the objects begin.
        #[prost(uint64, repeated, tag = "2")] offsets: Vec<u64>,
    }
    /// The process looks no more at an object that it named in `SegmentWatched`.
    LookEnded {
        /// The segment.
        #[prost(uint64, tag = "1")] segment_id: u64,
        /// Where the object begins.
        #[prost(uint64, tag = "2")] offset_bytes: u64,
    }
    /// How objects are written to files when memory is full.
    SpillConfig {
        /// They are not.
        #[prost(bool, tag = "1")] is_off: bool,
        /// Folders, or `s3://` addresses; none for the usual place.
        #[prost(string, repeated, tag = "2")] directories: Vec<String>,
        /// Share of the store above which they are written ahead; 0 for the usual one.
        #[prost(double, tag = "3")] threshold: f64,
        /// Bytes that go into one file; 0 for the usual number.
        #[prost(uint64, tag = "4")] file_bytes: u64,
        /// Objects that go into one file at most; 0 for the usual number.
        #[prost(uint64, tag = "5")] file_objects: u64,
        /// Bytes that all files may take; 0 for no limit but the disk's.
        #[prost(uint64, tag = "6")] quota_bytes: u64,
        /// Share of a disk that may be in use, by whomever; 0 for the usual one.
        #[prost(double, tag = "7")] disk_share: f64,
    }
    /// The writer needs an empty segment no more.
    SegmentReturn {
        /// The segment.
        #[prost(uint64, tag = "1")] segment_id: u64,
    }
    /// An object was written and will not change (STORE-1).
    ObjectSealed {
        /// The object.
        #[prost(bytes = "vec", tag = "1")] object_id: Vec<u8>,
        /// Where it lies.
        #[prost(uint64, tag = "2")] segment_id: u64,
        /// Offset in the segment.
        #[prost(uint64, tag = "3")] offset_bytes: u64,
        /// Its length.
        #[prost(uint64, tag = "4")] size_bytes: u64,
        /// Its owner.
        #[prost(bytes = "vec", tag = "5")] owner: Vec<u8>,
    }
    /// The owner says: nobody refers to the object any more.
    ObjectFree {
        /// The object.
        #[prost(bytes = "vec", tag = "1")] object_id: Vec<u8>,
        /// Where it lies.
        #[prost(uint64, tag = "2")] segment_id: u64,
        /// Offset in the segment.
        #[prost(uint64, tag = "3")] offset_bytes: u64,
        /// Its length.
        #[prost(uint64, tag = "4")] size_bytes: u64,
        /// The owner was the writer and has taken the space back itself.
        #[prost(bool, tag = "5")] reclaimed: bool,
    }
    /// To the writer of a segment: this range is free again.
    Reclaim {
        /// The segment.
        #[prost(uint64, tag = "1")] segment_id: u64,
        /// Offset in the segment.
        #[prost(uint64, tag = "2")] offset_bytes: u64,
        /// Its length.
        #[prost(uint64, tag = "3")] size_bytes: u64,
    }
    /// Asks for an object that lies on another node, in a file, or in a watched segment. Answer: `ObjectPulled`; until `ReplicaRelease` the
    /// asker holds what it got.
    ObjectPull {
        /// The object.
        #[prost(bytes = "vec", tag = "1")] object_id: Vec<u8>,
        /// Where it lies; the segment's number says on which node.
        #[prost(uint64, tag = "2")] segment_id: u64,
        /// Offset in the segment.
        #[prost(uint64, tag = "3")] offset_bytes: u64,
        /// Its length.
        #[prost(uint64, tag = "4")] size_bytes: u64,
        /// 0: `get` waits for it; 1: `wait` does; 2: the arguments of a task that has not begun.
        #[prost(uint32, tag = "5")] priority: u32,
        /// Chosen by the asker, another one after each `ReplicaRelease`: an answer to what was released must not be taken for a later one.
        #[prost(uint64, tag = "6")] number: u64,
    }
    /// Where the copy lies on this node, or why there is none.
    ObjectPulled {
        /// The object.
        #[prost(bytes = "vec", tag = "1")] object_id: Vec<u8>,
        /// Its segment here.
        #[prost(uint64, tag = "2")] segment_id: u64,
        /// Offset in the segment.
        #[prost(uint64, tag = "3")] offset_bytes: u64,
        /// Its length.
        #[prost(uint64, tag = "4")] size_bytes: u64,
        /// Empty, `lost`, `node_died`, `timed_out`, `store_full`, `disk_full` or `not_allowed`.
        #[prost(string, tag = "5")] error: String,
        /// For people, beside an error.
        #[prost(string, tag = "6")] message: String,
        /// That of the last `ObjectPull` of the object.
        #[prost(uint64, tag = "7")] number: u64,
    }
    /// To every process: a node died. What lay there is lost.
    NodeLost {
        /// Its number: the upper bits of its segments' numbers.
        #[prost(uint32, tag = "1")] node_number: u32,
        /// Which node, and why it is dead, for people.
        #[prost(string, tag = "2")] message: String,
    }
    /// To every process, now and then while it is so: a node takes no new work and may go. What lies there and is owned here is moved.
    NodeDrains {
        /// Its number: the upper bits of its segments' numbers.
        #[prost(uint32, tag = "1")] node_number: u32,
    }
    /// The sender of an `ObjectPull` needs the copy no more, whether it has it or still waits for it.
    ReplicaRelease {
        /// The object.
        #[prost(bytes = "vec", tag = "1")] object_id: Vec<u8>,
    }
    /// Asks about the node: `nodes`, `cluster_resources`, `available_resources`, `named_actors`, `task_events`, `actors`, `workers`, `store`,
    /// `leases`. Answer: `StateReply`.
    StateQuery {
        /// Chosen by the asker.
        #[prost(uint64, tag = "1")] request_id: u64,
        /// What.
        #[prost(string, tag = "2")] what: String,
        /// Narrows the question; its meaning depends on `what`.
        #[prost(string, tag = "3")] argument: String,
    }
    /// The answer.
    StateReply {
        /// The request.
        #[prost(uint64, tag = "1")] request_id: u64,
        /// JSON.
        #[prost(string, tag = "2")] json: String,
        /// Why there is none, or empty.
        #[prost(string, tag = "3")] error: String,
    }
    /// Key-value calls: `get`, `put`, `delete`, `list` (keys with the prefix `key`), `exists`. Answer: `KeyValueReply`.
    KeyValueRequest {
        /// Chosen by the asker.
        #[prost(uint64, tag = "1")] request_id: u64,
        /// The call.
        #[prost(string, tag = "2")] operation: String,
        /// Namespace of the key.
        #[prost(string, tag = "3")] namespace: String,
        /// The key.
        #[prost(bytes = "vec", tag = "4")] key: Vec<u8>,
        /// The value, for `put`.
        #[prost(bytes = "vec", tag = "5")] value: Vec<u8>,
        /// Whether `put` replaces.
        #[prost(bool, tag = "6")] overwrite: bool,
    }
    /// The answer.
    KeyValueReply {
        /// The request.
        #[prost(uint64, tag = "1")] request_id: u64,
        /// Whether the key was there before.
        #[prost(bool, tag = "2")] existed: bool,
        /// Its value, for `get`.
        #[prost(bytes = "vec", tag = "3")] value: Vec<u8>,
        /// Keys, for `list`.
        #[prost(bytes = "vec", repeated, tag = "4")] keys: Vec<Vec<u8>>,
        /// Why nothing was changed: the head's disk is full. Or empty.
        #[prost(string, tag = "5")] out_of_disk: String,
    }
    /// What happened to a task, for the bounded record.
    TaskEvent {
        /// The task.
        #[prost(bytes = "vec", tag = "1")] task_id: Vec<u8>,
        /// Its function.
        #[prost(string, tag = "2")] name: String,
        /// `FINISHED`, `FAILED`, `RETRIED`.
        #[prost(string, tag = "3")] state: String,
        /// Its attempt.
        #[prost(uint32, tag = "4")] attempt: u32,
        /// When, in microseconds since the epoch.
        #[prost(uint64, tag = "5")] time_us: u64,
        /// How long it ran, in microseconds.
        #[prost(uint64, tag = "6")] duration_us: u64,
        /// The worker that ran it.
        #[prost(bytes = "vec", tag = "7")] worker_id: Vec<u8>,
        /// The error, or empty.
        #[prost(string, tag = "8")] error: String,
    }
    /// A batch of events.
    TaskEvents {
        /// The events, oldest first.
        #[prost(message, repeated, tag = "1")] events: Vec<TaskEvent>,
        /// Events that were dropped because there were too many.
        #[prost(uint64, tag = "2")] dropped: u64,
    }
    /// The worker is about to exit on purpose.
    WorkerExiting {
        /// `user_exit` (`sys.exit`, `exit_actor`), `max_calls`, `idle`, `out_of_scope`, `environment` (its set-up hook failed).
        #[prost(string, tag = "1")] kind: String,
        /// One sentence for people.
        #[prost(string, tag = "2")] message: String,
        /// The code it exits with.
        #[prost(int32, tag = "3")] exit_code: i32,
    }
    /// The driver leaves: end everything of its job.
    Shutdown {}
    /// Lines that a worker printed.
    LogLines {
        /// The worker's process id.
        #[prost(uint32, tag = "1")] pid: u32,
        /// What ran.
        #[prost(string, tag = "2")] name: String,
        /// Whether it was the error stream.
        #[prost(bool, tag = "3")] is_stderr: bool,
        /// The lines, without their ends.
        #[prost(string, repeated, tag = "4")] lines: Vec<String>,
        /// Lines that were dropped because too many came.
        #[prost(uint64, tag = "5")] dropped: u64,
    }
    /// To a worker: exit now.
    ExitWorker {
        /// Why.
        #[prost(string, tag = "1")] reason: String,
        /// Finish what was received first (the last handle of an actor is gone).
        #[prost(bool, tag = "2")] drain: bool,
    }
    /// To the zygote: fork a worker. Descriptors beside it: its control socket, its standard output, its standard error.
    ForkWorker {
        /// Chosen by the daemon.
        #[prost(uint64, tag = "1")] number: u64,
    }
    /// The zygote is warm.
    ZygoteReady {
        /// Its process id.
        #[prost(uint32, tag = "1")] pid: u32,
    }
    /// A worker was forked.
    WorkerForked {
        /// The daemon's number.
        #[prost(uint64, tag = "1")] number: u64,
        /// The worker's process id.
        #[prost(uint32, tag = "2")] pid: u32,
    }
}
