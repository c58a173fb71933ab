//! The jobs that this node works for: one in the daemon of a program, any number in a daemon that stays.

use crate::job::{Job, NewJob};
use crate::process::Part;
use crate::service::Service;
use trygon_ids::JobId;
use trygon_node_core::{EnvironmentId, Event};

impl Service {
    /// Takes up a job whose driver is here and starts its first zygote, the one that most workers come from. The error says why that
    /// cannot be.
    pub(crate) fn begin_job(&mut self, id: JobId, new: NewJob) -> Result<(), String> {
        self.note_job(id, new.environment_key.clone(), new.description.clone(), &new.directory);
        let environment = self.add_job(id, new);
        self.ensure_zygote(environment)
    }

    /// Takes up a job. Its zygotes are started when something asks for them.
    pub(crate) fn add_job(&mut self, id: JobId, new: NewJob) -> EnvironmentId {
        // A job that said nothing of its weight has the usual one.
        let weight = if new.start.weight > 0.0 { new.start.weight } else { 1.0 };
        self.node_step(Event::JobWeighted { job: id, weight });
        // The plain environment has the job's first number, whatever its tasks run in.
        self.environment_number(id, &[]);
        let environment = self.environment_number(id, &new.environment_key);
        let job = Job {
            namespace: new.namespace,
            argv: new.argv,
            log_to_driver: new.log_to_driver,
            directory: new.directory,
            environment,
            driver: new.driver,
            remote_driver: new.remote_driver,
            start: new.start,
            zygotes: new.zygotes,
            kept_workers: new.kept_workers,
            is_ending: false,
            is_closed: false,
        };
        self.jobs.insert(id, job);
        self.answer_early_asks(id);
        environment
    }

    /// Starts the workers that are kept ready for a job.
    pub(crate) fn keep_workers(&mut self, id: JobId) {
        if let Some(job) = self.jobs.get(&id) {
            let (environment, count) = (job.environment, job.kept_workers);
            self.node_step(Event::WorkersKept { environment, count });
        }
    }

    /// The job of a process; nil for one that has none.
    pub(crate) fn job_of(&self, number: u64) -> JobId {
        self.processes.get(&number).map_or(JobId::nil(), |process| process.job)
    }

    /// The number of a runtime environment of a job; a new one for a key that was never seen.
    pub(crate) fn environment_number(&mut self, job: JobId, key: &[u8]) -> EnvironmentId {
        let (environment, is_new) = self.environments.number_of(job, key);
        if is_new && key.is_empty() {
            // It needs no preparation.
            self.node_step(Event::EnvironmentReady { environment });
        }
        environment
    }

    /// The driver of a job, while it is connected here.
    pub(crate) fn driver_of(&self, job: JobId) -> Option<u64> {
        self.jobs.get(&job).and_then(|job| job.driver)
    }

    /// Whether this process is a driver.
    pub(crate) fn is_driver(&self, number: u64) -> bool {
        self.processes.get(&number).is_some_and(|process| process.part == Part::Driver)
    }
}
