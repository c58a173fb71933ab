//! Objects in memory, in files and on their way between nodes: the store's real deciding code in four small worlds.
//!
//! - `store` and `spill`: the memory of one node, without files and with them (STORE-1 to 4, SPILL-STORE-1 to 5).
//! - `pulls`: what a node fetches, from whom and for whom (PULL-1 to 5).
//! - `spread`: one object on its way to many nodes, each with the tables of a real one (PULL-6 to 8).

mod command;
mod memory;
mod planted;
mod pulls;
mod rules;
mod spread;
mod workloads;

#[cfg(test)]
mod tests;

pub use command::{find_defects, run_many, run_one};
pub use planted::{Counts, Planted};
pub use rules::{DEFECTS, PlantedRule};
pub use workloads::{WORKLOADS, Workload, workload};
