//! Generators that run in this process, as their owners know them.

use crate::work::Call;
use trygon_wire::stream;
use trygon_worker_core::PeerIndex;

/// A generator that runs here for a peer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct StreamKey {
    pub(crate) peer: PeerIndex,
    pub(crate) slot: u32,
    pub(crate) generation: u32,
    pub(crate) attempt: u32,
}

/// What the owner said of a generator that runs here or waits to be run.
#[derive(Debug, Clone, Copy)]
pub struct Credit {
    /// Most items that wait to be taken; 0 for no limit.
    pub limit: u32,
    /// Items that were taken.
    pub taken: u32,
    /// Items that the owner has: they are not sent again.
    pub skip: u32,
    /// No more are wanted.
    pub is_stopped: bool,
}

/// A generator that came, with whoever waits until it may go on.
#[derive(Debug)]
pub(crate) struct Running {
    pub(crate) credit: Credit,
    pub(crate) waiter: Option<(u32, u64)>,
}

impl Credit {
    /// Whether one more item may be made when this many were.
    pub fn has_room(&self, made: u32) -> bool {
        self.is_stopped || self.limit == 0 || made.saturating_sub(self.taken) < self.limit
    }
}

impl StreamKey {
    /// The generator that this call runs.
    pub fn of(call: &Call) -> Self {
        let trygon_wire::task::Push { slot, generation, attempt, .. } = call.push;
        Self { peer: call.peer, slot, generation, attempt }
    }

    pub(crate) fn frame(&self, number: u32) -> stream::Stream {
        stream::Stream { slot: self.slot, generation: self.generation, attempt: self.attempt, number }
    }
}
