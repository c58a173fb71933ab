//! One file for each subject, and `env` that checks the laws after every event.

mod actors;
mod blocking;
pub(crate) mod env;
mod environments;
mod fairness;
mod groups;
mod leases;
mod memory;
mod net;
mod random;
mod share_nodes;
mod share_time;
mod shares;
mod spill;
mod spill_random;
mod two_phase;
mod workers;
