//! The table's data, and what goes in and out.

use crate::ObjectLocation;
use crate::pulls::defects::PullDefects;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use trygon_ids::{ObjectId, WorkerId};

/// Why an object is wanted; the first are served first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Priority {
    /// A program waits for the value.
    Get,
    /// A program waits for the object to be here.
    Wait,
    /// A task that has not begun will read it.
    Argument,
}

/// Where an object can be fetched.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Source {
    /// Number of the node.
    pub node: u32,
    /// Where it lies there.
    pub location: ObjectLocation,
    /// The source is to serve by itself, and not to name another receiver.
    pub is_direct: bool,
    /// Whom the source named before, in vain.
    pub failed_node: Option<u32>,
}

/// What the table is told when it is made.
#[derive(Debug, Clone, Copy)]
pub struct PullLimits {
    /// Bytes that may be on their way at once.
    pub budget_bytes: u64,
    /// Pause after every source failed to answer.
    pub retry_ms: u64,
    /// After so long without an answer the object cannot be had.
    pub give_up_ms: u64,
}

/// Someone needs an object.
#[derive(Debug, Clone, Copy)]
pub struct PullRequest {
    /// Who asks. Until it says otherwise or dies, it holds the copy.
    pub from: WorkerId,
    /// The object.
    pub object: ObjectId,
    /// Its node.
    pub node: u32,
    /// Where it lies there.
    pub location: ObjectLocation,
    /// Why.
    pub priority: Priority,
}

/// A fetch has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct FetchEnd {
    /// Its number.
    pub attempt: u64,
    /// What became of it.
    pub outcome: FetchOutcome,
    /// It brought a part of the object, which stays for the next one.
    pub has_moved: bool,
}

/// What became of a fetch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FetchOutcome {
    /// Every byte is here, and the source still had the object after the last one.
    Complete,
    /// The source does not have it (any more).
    Gone,
    /// The source does not give it to this job.
    Refused,
    /// Another node has it, or is getting it: ask there.
    Redirect(Source),
    /// No connection, a broken one, or one that stood still.
    Unreachable,
    /// It was stopped as asked.
    Stopped,
}

/// Why an object cannot be had.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PullFailure {
    /// No node has it any more.
    Lost,
    /// Its node died.
    NodeDied,
    /// Its node could not be reached for too long.
    TimedOut,
    /// There is no space for the copy.
    StoreFull,
    /// It belongs to another job.
    NotAllowed,
}

/// What the daemon has to do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PullEffect {
    /// Find room for the copy, then report `on_space`.
    Reserve {
        /// The object.
        object: ObjectId,
        /// Its size.
        size_bytes: u64,
    },
    /// Fetch it into the room that was found, then report `on_fetched`.
    Fetch {
        /// The object.
        object: ObjectId,
        /// Number of the fetch.
        attempt: u64,
        /// From where.
        source: Source,
    },
    /// Stop a fetch; `on_fetched` says when it has stopped.
    Stop {
        /// The object.
        object: ObjectId,
        /// Number of the fetch.
        attempt: u64,
    },
    /// The copy is complete: make it known to the store.
    Seal {
        /// The object.
        object: ObjectId,
    },
    /// The room is not needed any more, sealed or not.
    Free {
        /// The object.
        object: ObjectId,
    },
    /// Tell who asked.
    Answer {
        /// Who.
        to: WorkerId,
        /// The object.
        object: ObjectId,
        /// Whether it is here.
        result: Result<(), PullFailure>,
    },
}

/// Sums over the table.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct PullStats {
    /// Transfers that wait for the budget or for another try.
    pub waiting: u64,
    /// Transfers that run.
    pub running: u64,
    /// Bytes of those.
    pub running_bytes: u64,
    /// Copies that are here.
    pub copies: u64,
    /// Bytes of those.
    pub copy_bytes: u64,
    /// Copies completed so far.
    pub completed: u64,
    /// Transfers that failed so far.
    pub failed: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Stage {
    /// Waits for the budget.
    Queued { number: u64 },
    /// Waits for room.
    Reserving,
    /// Comes from the first source.
    Fetching { attempt: u64 },
    /// Is to stop, and may still be written to.
    Stopping { attempt: u64 },
    /// Nobody answered; until then nobody is asked.
    Resting { until_ms: u64 },
    /// The copy is here.
    Here,
}

