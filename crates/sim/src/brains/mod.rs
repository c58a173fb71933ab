//! Single brains in random worlds of their own: what one node decides, how long it has requests wait, and where things are placed.
//!
//! Each world watches what its brain decides and holds it against the laws; after every event the brain checks itself too.

mod node;
mod patience;
mod placing;
mod planted;

#[cfg(test)]
mod tests;

pub use planted::{DEFECTS, PlantedInBrain, find_defects};

/// A world: its name, and one run of a seed, which gives the number of events or what was broken.
pub type Brain = (&'static str, fn(u64) -> Result<u64, String>);

/// All of them.
pub const BRAINS: &[Brain] = &[
    ("node", |seed| node::run(seed, trygon_node_core::NodeDefects::default())),
    ("patience", |seed| patience::run(seed, trygon_node_core::NodeDefects::default())),
    ("placing", |seed| placing::run(seed, trygon_placement::ViewDefects::default())),
];

/// Runs seeds of one of them, or of all. False when one failed, or nothing has this name.
pub fn run_many(name: Option<&str>, first: u64, seeds: u64) -> bool {
    let chosen = BRAINS.iter().filter(|(other, _)| name.is_none_or(|name| name == *other));
    let mut failed = 0;
    for (name, run) in chosen {
        let mut events = 0;
        for seed in first..first + seeds {
            match run(seed) {
                Ok(count) => events += count,
                Err(failure) => {
                    failed += 1;
                    println!("seed {seed}, {name}: {failure}");
                }
            }
        }
        println!("{seeds} seeds of {name}, {events} events, {failed} failed");
    }
    failed == 0
}
