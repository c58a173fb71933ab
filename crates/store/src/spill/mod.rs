//! Objects in files: threads that write, read and delete them, and the folders that they lie in. What goes into a file and when is decided in
//! `store_core::table::spilling`; the daemon's loop never waits for a disk.
//!
//! A file is written under another name and renamed when it is complete. It need not outlive the session, so nothing is flushed to the disk.
//! Each block's checksum stays in memory: a file that was changed or cut is found out when it is read.
//!
//! The threads (`kinds`) begin with the first write.

mod catalogue;
mod disk_failure;
mod events;
mod folder;
mod kinds;
mod leftovers;
mod options;
mod queue;
mod read;
mod spiller;
mod storage;
mod write;

pub(crate) use catalogue::SpilledBytes;
pub(crate) use disk_failure::DiskFailure;
pub(crate) use events::{SpillEvent, SpillEvents};
pub use leftovers::remove_leftovers;
pub use options::SpillOptions;
pub(crate) use read::Restore;
pub(crate) use spiller::Spiller;
pub use storage::{Incoming, Storage, Stored};
pub(crate) use write::{PartBytes, WriteJob};

/// What has one checksum, and is read at once: as long as what is sent at once (`transfer::frames`).
pub(crate) const BLOCK_BYTES: u64 = 1 << 20;
