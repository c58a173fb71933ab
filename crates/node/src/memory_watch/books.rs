//! What the daemon and the thread that measures share.

use parking_lot::{Condvar, Mutex};
use rustix::process::Pid;
use std::collections::BTreeMap;
use std::os::fd::OwnedFd;
use trygon_node_core::{LeaseId, MemoryCharge, OverLimit};
use trygon_processes::{Measured, MemoryUse};

/// A worker was ended for its memory, or is about to be.
#[derive(Debug, Clone)]
pub(crate) struct Verdict {
    pub(crate) over: OverLimit,
    pub(crate) measured: Measured,
    /// What ran, for messages.
    pub(crate) name: String,
}

/// The node's memory is nearly full.
#[derive(Debug, Clone)]
pub(crate) struct Pressure {
    pub(crate) node: MemoryUse,
    /// What may be in use.
    pub(crate) allowed_bytes: u64,
    /// What each worker uses, by its number.
    pub(crate) workers: Vec<(u64, Measured)>,
}

/// What one lease may have.
#[derive(Debug)]
pub(super) struct Limit {
    pub(super) lease: LeaseId,
    pub(super) charge: MemoryCharge,
    pub(super) name: String,
}

/// One worker.
#[derive(Debug)]
pub(super) struct WorkerBook {
    pub(super) pid: Pid,
    /// Names the process even when its number is another's.
    pub(super) handle: OwnedFd,
    pub(super) limit: Option<Limit>,
}

#[derive(Debug, Default)]
pub(super) struct Books {
    pub(super) workers: BTreeMap<u64, WorkerBook>,
    /// Of workers that have not been seen to end.
    pub(super) verdicts: BTreeMap<u64, Verdict>,
    /// Not taken yet by the daemon.
    pub(super) pressure: Option<Pressure>,
    /// Processes that the thread need not know any more.
    pub(super) forgotten: Vec<Pid>,
    /// Processes that are to be watched before they do anything.
    pub(super) begun: Vec<Pid>,
    /// What cannot be measured as it was asked for, for the daemon to say.
    pub(super) complaints: Vec<String>,
    /// A limit or a process is new: it is looked at at once.
    pub(super) has_news: bool,
    pub(super) is_stopping: bool,
}

#[derive(Debug)]
pub(super) struct Shared {
    pub(super) books: Mutex<Books>,
    pub(super) changed: Condvar,
    /// Readable for the daemon when there is something to take.
    pub(super) news: OwnedFd,
}
