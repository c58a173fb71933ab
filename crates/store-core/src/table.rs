//! The daemon's view of the store: every segment, whose it is, which sealed objects lie in it, and who waits for space.

mod dead_workers;
mod invariants;
mod on_object;
mod on_segment;
mod on_worker_died;
mod sizing;
mod spilling;
mod state;

pub use spilling::{FilePart, Look, PartSource, SpillLimits, WritePart};
pub use state::{Effect, ObjectLocation, RefuseCause, Reject, StoreLimits, StoreStats, StoreTable, node_of};

#[cfg(test)]
mod tests;
