//! Rules that a test takes away, to see that the simulator notices. All are off in a program that works.

/// Planted defects.
#[doc(hidden)]
#[derive(Debug, Clone, Copy, Default)]
pub struct NodeDefects {
    /// MEM-1: a limit stays when its lease has ended.
    pub limits_kept: bool,
    /// MEM-2: another worker is ended while one is being ended.
    pub many_victims: bool,
    /// MEM-3: workers without a lease are ended for memory.
    pub idle_victims: bool,
    /// LEASE-2: a worker is not told free of a lease that ended.
    pub ended_held: bool,
    /// LEASE-3: what runs for a dead owner runs on.
    pub orphans_kept: bool,
    /// LEASE-4: what was cancelled is granted.
    pub cancel_ignored: bool,
    /// LEDGER-1: what a lease held does not come back.
    pub held_kept: bool,
    /// GROUP-2: what runs in a group that was removed runs on, and holds what it held of it.
    pub group_outlived: bool,
    /// GROUP-3: bundles go back with any attempt.
    pub attempt_ignored: bool,
    /// POOL-1: an idle worker is listed twice.
    pub idle_twice: bool,
    /// SPILL-1: a grant of another node leaves the request as large as it was.
    pub asks_more: bool,
    /// SPILL-2: a lease of another node that nobody wants is kept.
    pub unwanted_kept: bool,
    /// SPILL-4: what another node declined counts as taken there.
    pub declined_taken: bool,
    /// SPILL-5: leases elsewhere of an owner that is dead are kept.
    pub gone_kept: bool,
    /// SPILL-3: what another node asked and does not fit is not declined.
    pub rest_kept: bool,
    /// LEASE-1: a worker with a lease is not noted as having one.
    pub lease_unnoted: bool,
    /// LEASE-1: a worker that says again that it is ready is idle, whatever it holds.
    pub ready_again: bool,
    /// LEDGER-2: a part of a device is taken where least is free, whether that is enough or not.
    pub shares_overlap: bool,
    /// QUEUE-1: children of blocked workers come first, however deep they are.
    pub depth_ignored: bool,
    /// QUEUE-1: children of blocked workers wait for their turn as all others.
    pub children_wait: bool,
    /// QUEUE-1: an owner that got a lease keeps its turn.
    pub turns_kept: bool,
    /// ENV-1: a worker of any environment is taken.
    pub environment_ignored: bool,
    /// GROUP-1: a group is reserved with the bundles that fit.
    pub groups_in_part: bool,
    /// GROUP-1: what ran in a bundle goes back to the node.
    pub bundle_bypassed: bool,
    /// FAIR-1: nothing is held for who waits for long.
    pub never_held: bool,
    /// FAIR-1: others take of what is held.
    pub hold_open: bool,
    /// FAIR-1: nobody is asked to give back what is held for another.
    pub hold_unasked: bool,
    /// FAIR-2: a lease that goes back already is asked back for another job.
    pub asks_twice: bool,
    /// FAIR-2: a job falls behind with what no other is ahead with.
    pub shares_uneven: bool,
}
