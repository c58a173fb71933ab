//! Rules that a test takes away, to see that the simulator notices. All are off in a program that works.

/// Planted defects.
#[doc(hidden)]
#[derive(Debug, Clone, Copy, Default)]
pub struct Defects {
    /// OWN-7: a reply of any attempt is taken.
    pub no_attempt_check: bool,
    /// OWN-4: what an executor kept is not recorded.
    pub borrow_dropped: bool,
    /// OWN-4: an argument is not pinned until the reply.
    pub pin_forgotten: bool,
    /// OWN-4: a lend of a borrowed object is not forwarded to its owner.
    pub lend_forgotten: bool,
    /// OWN-4: a borrowed object is dropped without a word to its owner.
    pub return_forgotten: bool,
    /// OWN-2: a reference that comes out of bytes is not counted.
    pub retain_forgotten: bool,
    /// OWN-3: what a freed object contained stays used.
    pub edge_leaked: bool,
    /// OWN-5: objects of a dead owner are not failed.
    pub orphans_ignored: bool,
    /// OWN-8: a task that had started is sent again whatever its retries.
    pub retry_free: bool,
    /// OWN-8: a task that had not started uses up a retry.
    pub unstarted_pays: bool,
    /// RETRY-1: a task whose time to be tried again has come is not.
    pub delay_endless: bool,
    /// RETRY-1: what a task raised is final, whatever it may be tried again.
    pub errors_final: bool,
    /// OWN-8: where nobody knows what a dead worker had started, it is taken for nothing.
    pub unknown_is_unstarted: bool,
    /// CANCEL-1: a cancelled task whose worker died is tried again.
    pub cancel_forgotten: bool,
    /// OWN-3: items that nobody took outlive their generator.
    pub untaken_leaked: bool,
    /// OWN-7: a replay is not told what its owner has.
    pub skip_forgotten: bool,
    /// OWN-7: what a dead process's recorder kept although it had arrived is given back, and its results are in use.
    pub replays_refused: bool,
    /// OWN-6: nothing is kept of a task whose results lie in shared memory.
    pub lineage_forgotten: bool,
    /// OWN-6: arguments of kept tasks are not pinned.
    pub lineage_unpinned: bool,
    /// OWN-6: what a kept task took stays counted.
    pub lineage_counted: bool,
    /// OWN-6: a lost object of which there is no copy is not made again.
    pub rebuild_forgotten: bool,
    /// OWN-6: a task that runs again replaces results that are not lost.
    pub rebuild_replaces: bool,
    /// OWN-6: a lost item that comes again is given back.
    pub lost_items_refused: bool,
    /// FLOW-2: freed bytes stay counted.
    pub bytes_kept: bool,
    /// OWN-1: a reference to an own object that comes out of bytes is taken for a borrowed one.
    pub own_borrowed: bool,
    /// OWN-9: a copy of an object on a node that goes is fetched, and does not take its place.
    pub moves_forgotten: bool,
    /// OWN-9: what could not be moved at once is not tried again.
    pub moves_once: bool,
    /// ENV-1: tasks that need the same amounts share leases, whatever they run in.
    pub environment_unseen: bool,
    /// FLOW-1: arguments of a task that is done stay counted.
    pub arguments_counted: bool,
    /// FLOW-1: submission does not wait, whatever waits to be used.
    pub room_unbounded: bool,
    /// FAIL-1: who asked for an object before it was there is not answered when it is.
    pub answers_forgotten: bool,
}
