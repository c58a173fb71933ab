//! Decides about the object store's memory: which bytes of a segment an object gets (in the writing process), and which segments there are,
//! whose they are and when they go (in the daemon), and which objects of other nodes are fetched (`pulls`). Pure: no clock, no descriptor,
//! no message.
//!
//! Invariants, checked by `sanity_check` after each step of the tests and of the simulator, which has a planted defect for each of them:
//!
//! - **STORE-1** A sealed object never changes: its range is not given out again before its owner freed it.
//! - **STORE-2** Pinned memory is never reused: a range whose owner died, so that nobody can tell who still reads it, goes back to its
//!   writer only when no other living process has the segment mapped; and what a reader may still see is not erased.
//! - **STORE-3** A crash of any client frees what it held: what it wrote and did not seal, what it owned, what it had asked for.
//!   Objects that it wrote for a living owner stay until that owner frees them.
//! - **STORE-4** A full store is not an error: a request waits for space, for a bounded time, and is then refused with the numbers.
#![forbid(unsafe_code)]

mod pulls;
mod range_allocator;
mod table;
mod writer_pool;

pub use pulls::{
    CHUNK_BYTES, ChunkDefects, Chunks, Decision, FetchEnd, FetchOutcome, Outlook, Priority, PullDefects, PullEffect,
    PullFailure, PullLimits, PullRequest, PullStats, PullTable, SPAN_BYTES, ServeDefects, ServeTable, Source,
};
pub use range_allocator::{ALIGNMENT_BYTES, RangeAllocator};
pub use table::{
    Effect, FilePart, Look, ObjectLocation, ObjectView, PartSource, RefuseCause, Reject, SpillLimits, StoreDefects,
    StoreLimits, StoreStats, StoreTable, WritePart, node_of,
};
pub use writer_pool::{PoolStats, Reserved, WriterPool};
