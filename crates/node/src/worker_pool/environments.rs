//! Runtime environments: each has a zygote of its own, which prepares it before it forks workers.

use crate::worker_pool::zygote::{Zygote, ZygoteConfig};
use std::collections::BTreeMap;
use std::os::fd::OwnedFd;
use std::process::Child;
use trygon_node_core::{EnvironmentId, PLAIN};

/// Zygotes beyond this number that were not used for longest are ended; what they prepared stays in the cache.
const MAX_ZYGOTES: usize = 16;

/// One environment.
#[derive(Debug, Default)]
pub(crate) struct Environment {
    pub(in crate::worker_pool) key: Vec<u8>,
    pub(in crate::worker_pool) zygote: Option<Zygote>,
    /// Its zygote was ready once: workers can be started, by a new zygote if need be.
    pub(in crate::worker_pool) prepared: bool,
    /// Workers in a row that died before they were ready.
    pub(in crate::worker_pool) start_failures: u32,
    /// When it was last asked for.
    pub(in crate::worker_pool) used_ms: u64,
    /// It failed: why, and until when nobody tries again.
    pub(in crate::worker_pool) failed: Option<(String, u64)>,
}

/// All environments that were asked for.
#[derive(Debug)]
pub(crate) struct Environments {
    pub(in crate::worker_pool) config: ZygoteConfig,
    by_key: BTreeMap<Vec<u8>, EnvironmentId>,
    pub(in crate::worker_pool) all: BTreeMap<EnvironmentId, Environment>,
    /// Zygotes that were told to end, and what tells when they have.
    pub(in crate::worker_pool) leaving: Vec<(Child, OwnedFd)>,
}

impl Environments {
    /// The plain environment and, if the job has one, the job's. Returns the number of the one that tasks run in by default.
    pub(crate) fn new(config: ZygoteConfig, job_key: &[u8]) -> (Self, EnvironmentId) {
        let mut environments =
            Self { config, by_key: BTreeMap::from([(Vec::new(), PLAIN)]), all: BTreeMap::new(), leaving: Vec::new() };
        environments.all.insert(PLAIN, Environment::default());
        let of_job = environments.number_of(job_key);
        (environments, of_job)
    }

    /// The number of the environment with this key; a new one for a key that was never seen.
    pub(crate) fn number_of(&mut self, key: &[u8]) -> EnvironmentId {
        if let Some(number) = self.by_key.get(key) {
            return *number;
        }
        let number = self.by_key.len() as EnvironmentId;
        self.by_key.insert(key.to_vec(), number);
        self.all.insert(number, Environment { key: key.to_vec(), ..Environment::default() });
        number
    }

    /// The key of an environment; empty for the plain one.
    pub(crate) fn key_of(&self, environment: EnvironmentId) -> Vec<u8> {
        self.all.get(&environment).map(|environment| environment.key.clone()).unwrap_or_default()
    }

    pub(in crate::worker_pool) fn has_failed(&self, environment: EnvironmentId) -> bool {
        self.all.get(&environment).is_some_and(|environment| environment.failed.is_some())
    }

    pub(in crate::worker_pool) fn zygote(&mut self, environment: EnvironmentId) -> Option<&mut Zygote> {
        self.all.get_mut(&environment)?.zygote.as_mut()
    }

    /// The zygote that was not used for longest, if there are too many.
    pub(in crate::worker_pool) fn surplus(&self, usual: EnvironmentId) -> Option<EnvironmentId> {
        let live = self.all.iter().filter(|(_, environment)| environment.zygote.is_some());
        if live.clone().count() <= MAX_ZYGOTES {
            return None;
        }
        let is_idle = |environment: &Environment| environment.zygote.as_ref().is_some_and(|zygote| zygote.ready);
        let endable = live.filter(|(number, environment)| **number != usual && is_idle(environment));
        endable.min_by_key(|(_, environment)| environment.used_ms).map(|(number, _)| *number)
    }
}
