//! Rules that a test takes away, to see that the simulator notices. All are off in a program that works.

/// Planted defects of actors.
#[doc(hidden)]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct ActorDefects {
    /// ACTOR-1: a dead actor keeps its name.
    pub name_kept: bool,
    /// ACTOR-1: a name that is taken is given again.
    pub name_shared: bool,
    /// ACTOR-2: one restart more than is allowed.
    pub one_more_life: bool,
    /// ACTOR-2: the next life has the number of the last.
    pub same_life: bool,
    /// ACTOR-3: a worker that was found for an earlier life is taken.
    pub life_ignored: bool,
    /// ACTOR-3: the end of a constructor counts for the life that is present, whichever it was.
    pub start_ignored: bool,
    /// ACTOR-4: a dead actor is ended again, with another cause.
    pub dies_again: bool,
    /// ACTOR-4: watchers do not hear of the end.
    pub end_unheard: bool,
    /// ACTOR-5: an actor lives on when its creator dies.
    pub orphans_kept: bool,
    /// ACTOR-6: an actor that dies in its constructor is placed again at once.
    pub restless: bool,
    /// ACTOR-6: rests do not grow.
    pub rests_even: bool,
    /// RECORD-1: every dead actor is remembered.
    pub dead_kept: bool,
    /// RECORD-1: who is forgotten is not said.
    pub forgets_silently: bool,
}

/// Planted defects of placement groups.
#[doc(hidden)]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct GroupDefects {
    /// PLACE-1: a removed group keeps its name.
    pub name_kept: bool,
    /// PLACE-1: a name that is taken is given again.
    pub name_shared: bool,
    /// PLACE-2: a removed group is there again when its bundles are reserved late.
    pub comes_back: bool,
    /// PLACE-2: watchers do not hear of the removal.
    pub end_unheard: bool,
    /// PLACE-3: a group outlives the detached actor that made it.
    pub actor_outlived: bool,
    /// RECORD-1: every removed group is remembered.
    pub removed_kept: bool,
}
