//! Messages between two nodes over connections that break at any byte: `Outflow` of the one that speaks, `Sessions` of the one that hears.
//!
//! - **CARRY-1** every message of a session arrives once, in order, or the whole session is given up.
//! - **CARRY-2** what is given up is told: to who said it, and to who had heard the beginning of the session.

mod command;
mod planted;
mod world;

#[cfg(test)]
mod tests;

pub use command::{find, run_many};
pub use planted::{Counts, DEFECTS, Planted, PlantedInLink};
pub use world::run;
