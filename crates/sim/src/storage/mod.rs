//! Objects in memory, in files and on their way between nodes: the store's real deciding code in four small worlds.
//!
//! - `store` and `spill`: the memory of one node, without files and with them (STORE-1 to 4, SPILL-STORE-1 to 5).
//! - `pulls`: what a node fetches, from whom and for whom (PULL-1 to 5).
//! - `spread`: one object on its way to many nodes, each with the tables of a real one (PULL-6 to 8).

mod command;
mod memory;
mod planted;
mod pulls;
mod spread;

#[cfg(test)]
mod tests;

pub use command::{find_defects, run_many, run_one};
pub use planted::{DEFECTS, PlantedRule};

use trygon_store_core::{ChunkDefects, PullDefects, ServeDefects, StoreDefects};

/// What is planted in a run.
#[derive(Debug, Clone, Copy, Default)]
pub struct Planted {
    /// In the daemon's view of the store.
    pub store: StoreDefects,
    /// Writers leave out the last, begun line of an object (STORE-1).
    pub cuts_lines: bool,
    /// In what is fetched.
    pub pulls: PullDefects,
    /// In the parts of a copy.
    pub chunks: ChunkDefects,
    /// In who is sent to whom.
    pub serve: ServeDefects,
}

/// What a run was.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Things that happened.
    pub events: u64,
    /// Objects that were written, or wanted from elsewhere.
    pub objects: u64,
    /// Objects that went into files.
    pub spilled: u64,
    /// Files that were written.
    pub files: u64,
    /// Objects that were found in files.
    pub restored: u64,
    /// Requests that were refused.
    pub refused: u64,
    /// Fetches that were begun.
    pub fetches: u64,
    /// Copies that were completed.
    pub copies: u64,
}

impl Counts {
    /// Adds another run's.
    pub fn add(&mut self, other: &Self) {
        self.events += other.events;
        self.objects += other.objects;
        self.spilled += other.spilled;
        self.files += other.files;
        self.restored += other.restored;
        self.refused += other.refused;
        self.fetches += other.fetches;
        self.copies += other.copies;
    }
}

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
