//! Zygotes, watched: what they say, and what to do when one dies.

use crate::connection::Flow;
use crate::log_tail::LineStream;
use crate::poller::Role;
use crate::service::Service;
use crate::worker_pool::zygote::{Zygote, number_of};
use rustix::pipe::{PipeFlags, pipe_with};
use std::os::fd::{AsFd, OwnedFd};
use trygon_ids::JobId;
use trygon_node_core::{EnvironmentId, Event};
use trygon_wire::control::{EnvironmentReport, KeyValueRequest, NodeFailed, WorkerForked};
use trygon_wire::{Header, Kind, decode};

/// Failures in a row, without a zygote that became ready, after which the node gives up.
const MAX_FAILURES: u32 = 3;
/// One that was killed counts as this part of a failure.
const KILLS_FOR_A_FAILURE: u32 = 16;

impl Service {
    /// A zygote prints only when something is wrong.
    pub(crate) fn on_zygote_errors(&mut self, environment: EnvironmentId) {
        if let Some(zygote) = self.environments.zygote(environment) {
            zygote.listen();
        }
    }

    /// A zygote said something, or is gone.
    pub(crate) fn on_zygote_socket(&mut self, environment: EnvironmentId) {
        let Some(zygote) = self.environments.zygote(environment) else {
            return;
        };
        let flow = zygote.connection.receive();
        let mut reader = std::mem::take(&mut zygote.connection.reader);
        let mut broken = false;
        loop {
            match reader.next_frame() {
                Ok(Some((header, body))) => self.on_zygote_frame(environment, header, body),
                Ok(None) => break,
                Err(_) => {
                    broken = true;
                    break;
                }
            }
        }
        if let Some(zygote) = self.environments.zygote(environment) {
            zygote.connection.reader = reader;
            if broken || flow == Flow::Closed {
                self.on_zygote_died(environment);
            }
        }
    }

    fn on_zygote_frame(&mut self, environment: EnvironmentId, header: Header, body: &[u8]) {
        match header.kind {
            Kind::ZygoteReady => {
                if let Some(zygote) = self.environments.zygote(environment) {
                    zygote.ready = true;
                    zygote.failures = 0;
                    for (order, descriptors) in std::mem::take(&mut zygote.waiting) {
                        zygote.connection.send(Kind::ForkWorker, &order, descriptors);
                    }
                }
                self.flush_zygote(environment);
                if let Some(entry) = self.environments.all.get_mut(&environment) {
                    entry.prepared = true;
                }
                if !self.environments.is_plain(environment) {
                    self.node_step(Event::EnvironmentReady { environment });
                    self.end_surplus_zygote();
                }
            }
            Kind::EnvironmentReport => match decode::<EnvironmentReport>(body) {
                Ok(EnvironmentReport { message, failed: true }) => self.fail_preparation(environment, message),
                Ok(EnvironmentReport { message, .. }) => self.say_to(self.environments.job_of(environment), message),
                Err(_) => {}
            },
            Kind::KeyValueRequest => {
                if let Ok(asked) = decode::<KeyValueRequest>(body) {
                    self.on_zygote_asks(environment, asked);
                }
            }
            Kind::WorkerForked => {
                if let Ok(forked) = decode::<WorkerForked>(body) {
                    if let Some(zygote) = self.environments.zygote(environment) {
                        zygote.has_forked(forked.number);
                    }
                    self.on_worker_pid(forked.number, forked.pid);
                }
            }
            _ => {}
        }
    }

    /// Its workers live on; those that it had not forked yet fail with their sockets and are asked for again.
    pub(in crate::worker_pool) fn on_zygote_died(&mut self, environment: EnvironmentId) {
        let Some(mut zygote) = self.environments.all.get_mut(&environment).and_then(|entry| entry.zygote.take()) else {
            return;
        };
        zygote.end();
        if self.environments.is_plain(environment) {
            self.replace_plain_zygote(environment, zygote);
        } else if !zygote.ready {
            // It said why, or could not: then what it printed must do.
            if !self.environments.has_failed(environment) {
                let words = zygote.last_words.join("\n");
                let message = format!("its preparation ended unexpectedly.\n{words}");
                self.fail_preparation(environment, message);
            }
        } else if let Err(message) = self.ensure_zygote(environment) {
            self.fail_preparation(environment, message);
        }
    }

    fn fail_preparation(&mut self, environment: EnvironmentId, message: String) {
        if let Some(entry) = self.environments.all.get_mut(&environment) {
            entry.prepared = false;
        }
        self.fail_environment(environment, message);
    }

    fn replace_plain_zygote(&mut self, environment: EnvironmentId, dead: Zygote) {
        let more = if dead.was_killed { 1 } else { KILLS_FOR_A_FAILURE };
        let failures = if dead.ready { 0 } else { dead.failures + more };
        let words = dead.last_words.join("\n");
        let job = self.environments.job_of(environment);
        if failures >= MAX_FAILURES * KILLS_FOR_A_FAILURE {
            let python = self.jobs.get(&job).map_or("Python", |job| job.zygotes.python.as_str());
            let message = format!("workers cannot be started: {python} ended while it was made ready.\n{words}");
            return self.fail_job(job, environment, message);
        }
        match self.ensure_zygote(environment) {
            Ok(()) => {
                if let Some(zygote) = self.environments.zygote(environment) {
                    zygote.failures = failures;
                    zygote.last_words = dead.last_words;
                }
            }
            Err(message) => self.fail_job(job, environment, message),
        }
    }

    /// Nothing of a job can run here: its driver is told, and the job ends. A job whose driver is elsewhere goes on there; what waits here
    /// is told.
    fn fail_job(&mut self, job: JobId, environment: EnvironmentId, message: String) {
        if let Some(driver) = self.driver_of(job) {
            self.send(driver, Kind::NodeFailed, &NodeFailed { message });
            self.on_driver_left(driver, true);
        } else {
            self.fail_environment(environment, message);
        }
    }

    /// Sends what waits for a zygote.
    pub(crate) fn flush_zygote(&mut self, environment: EnvironmentId) {
        let Some(connection) = self.environments.zygote(environment).map(|zygote| &mut zygote.connection) else {
            return;
        };
        let full = connection.flush() == Flow::Full;
        if full != connection.watches_room {
            connection.watches_room = full;
            self.poller.watch_room(connection.as_fd(), number_of(environment), Role::Control, full);
        }
    }

    /// A pipe whose reading end the loop watches.
    pub(crate) fn watched_pipe(&self, number: u64, role: Role) -> rustix::io::Result<(LineStream, OwnedFd)> {
        let (ours, theirs) = pipe_with(PipeFlags::CLOEXEC)?;
        rustix::io::ioctl_fionbio(ours.as_fd(), true)?;
        self.poller.add(&ours, number, role)?;
        Ok((LineStream::new(Some(ours)), theirs))
    }
}
