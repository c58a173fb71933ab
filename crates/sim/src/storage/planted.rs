//! What is planted in a run, and what it counts.

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
