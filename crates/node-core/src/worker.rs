//! The life of a worker.

use crate::LeaseId;
use trygon_ids::WorkerId;

/// Where a worker is in its life. A dead worker has no entry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Life {
    /// Asked for, not ready.
    Starting { since_ms: u64 },
    /// Ready, without work.
    Idle { since_ms: u64 },
    /// Works under a lease: tasks, or an actor.
    Leased { lease: LeaseId },
    /// Takes nothing any more; its process still lives, perhaps with a lease that was not returned.
    Exiting { lease: Option<LeaseId> },
}

impl Life {
    /// The lease that the worker holds.
    pub(crate) fn lease(self) -> Option<LeaseId> {
        match self {
            Self::Starting { .. } | Self::Idle { .. } => None,
            Self::Leased { lease } => Some(lease),
            Self::Exiting { lease } => lease,
        }
    }
}

/// The state of a worker, in a word.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LifeName {
    /// Not ready yet.
    Starting,
    /// Without work.
    Idle,
    /// Runs tasks.
    Leased,
    /// Is an actor.
    Actor,
    /// Waits for others.
    Blocked,
    /// Takes nothing any more.
    Exiting,
}

impl LifeName {
    /// The word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Starting => "starting",
            Self::Idle => "idle",
            Self::Leased => "leased",
            Self::Actor => "actor",
            Self::Blocked => "blocked",
            Self::Exiting => "exiting",
        }
    }
}

/// A worker, for people who look.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WorkerView {
    /// The worker.
    pub worker: WorkerId,
    /// Its state.
    pub life: LifeName,
}
