//! Workers that are ended if they are found stopped.

use trygon_ids::WorkerId;

/// A worker that is to end because of its task.
#[derive(Debug)]
pub(crate) struct ForcedEnd {
    pub(in crate::worker_pool) worker: WorkerId,
    pub(in crate::worker_pool) owner: WorkerId,
    pub(in crate::worker_pool) until_ms: u64,
}

/// What is looked at.
#[derive(Debug, Default)]
pub(crate) struct StopWatch {
    pub(in crate::worker_pool) ends: Vec<ForcedEnd>,
    pub(in crate::worker_pool) look_ms: u64,
}
