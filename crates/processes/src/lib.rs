//! The processes below this one: how much memory they use, and how all of them are ended, however they hide from their group.
#![forbid(unsafe_code)]

#[cfg(fuzzing)]
pub mod fuzz;
mod memory;
mod tree;

pub use memory::{
    CgroupV1, CgroupV2, GroupsOrSampling, MachineMemory, Measured, MemoryAccounting, MemoryUse, Sampling, kernel_kills,
};
pub use tree::{
    below, children, descendants, end_descendants, end_marked, environment, is_stopped, kill_descendants, variable,
};
