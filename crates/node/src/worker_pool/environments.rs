//! Runtime environments: each has a zygote of its own, which prepares it before it forks workers.

use crate::worker_pool::zygote::Zygote;
use std::collections::{BTreeMap, BTreeSet};
use std::os::fd::OwnedFd;
use std::process::Child;
use trygon_ids::JobId;
use trygon_node_core::EnvironmentId;

/// Zygotes beyond this number that were not used for longest are ended; what they prepared stays in the cache.
const MAX_ZYGOTES: usize = 16;

/// Numbers of questions below it are those of environments whose descriptions are asked for.
const FIRST_QUESTION: u64 = 1 << 32;

/// One environment.
#[derive(Debug)]
pub(crate) struct Environment {
    pub(crate) job: JobId,
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

impl Environment {
    fn new(job: JobId, key: Vec<u8>) -> Self {
        Self { job, key, zygote: None, prepared: false, start_failures: 0, used_ms: 0, failed: None }
    }
}

/// All environments that were asked for.
#[derive(Debug, Default)]
pub(crate) struct Environments {
    by_key: BTreeMap<(JobId, Vec<u8>), EnvironmentId>,
    /// The number of the next one.
    next: EnvironmentId,
    pub(in crate::worker_pool) all: BTreeMap<EnvironmentId, Environment>,
    /// What the head was asked for a zygote: the number of the question here, whose it is, and its number there.
    pub(in crate::worker_pool) questions: BTreeMap<u64, (EnvironmentId, u64)>,
    /// Questions that were numbered.
    pub(in crate::worker_pool) asked: u64,
    /// Zygotes that were told to end, and what tells when they have.
    pub(in crate::worker_pool) leaving: Vec<(Child, OwnedFd)>,
}

impl Environments {
    /// The number of a job's environment with this key, and whether it is a new one.
    pub(crate) fn number_of(&mut self, job: JobId, key: &[u8]) -> (EnvironmentId, bool) {
        if let Some(number) = self.by_key.get(&(job, key.to_vec())) {
            return (*number, false);
        }
        let number = self.next;
        self.next += 1;
        self.by_key.insert((job, key.to_vec()), number);
        self.all.insert(number, Environment::new(job, key.to_vec()));
        (number, true)
    }

    /// The job that an environment is of; nil for one that is not known.
    pub(crate) fn job_of(&self, environment: EnvironmentId) -> JobId {
        self.all.get(&environment).map_or(JobId::nil(), |environment| environment.job)
    }

    /// Whether nothing was asked for in it, so that it needs no preparation.
    pub(crate) fn is_plain(&self, environment: EnvironmentId) -> bool {
        self.all.get(&environment).is_none_or(|environment| environment.key.is_empty())
    }

    /// The environments of a job.
    pub(crate) fn of_job(&self, job: JobId) -> Vec<EnvironmentId> {
        self.all.iter().filter(|(_, environment)| environment.job == job).map(|(number, _)| *number).collect()
    }

    /// Ends the zygote of an environment at once.
    pub(crate) fn end_zygote(&mut self, environment: EnvironmentId) {
        if let Some(mut zygote) = self.all.get_mut(&environment).and_then(|entry| entry.zygote.take()) {
            zygote.end();
        }
    }

    /// Forgets the environments of a job that is over.
    pub(crate) fn forget_job(&mut self, job: JobId) {
        for environment in self.of_job(job) {
            self.end_zygote(environment);
            self.all.remove(&environment);
            self.questions.retain(|_, (asker, _)| *asker != environment);
        }
        self.by_key.retain(|(other, _), _| *other != job);
    }

    /// A number for a question of the node that is none of an environment's.
    pub(in crate::worker_pool) fn next_question(&mut self) -> u64 {
        self.asked += 1;
        FIRST_QUESTION + self.asked
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

    /// When a zygote that is to fork is to be looked at.
    pub(in crate::worker_pool) fn fork_look_ms(&self) -> Option<u64> {
        self.all.values().filter_map(|environment| environment.zygote.as_ref()?.look_ms).min()
    }

    /// The environments whose zygotes are to fork and are stopped. The others are looked at again at `again_ms`.
    pub(in crate::worker_pool) fn stopped_zygotes(&mut self, now_ms: u64, again_ms: u64) -> Vec<EnvironmentId> {
        let mut stopped = Vec::new();
        for (number, environment) in &mut self.all {
            let Some(zygote) = environment.zygote.as_mut().filter(|zygote| zygote.is_due(now_ms)) else {
                continue;
            };
            zygote.look_ms = Some(again_ms);
            if zygote.is_stopped() {
                stopped.push(*number);
            }
        }
        stopped
    }

    /// The zygote that was not used for longest, if there are too many.
    pub(in crate::worker_pool) fn surplus(&self, usual: &BTreeSet<EnvironmentId>) -> Option<EnvironmentId> {
        let live = self.all.iter().filter(|(_, environment)| environment.zygote.is_some());
        if live.clone().count() <= MAX_ZYGOTES {
            return None;
        }
        let is_idle = |environment: &Environment| environment.zygote.as_ref().is_some_and(|zygote| zygote.ready);
        let endable = live.filter(|(number, environment)| !usual.contains(number) && is_idle(environment));
        endable.min_by_key(|(_, environment)| environment.used_ms).map(|(number, _)| *number)
    }
}
