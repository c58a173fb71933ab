//! Rules that a test takes away, to see that the simulator notices. All are off in a program that works.

/// Planted defects.
#[doc(hidden)]
#[derive(Debug, Clone, Copy, Default)]
pub struct ViewDefects {
    /// VIEW-1: what was asked of a node is forgotten with its next report.
    pub asks_forgotten: bool,
    /// VIEW-1: what a node granted counts as free until it says otherwise.
    pub grants_free: bool,
    /// VIEW-2: a node that begins to drain is picked as before.
    pub drains_ignored: bool,
    /// VIEW-2: who is not named in a whole view stays in it.
    pub absent_kept: bool,
    /// PACK-1: bundles that go on one node are looked at one by one.
    pub sums_ignored: bool,
    /// PACK-1: STRICT_SPREAD puts a bundle where the group has one already.
    pub others_ignored: bool,
    /// PACK-1: a bundle that goes elsewhere leaves what it took.
    pub room_lost: bool,
}
