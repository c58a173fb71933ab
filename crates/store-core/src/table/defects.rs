//! Rules that the simulator takes away, to see that it notices. All are off in a program that works.

/// Planted defects of the daemon's view of the store.
#[doc(hidden)]
#[derive(Debug, Clone, Copy, Default)]
#[expect(clippy::struct_excessive_bools, reason = "each is one rule")]
pub struct StoreDefects {
    /// STORE-1: an object may be sealed where another one lies.
    pub overlap_accepted: bool,
    /// STORE-1: an object may be sealed in a segment of another process.
    pub stranger_accepted: bool,
    /// STORE-1: whatever lies at a place is freed, be it the object that was meant or not.
    pub freed_by_place: bool,
    /// STORE-1: a writer that took its space back itself is given it once more.
    pub returned_twice: bool,
    /// STORE-1: a page goes back to the system though an object ends in it.
    pub trimmed_whole: bool,
    /// STORE-2: what a dead process owned goes at once, whoever reads it.
    pub readers_ignored: bool,
    /// STORE-2: who maps a segment is not written down.
    pub reader_forgotten: bool,
    /// STORE-2: the pages of a segment go with it, whoever reads them.
    pub always_erased: bool,
    /// STORE-3: a dead process waits for space.
    pub dead_waits: bool,
    /// STORE-3: memory of a dead process that holds nothing any more stays.
    pub memory_kept: bool,
    /// STORE-3: a dead process stays the writer of its segments.
    pub writer_kept: bool,
    /// STORE-3: a dead process stays a reader.
    pub reader_kept: bool,
    /// STORE-3: what is sealed for a dead owner is kept.
    pub sealed_for_nobody: bool,
    /// STORE-3: what is held for readers stays when the last of them is gone.
    pub held_for_nobody: bool,
    /// STORE-3: what a dead process owned stays in files.
    pub orphans_kept: bool,
    /// STORE-4: nobody looks at who waits when a segment goes back.
    pub return_unnoticed: bool,
    /// STORE-4: nobody looks at who waits when a process dies.
    pub death_unnoticed: bool,
    /// STORE-4: nobody looks at who waits when a segment could not be made.
    pub failure_unnoticed: bool,
    /// STORE-4: nobody looks at who stood behind a request that was refused.
    pub refusal_unnoticed: bool,
    /// STORE-4: nobody looks at who waits when nothing has to be kept free for reading any more.
    pub reading_unnoticed: bool,
    /// STORE-4: a request waits for ever.
    pub never_refused: bool,
    /// STORE-4: a full store is an error.
    pub full_is_error: bool,
    /// SPILL-STORE-1: what a file has of an object goes when its memory is given back.
    pub part_ended_early: bool,
    /// SPILL-STORE-1: what could not be written counts as written.
    pub failure_is_success: bool,
    /// SPILL-STORE-2: memory is taken from what somebody looks at.
    pub lookers_ignored: bool,
    /// SPILL-STORE-2: memory is taken before everyone has said what he looks at.
    pub word_not_awaited: bool,
    /// SPILL-STORE-2: memory that is being written into a file is given back.
    pub write_not_awaited: bool,
    /// SPILL-STORE-2: memory is taken from what is being sent to another node.
    pub sent_taken: bool,
    /// SPILL-STORE-3: what a file has of a freed object counts as needed.
    pub part_kept: bool,
    /// SPILL-STORE-3: a file of which nothing is needed stays.
    pub empty_file_kept: bool,
    /// SPILL-STORE-4: more is written than the quota allows.
    pub quota_ignored: bool,
    /// SPILL-STORE-4: files that are being written do not count.
    pub writes_uncounted: bool,
    /// SPILL-STORE-5: nothing is written anew.
    pub waste_kept: bool,
}
