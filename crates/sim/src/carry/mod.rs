//! Messages between two nodes over connections that break at any byte: `Outflow` of the one that speaks, `Sessions` of the one that hears.
//!
//! - **CARRY-1** every message of a session arrives once, in order, or the whole session is given up.
//! - **CARRY-2** what is given up is told: to who said it, and to who had heard the beginning of the session.

mod planted;
mod world;

#[cfg(test)]
mod tests;

pub use planted::{Counts, DEFECTS, PlantedInLink, find, run_many};

/// One run of a seed: the counts, or what was broken and when.
///
/// # Errors
/// A sentence that names the law.
pub fn run(seed: u64, planted: PlantedInLink) -> Result<Counts, String> {
    world::World::new(seed, planted).run()
}
