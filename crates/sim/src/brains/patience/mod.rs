//! FAIR-1: a node whose owners have endless small tasks, and a few requests that need most of it.
//!
//! Owners keep their leases as long as nobody asks for them, as real ones do while they have tasks. Some tasks wait for tasks of their own.
//! Whatever the others do, a large request is met within a few seconds.

mod world;

use trygon_node_core::NodeDefects;

/// One run of a seed: the number of events.
///
/// # Errors
/// A sentence that names the law.
pub(super) fn run(seed: u64, defects: NodeDefects) -> Result<u64, String> {
    world::World::new(seed, defects).run()
}
