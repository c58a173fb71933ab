//! Rules that the simulator takes away, to see that it notices. All are off in a program that works.

/// Planted defects of what is fetched.
#[doc(hidden)]
#[derive(Debug, Clone, Copy, Default)]
#[expect(clippy::struct_excessive_bools, reason = "each is one rule")]
pub struct PullDefects {
    /// PULL-1: whoever asks while an object is fetched has it fetched once more.
    pub fetched_twice: bool,
    /// PULL-2: what runs does not count.
    pub budget_ignored: bool,
    /// PULL-2: what was asked for first goes first, whatever it is for.
    pub urgency_ignored: bool,
    /// PULL-2: nobody looks at what waits when a transfer has ended.
    pub end_unnoticed: bool,
    /// PULL-3: who asks for what is asked for already is not written down.
    pub asker_forgotten: bool,
    /// PULL-3: of those who asked one is told of a failure.
    pub failure_told_once: bool,
    /// PULL-3: what rests rests for ever.
    pub rest_endless: bool,
    /// PULL-4: the room of a fetch that nobody wants is given back before the fetch has stopped.
    pub stop_not_awaited: bool,
    /// PULL-5: who asks for a copy that is here does not hold it.
    pub holder_forgotten: bool,
    /// PULL-5: a transfer to another node does not keep the copy.
    pub sends_ignored: bool,
    /// PULL-5: a transfer that outlived its copy lets go of the next one.
    pub late_end_counts: bool,
    /// PULL-5: a copy that nobody holds stays.
    pub copy_kept: bool,
}

/// Planted defects of the parts of a copy.
#[doc(hidden)]
#[derive(Debug, Clone, Copy, Default)]
#[expect(clippy::struct_excessive_bools, reason = "each is one rule")]
pub struct ChunkDefects {
    /// PULL-6: a span counts as the object's before its source has said so.
    pub unverified_counts: bool,
    /// PULL-6: a span that is fetched again passes for the one before.
    pub generation_kept: bool,
    /// PULL-7: a room into which nothing comes is waited for.
    pub patience_endless: bool,
    /// PULL-7: a room that was given up is a source.
    pub end_ignored: bool,
}

/// Planted defects of who is sent to whom.
#[doc(hidden)]
#[derive(Debug, Clone, Copy, Default)]
pub struct ServeDefects {
    /// PULL-8: whoever asks may be sent to one that waits for it.
    pub below_ignored: bool,
    /// PULL-8: who left a receiver counts as one that was sent to it.
    pub left_counted: bool,
    /// PULL-8: who was sent to a receiver that died, and comes back as another, counts as sent to that one.
    pub orphans_kept: bool,
}
