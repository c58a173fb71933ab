//! The daemon's view of the store: every segment, whose it is, which sealed objects lie in it, and who waits for space.

mod dead_workers;
mod defects;
mod invariants;
mod location;
mod on_object;
mod on_segment;
mod on_worker_died;
mod sizing;
mod spill_state;
mod spilling;
mod state;
mod views;

pub use defects::StoreDefects;
pub use location::{ObjectLocation, node_of};
pub use spill_state::{FilePart, Look, PartSource, SpillLimits, WritePart};
pub use state::{Effect, RefuseCause, Reject, StoreLimits, StoreStats, StoreTable};
pub use views::ObjectView;

#[cfg(test)]
mod tests;
