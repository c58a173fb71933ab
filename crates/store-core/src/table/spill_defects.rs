//! Rules that a test takes away, to see that the random test notices. All are off in a program that works.

/// Planted defects.
#[derive(Debug, Clone, Copy, Default)]
#[expect(clippy::struct_excessive_bools, reason = "each is one rule")]
pub(crate) struct SpillDefects {
    /// SPILL-STORE-1: what a file has of an object goes when its memory is given back.
    pub(crate) part_ended_early: bool,
    /// SPILL-STORE-2: memory is taken from what somebody looks at.
    pub(crate) lookers_ignored: bool,
    /// SPILL-STORE-2: memory is taken before everyone has said what he looks at.
    pub(crate) word_not_awaited: bool,
    /// SPILL-STORE-2: memory that is being written into a file is given back.
    pub(crate) write_not_awaited: bool,
    /// SPILL-STORE-3: what a file has of a freed object counts as needed.
    pub(crate) part_kept: bool,
    /// SPILL-STORE-4: more is written than the quota allows.
    pub(crate) quota_ignored: bool,
    /// SPILL-STORE-5: nothing is written anew.
    pub(crate) waste_kept: bool,
    /// STORE-3: what a dead process owned stays in files.
    pub(crate) orphans_kept: bool,
}
