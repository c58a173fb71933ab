//! One node in a world that asks for anything in any order: leases of tasks and actors, in several environments, with parts of devices, in
//! placement groups; workers that wait, end, say things twice; jobs that come and go.
//!
//! Checked besides what the node checks itself: a worker has one lease at a time and runs in the environment of its lease (LEASE-1, ENV-1), a
//! group has all its bundles (GROUP-1), and leases go to whom they are due (QUEUE-1). When everything has ended nothing is held.

mod chance;
mod order;
mod world;

use trygon_node_core::NodeDefects;

/// One run of a seed: the number of events.
///
/// # Errors
/// A sentence that names the law.
pub(super) fn run(seed: u64, defects: NodeDefects) -> Result<u64, String> {
    let mut world = world::World::new(seed, defects);
    for _ in 0..300 {
        world.one_event()?;
    }
    world.end()?;
    Ok(world.events)
}
