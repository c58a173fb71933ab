//! What is known of a job.

use crate::worker_pool::ZygoteConfig;
use trygon_ids::WorkerId;
use trygon_node_core::EnvironmentId;
use trygon_proto::v1::StartJob;

/// One job.
#[derive(Debug)]
pub(crate) struct Job {
    pub(crate) namespace: String,
    pub(crate) argv: Vec<String>,
    pub(crate) log_to_driver: bool,
    /// Folder of the job's files, removed at the end; empty when there is none.
    pub(crate) directory: String,
    /// What its tasks run in that do not say otherwise.
    pub(crate) environment: EnvironmentId,
    /// The driver's number, while it is connected here.
    pub(crate) driver: Option<u64>,
    /// The driver, when it is connected to another node.
    pub(crate) remote_driver: Option<WorkerId>,
    /// What the head was told of it.
    pub(crate) start: StartJob,
    pub(crate) zygotes: ZygoteConfig,
    /// How many workers are kept ready for it.
    pub(crate) kept_workers: usize,
    /// Its driver is gone: what is not detached ends.
    pub(crate) is_ending: bool,
    /// Nothing of it is needed any more: it is forgotten when its last process is gone.
    pub(crate) is_closed: bool,
}

/// A job as whoever starts it describes it.
#[derive(Debug)]
pub(crate) struct NewJob {
    pub(crate) namespace: String,
    pub(crate) argv: Vec<String>,
    pub(crate) log_to_driver: bool,
    pub(crate) directory: String,
    pub(crate) driver: Option<u64>,
    /// The driver, when it is connected to another node.
    pub(crate) remote_driver: Option<WorkerId>,
    /// What the head was told of it, in a cluster.
    pub(crate) start: StartJob,
    pub(crate) zygotes: ZygoteConfig,
    pub(crate) kept_workers: usize,
    /// Key of its runtime environment; empty for the plain one.
    pub(crate) environment_key: Vec<u8>,
    /// Description of its runtime environment.
    pub(crate) description: Vec<u8>,
}
