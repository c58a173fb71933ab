//! The end of one job in a daemon that stays: everything of it ends but what is detached, and with the last of that the rest.

use crate::head_place::HeadPlace;
use crate::process::{Part, Process};
use crate::service::Service;
use std::time::Duration;
use trygon_ids::{JobId, WorkerId};
use trygon_node_core::{EnvironmentId, Event};
use trygon_proto::v1::EndJob;
use trygon_proto::v1::node_to_head::Body;
use trygon_wire::control::Death;

/// Time to see the processes end that a job's workers left behind.
const ORPHANS_LIMIT: Duration = Duration::from_millis(100);

impl Service {
    /// A driver said good-bye, closed its socket or died. One that said so keeps its socket until its job is gone: the lines that its
    /// workers printed last still come.
    pub(crate) fn on_driver_left(&mut self, number: u64, listens: bool) {
        if self.session.is_none() {
            return self.stop();
        }
        let job = self.job_of(number);
        if let Some(session) = &mut self.session {
            session.attaching.remove(&number);
        }
        if self.jobs.get(&job).is_some_and(|job| !job.is_ending) {
            self.end_job(job, number);
        }
        if !listens {
            self.remove_driver(job, number);
        }
    }

    fn end_job(&mut self, id: JobId, driver: u64) {
        if let Some(job) = self.jobs.get_mut(&id) {
            job.is_ending = true;
        }
        let Some(process) = self.processes.get_mut(&driver) else {
            return;
        };
        let (worker, pid) = (process.id, process.pid_number());
        let (peers, remote_peers) = (std::mem::take(&mut process.peers), std::mem::take(&mut process.remote_peers));
        let message = format!("the driver (process {pid}) of job {id} has ended");
        let death = Death { kind: "exit".to_owned(), message, pid, ..Death::default() };
        self.graveyard.bury(driver, death.clone());
        self.tell_peers(driver, worker, &peers, &[], &death);
        self.tell_remote_peers(worker, &remote_peers, &[], &death);
        self.on_store_user_died(driver);
        self.node_step(Event::ProcessDied { process: worker });
        self.early_leases.retain(|early| early.from != driver);
        if let HeadPlace::Remote(questions) = &mut self.head.place {
            questions.forget(worker);
        }
        // What is not detached ends by what the head says now.
        self.tell_head(Body::EndJob(EndJob { job_id: id.as_bytes().to_vec(), death: Some(death) }));
    }

    /// Lets a driver go, after what there is to say.
    pub(crate) fn remove_driver(&mut self, job: JobId, number: u64) {
        if let Some(job) = self.jobs.get_mut(&job) {
            job.driver = None;
        }
        if let Some(mut process) = self.processes.remove(&number) {
            process.connection.flush();
            self.poller.remove(process.connection.as_fd());
        }
    }

    /// Nothing of a job is needed any more: its workers and zygotes end.
    pub(crate) fn close_job(&mut self, id: JobId) {
        if let Some(job) = self.jobs.get_mut(&id) {
            job.is_closed = true;
        }
        let environments: Vec<EnvironmentId> = self.environments.of_job(id);
        for environment in &environments {
            self.node_step(Event::WorkersKept { environment: *environment, count: 0 });
            let message = "the job has ended".to_owned();
            self.node_step(Event::EnvironmentFailed { environment: *environment, message });
        }
        let is_theirs = |process: &&Process| process.part == Part::Worker && process.job == id;
        let workers: Vec<WorkerId> = self.processes.values().filter(is_theirs).map(|process| process.id).collect();
        for worker in workers {
            self.kill_worker(worker, "killed", "its job has ended".to_owned());
        }
        for environment in environments {
            self.environments.end_zygote(environment);
        }
        self.settle_job(id);
    }

    /// Forgets a job that is closed when its last process is gone.
    pub(crate) fn settle_job(&mut self, id: JobId) {
        let is_closed = self.jobs.get(&id).is_some_and(|job| job.is_closed);
        let is_theirs = |process: &Process| process.part == Part::Worker && process.job == id;
        if is_closed && !self.processes.values().any(is_theirs) {
            self.forget_job(id);
        }
    }

    fn forget_job(&mut self, id: JobId) {
        let Some(job) = self.jobs.remove(&id) else {
            return;
        };
        self.environments.forget_job(id);
        self.node_step(Event::JobWeighted { job: id, weight: 0.0 });
        // What its workers started and what left their groups is told by a mark that it inherited.
        trygon_processes::end_marked(&Self::job_mark(id), ORPHANS_LIMIT);
        if let Some(driver) = job.driver {
            self.remove_driver(id, driver);
        }
        self.forget_job_directory(id);
        if !job.directory.is_empty() {
            // The driver names a folder of its own making. What cannot be removed is swept by the next driver.
            let _ = std::fs::remove_dir_all(&job.directory);
        }
        self.log(&format!("job {id} is over"));
    }

    /// What the environment of every process of a job in a daemon that stays holds.
    pub(crate) fn job_mark(job: JobId) -> String {
        format!("TRYGON_JOB_MARK={job}")
    }
}
