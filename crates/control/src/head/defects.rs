//! Rules that a test takes away, to see that the simulator notices. All are off in a program that works.

use trygon_control_core::{ActorDefects, GroupDefects};

/// Planted defects.
#[doc(hidden)]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct HeadDefects {
    /// Of actors.
    pub actors: ActorDefects,
    /// Of placement groups.
    pub groups: GroupDefects,
    /// PLACE-3: a group outlives its job.
    pub job_outlived: bool,
    /// BACK-1: processes that a node that comes back does not name are believed in.
    pub missing_believed: bool,
    /// BACK-1: bundles that nobody knows of stay on a node that comes back.
    pub unknown_kept: bool,
    /// BACK-2: a node that comes back is not asked again for workers of actors.
    pub asked_once: bool,
    /// BACK-2: a node that comes back is not asked again for bundles.
    pub prepared_once: bool,
    /// BACK-2: a node that comes back is not told again that bundles may be used.
    pub committed_once: bool,
    /// BACK-2: a node that comes back is not told again that an actor runs.
    pub told_once: bool,
    /// GROUP-4: bundles are used when the first node holds its own.
    pub commits_early: bool,
    /// GROUP-5: what an attempt that failed held does not go back.
    pub attempt_kept: bool,
    /// GROUP-5: an answer that comes late is not answered.
    pub late_kept: bool,
    /// GROUP-6: bundles of a node that is gone are not placed again.
    pub bundles_lost: bool,
    /// SEAT-1: a worker is taken whoever found it.
    pub any_seat: bool,
    /// SEAT-1: a second worker of an actor is not ended.
    pub second_kept: bool,
    /// SEAT-2: an actor stays where it waits.
    pub never_moves: bool,
    /// HEAR-1: what is said again is taken in again.
    pub heard_twice: bool,
    /// HEAR-1: what is said again is not answered again.
    pub answered_once: bool,
    /// VIEW-1: what is asked for actors does not count.
    pub asked_free: bool,
    /// VIEW-1: what a node is not to do any more still counts.
    pub unasked_counts: bool,
    /// VIEW-2: a node that is gone is picked.
    pub gone_picked: bool,
    /// VIEW-2: a node that drains is picked.
    pub drains_picked: bool,
}
