//! A new worker: its sockets, pipes and flight recorder, and the request to fork it.

use crate::connection::Connection;
use crate::poller::Role;
use crate::process::{Part, Process};
use crate::recorder;
use crate::service::Service;
use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};
use std::os::fd::AsFd;
use trygon_ids::WorkerId;
use trygon_node_core::{EnvironmentId, Event};
use trygon_wire::Kind;
use trygon_wire::control::{ForkWorker, WorkerSetup};

impl Service {
    /// Asks the zygote for a worker. One that cannot be made counts as one that died.
    pub(crate) fn start_worker(&mut self, worker: WorkerId, environment: EnvironmentId) {
        let number = self.number_of(worker);
        let started = match self.ensure_zygote(environment) {
            Ok(()) => self.try_start_worker(number, worker, environment).map_err(|error| error.to_string()),
            Err(message) => Err(message),
        };
        if let Err(error) = started {
            let job = self.environments.job_of(environment);
            self.say_to(job, format!("a worker could not be started: {error}"));
            if self.driver_of(job).is_none() && self.session.is_some() {
                // Nobody here hears it: what waits is told.
                self.fail_environment(environment, format!("a worker could not be started: {error}"));
            }
            self.processes.remove(&number);
            self.later.push(Event::ProcessDied { process: worker });
        }
    }

    fn try_start_worker(
        &mut self,
        number: u64,
        worker: WorkerId,
        environment: EnvironmentId,
    ) -> rustix::io::Result<()> {
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let (ours, theirs) = socketpair(AddressFamily::UNIX, SocketType::STREAM, flags, None)?;
        let recorder = recorder::create()?;
        let recorder_end = recorder.as_fd().try_clone_to_owned().map_err(|_| rustix::io::Errno::MFILE)?;
        let (output, output_end) = self.watched_pipe(number, Role::Output)?;
        let (errors, errors_end) = self.watched_pipe(number, Role::Errors)?;
        self.poller.add(&ours, number, Role::Control)?;
        let incarnation = self.identity.incarnation(number);
        let job_id = self.environments.job_of(environment);
        let job = self.jobs.get(&job_id);
        let mut process = Process::new(Part::Worker, job_id, worker, incarnation, Connection::new(ours));
        process.recorder = Some(recorder);
        process.output = Some(output);
        process.errors = Some(errors);
        let setup = WorkerSetup {
            worker_id: worker.as_bytes().to_vec(),
            incarnation: incarnation.to_vec(),
            job_id: job_id.as_bytes().to_vec(),
            node_id: self.identity.node_id.as_bytes().to_vec(),
            namespace: job.map(|job| job.namespace.clone()).unwrap_or_default(),
            node_address: self.identity.address.clone(),
            argv: job.map(|job| job.argv.clone()).unwrap_or_default(),
            num_cpus: self.node.total().get("CPU").as_f64(),
            environment: self.environments.key_of(environment),
            certificate: self.certificate_for(worker, job_id),
            node_number: self.store.node_number(),
        };
        process.connection.send(Kind::WorkerSetup, &setup, vec![recorder_end]);
        self.processes.insert(number, process);
        self.dirty.insert(number);
        let descriptors = vec![theirs, output_end, errors_end];
        let is_plain = self.environments.is_plain(environment);
        if let Some(zygote) = self.environments.zygote(environment) {
            // A zygote that prepares listens to what it needs for that only.
            if zygote.ready || is_plain {
                zygote.connection.send(Kind::ForkWorker, &ForkWorker { number }, descriptors);
            } else {
                zygote.waiting.push((ForkWorker { number }, descriptors));
            }
        }
        self.note_fork(environment, number);
        self.flush_zygote(environment);
        Ok(())
    }
}
