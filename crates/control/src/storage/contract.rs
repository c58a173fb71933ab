//! What every place that keeps the journal must do.

use crate::storage::{Digest, Large, Record, StorageError};

/// The state after every event up to one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Snapshot {
    /// The last event that the state holds.
    pub through: u64,
    /// The state, opaque here.
    pub state: Vec<u8>,
    /// The large values that it names by their digests.
    pub large: Vec<(Digest, Vec<u8>)>,
}

/// Records that were left out because they were damaged, and the ones behind them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cut {
    /// The first record that is gone.
    pub first_index: u64,
    /// How many entries were dropped.
    pub dropped: u64,
    /// Where that was and how much, for people.
    pub detail: String,
}

/// Everything that a place holds.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Loaded {
    /// The newest snapshot.
    pub snapshot: Option<Snapshot>,
    /// The records behind it, in order and without a gap.
    pub records: Vec<Record>,
    /// What had to be left out.
    pub cut: Option<Cut>,
    /// What people should know of this place, a sentence each.
    pub warnings: Vec<String>,
}

/// A place that keeps events and snapshots of one cluster.
///
/// The contract, which one suite of tests holds every implementation to:
///
/// 1. When `append` answers `Ok`, all its records survive the end of this process and, as far as the place promises it, of the
///    machine. They come as a whole: after a crash inside `append` either all of them are loaded or none.
/// 2. When `append` fails, nothing of it is loaded later, unless the same index is appended again: an append replaces whatever
///    an earlier one of unknown outcome left from its first index on.
/// 3. `snapshot` replaces the old snapshot and forgets the records up to `through`, as a whole. When it fails, the old snapshot
///    and all records are still there.
/// 4. `load` answers what 1 to 3 promise. A record that is damaged is cut off when nothing sound lies behind it, because then it
///    can be an append that was never acknowledged; else loading fails with [`StorageError::Corrupt`], because then
///    acknowledged events would be lost silently.
/// 5. One process holds the place at a time: from the moment that a second one has loaded it, either the second is refused
///    ([`StorageError::InUse`]) or all writes of the first are ([`StorageError::Superseded`]).
/// 6. Errors that [`StorageError::is_temporary`] calls so leave the value usable: the next call may succeed.
///
/// Calls block; the journal's thread makes them.
pub trait Storage: Send {
    /// What and where it is, for people; without any secret.
    fn place(&self) -> String;

    /// Reads everything; called once, before anything else.
    ///
    /// # Errors
    /// When the place cannot be read, is held by another process or is damaged in the middle.
    fn load(&mut self) -> Result<Loaded, StorageError>;

    /// Keeps these records, whose indices follow one another; on return they are durable.
    ///
    /// # Errors
    /// When they cannot be kept; none of them is then.
    fn append(&mut self, records: &[Record]) -> Result<(), StorageError>;

    /// Keeps this state instead of all records up to `through`. Large values that the state names by their digests are given beside it.
    ///
    /// # Errors
    /// When it cannot be kept; nothing is forgotten then.
    fn snapshot(&mut self, through: u64, state: &[u8], large: &[Large<'_>]) -> Result<(), StorageError>;
}
