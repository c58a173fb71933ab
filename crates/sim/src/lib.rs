//! A seeded simulation of one node: several owners, their workers and actors, the daemon's brains, and links that delay.
//!
//! The brains are the real ones, stepped one event at a time; sockets, processes, time and chance are simulated. After every event the
//! brains check themselves, every value is compared with a plain computation of the same program, and at the end nothing may be left. A
//! seed reproduces a run exactly.
//!
//! Clusters, the control service (`control`), its disk (`crashes`), links (`carry`), single brains (`brains`) and the store (`storage`) have
//! worlds of their own.
#![forbid(unsafe_code)]

pub mod brains;
mod budget;
mod cancel;
pub mod carry;
mod checks;
pub mod control;
mod crashes;
mod daemon;
mod daemon_state;
mod defects;
mod encoded;
mod environments;
mod execute;
mod far;
mod fault;
mod faults;
mod finish;
mod groups;
mod leaving;
mod losses;
mod machines;
mod memory;
mod message;
pub mod partitions;
mod perform;
mod plain;
mod planted;
mod process;
mod random;
mod receive;
mod run;
pub mod scale;
mod script;
pub mod storage;
mod streams;
mod workload;
mod world;

#[cfg(test)]
mod tests;

pub use crashes::{Crashes, PlantedInDisk, crashes, find_in_disk};
pub use defects::{DEFECTS, Defects, Planted};
pub use planted::OWNER_DEFECTS;
pub use run::{Outcome, run};
pub use workload::{WORKLOADS, Workload, workload};
pub use world::Counts;
