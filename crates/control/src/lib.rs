//! The control service as a process: what it keeps, and how it is spoken with.
//!
//! What it decides is elsewhere; here stand the journal of its events, the places where the journal is kept, and the streams of
//! the nodes. Its laws:
//! - **JOURNAL-1** an event is on disk before any effect of it leaves the process.
//! - **JOURNAL-2** what is loaded after any end is exactly a prefix of what was appended, and holds all that was acknowledged.
//! - **JOURNAL-3** an append that fails changes nothing, and may be tried again.
#![forbid(unsafe_code)]

pub mod journal;
mod machine;
pub mod storage;

pub use machine::Machine;
