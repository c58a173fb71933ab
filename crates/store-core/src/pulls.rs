//! Objects of other nodes: what is fetched, in which order and from where, who holds the copy, and who serves whom.
//!
//! - **PULL-1** One transfer for many: an object is fetched at most once at a time, and everyone who asked gets the same copy.
//! - **PULL-2** What runs stays within the budget, in the order `get`, `wait`, arguments of tasks; one transfer always runs.
//! - **PULL-3** Everyone who asked is answered once: with a copy, or with an error when no source is left.
//! - **PULL-4** Memory that a transfer may still write to is not given back: it goes when the transfer has said that it ended.
//! - **PULL-5** A copy lives while a process that got it, or a transfer to another node, uses it; then it goes at once.
//!
//! PULL-6 and PULL-7, of copies that are sent on before they are complete, stand in `chunks`; PULL-8, of who is sent to whom, in `serve`.

mod admission;
mod chunks;
mod defects;
mod invariants;
mod on_fetched;
mod on_pull;
mod serve;
mod state;

pub use chunks::{CHUNK_BYTES, Chunks, Outlook, SPAN_BYTES};
pub use defects::{ChunkDefects, PullDefects, ServeDefects};
pub use serve::{Decision, ServeTable};
pub use state::{
    FetchEnd, FetchOutcome, Priority, PullEffect, PullFailure, PullLimits, PullRequest, PullStats, PullTable, Source,
};

#[cfg(test)]
mod tests;
