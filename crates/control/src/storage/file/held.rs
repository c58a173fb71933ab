//! What is known of a folder that this process holds.

use crate::storage::file::blobs::Blobs;
use crate::storage::file::folder::Holder;
use crate::storage::file::open_journal::OpenJournal;

/// What is known of the folder while it is held.
#[derive(Debug)]
pub(super) struct Held {
    pub(super) holder: Holder,
    pub(super) journal: OpenJournal,
    /// The last event in the folder.
    pub(super) last_index: u64,
    /// What the newest snapshot holds, and the one before it; 0 for the beginning, which needs none.
    pub(super) snapshots: [u64; 2],
    pub(super) blobs: Blobs,
}
