//! The small worlds by name.

use crate::storage::memory;
use crate::storage::planted::{Counts, Planted};
use crate::storage::pulls;
use crate::storage::spread;

/// A small world.
#[derive(Debug, Clone, Copy)]
pub struct Workload {
    /// Its name.
    pub name: &'static str,
    /// Runs a seed: the counts, or what is broken.
    pub run: fn(u64, Planted) -> Result<Counts, String>,
}

/// All of them.
pub const WORKLOADS: &[Workload] = &[
    Workload { name: "store", run: memory::run_store },
    Workload { name: "spill", run: memory::run_spill },
    Workload { name: "pulls", run: pulls::run },
    Workload { name: "spread", run: spread::run },
];

/// The workload of a name.
pub fn workload(name: &str) -> Option<&'static Workload> {
    WORKLOADS.iter().find(|workload| workload.name == name)
}