#[derive(Debug)]
pub(crate) struct Pull {
    /// No other copy of the object has it.
    pub(crate) number: u64,
    pub(crate) size_bytes: u64,
    pub(crate) stage: Stage,
    /// Who waits, and why.
    pub(crate) waiters: BTreeMap<WorkerId, Priority>,
    /// Who got the copy.
    pub(crate) holders: BTreeSet<WorkerId>,
    /// Transfers to other nodes that read the copy.
    pub(crate) sends: u32,
    /// Nodes that are known to have the object, by the word of those who asked; the next to be tried first.
    pub(crate) origins: VecDeque<Source>,
    /// A receiver that an origin named; tried before the origins.
    pub(crate) named: Option<Source>,
    /// Origins that did not answer since the last pause.
    pub(crate) silent: usize,
    /// Since when nobody has answered.
    pub(crate) silent_since_ms: Option<u64>,
    /// How often an origin named someone else since something came.
    pub(crate) redirects: u32,
    /// Who was named last, in vain.
    pub(crate) failed_node: Option<u32>,
    /// Why the last source failed.
    pub(crate) failure: PullFailure,
}

impl Pull {
    /// The most urgent reason; nobody waits for what has none.
    pub(crate) fn priority(&self) -> Option<Priority> {
        self.waiters.values().copied().min()
    }

    /// Whether it counts against the budget.
    pub(crate) fn is_running(&self) -> bool {
        matches!(self.stage, Stage::Reserving | Stage::Fetching { .. } | Stage::Stopping { .. })
    }

    /// Where the next fetch goes.
    pub(crate) fn source(&self) -> Option<Source> {
        // Whoever is named serves: only an origin knows who waits for whom (PULL-8).
        let named = self.named.map(|named| Source { is_direct: true, failed_node: None, ..named });
        named.or_else(|| self.origins.front().map(|origin| Source { failed_node: self.failed_node, ..*origin }))
    }
}

/// The objects of other nodes that processes of this one need.
#[derive(Debug)]
pub struct PullTable {
    pub(crate) limits: PullLimits,
    pub(crate) pulls: BTreeMap<ObjectId, Pull>,
    pub(crate) dead_nodes: BTreeSet<u32>,
    pub(crate) running_bytes: u64,
    pub(crate) next_number: u64,
    pub(crate) next_attempt: u64,
    pub(crate) completed: u64,
    pub(crate) failed: u64,
    pub(crate) defects: PullDefects,
}

impl PullTable {
    /// A table without pulls.
    pub fn new(limits: PullLimits) -> Self {
        Self {
            limits,
            pulls: BTreeMap::new(),
            dead_nodes: BTreeSet::new(),
            running_bytes: 0,
            next_number: 1,
            next_attempt: 1,
            completed: 0,
            failed: 0,
            defects: PullDefects::default(),
        }
    }

    /// Takes rules away; for the simulator.
    #[doc(hidden)]
    pub fn set_defects(&mut self, defects: PullDefects) {
        self.defects = defects;
    }

    /// What waits for the budget, and what for.
    pub fn queued(&self) -> impl Iterator<Item = (ObjectId, Priority)> {
        let queued = self.pulls.iter().filter(|(_, pull)| matches!(pull.stage, Stage::Queued { .. }));
        queued.filter_map(|(object, pull)| pull.priority().map(|priority| (*object, priority)))
    }

    /// Whether a copy of the object is here.
    pub fn is_here(&self, object: &ObjectId) -> bool {
        self.pulls.get(object).is_some_and(|pull| pull.stage == Stage::Here)
    }

    /// Sums over the table.
    pub fn stats(&self) -> PullStats {
        let mut stats = PullStats {
            running_bytes: self.running_bytes,
            completed: self.completed,
            failed: self.failed,
            ..PullStats::default()
        };
        for pull in self.pulls.values() {
            match pull.stage {
                Stage::Here => {
                    stats.copies += 1;
                    stats.copy_bytes += pull.size_bytes;
                }
                Stage::Queued { .. } | Stage::Resting { .. } => stats.waiting += 1,
                Stage::Reserving | Stage::Fetching { .. } | Stage::Stopping { .. } => stats.running += 1,
            }
        }
        stats
    }
}
