//! The zygote, watched: what it says, and what to do when it dies.

use crate::connection::Flow;
use crate::log_tail::LineStream;
use crate::poller::Role;
use crate::process::DRIVER;
use crate::service::Service;
use crate::worker_pool::zygote::{ZYGOTE, Zygote};
use rustix::pipe::{PipeFlags, pipe_with};
use std::os::fd::{AsFd, OwnedFd};
use trygon_wire::Kind;
use trygon_wire::control::{NodeFailed, WorkerForked, ZygoteReady};

/// Failures in a row, without a zygote that became ready, after which the node gives up.
const MAX_FAILURES: u32 = 3;

impl Service {
    /// The zygote prints only when something is wrong.
    pub(crate) fn on_zygote_errors(&mut self) {
        self.zygote.listen();
    }

    /// The zygote said something, or is gone.
    pub(crate) fn on_zygote_socket(&mut self) {
        let flow = self.zygote.connection.receive();
        let mut reader = std::mem::take(&mut self.zygote.connection.reader);
        let mut broken = false;
        loop {
            match reader.next_frame() {
                Ok(Some((header, body))) => match header.kind {
                    Kind::ZygoteReady if trygon_wire::decode::<ZygoteReady>(body).is_ok() => {
                        self.zygote.ready = true;
                        self.zygote.failures = 0;
                    }
                    Kind::WorkerForked => {
                        if let Ok(forked) = trygon_wire::decode::<WorkerForked>(body) {
                            self.on_worker_pid(forked.number, forked.pid);
                        }
                    }
                    _ => {}
                },
                Ok(None) => break,
                Err(_) => {
                    broken = true;
                    break;
                }
            }
        }
        self.zygote.connection.reader = reader;
        if broken || flow == Flow::Closed {
            self.on_zygote_died();
        }
    }

    /// Its workers live on; those that it had not forked yet fail with their sockets and are asked for again.
    fn on_zygote_died(&mut self) {
        let _ = self.zygote.child.kill();
        let _ = self.zygote.child.wait();
        self.zygote.listen();
        self.zygote.errors.finish();
        self.zygote.listen();
        let failures = if self.zygote.ready { 0 } else { self.zygote.failures + 1 };
        let words = self.zygote.last_words.join("\n");
        if failures >= MAX_FAILURES {
            let python = &self.zygote.config.python;
            let message = format!("workers cannot be started: {python} ended while it was made ready.\n{words}");
            self.send(DRIVER, Kind::NodeFailed, &NodeFailed { message });
            self.stop();
            return;
        }
        match Zygote::start(self.zygote.config.clone(), &self.poller) {
            Ok(mut zygote) => {
                zygote.failures = failures;
                zygote.last_words = std::mem::take(&mut self.zygote.last_words);
                self.zygote = zygote;
            }
            Err(error) => {
                let message = format!("{} cannot be started: {error}", self.zygote.config.python);
                self.send(DRIVER, Kind::NodeFailed, &NodeFailed { message });
                self.stop();
            }
        }
    }

    /// Sends what waits for the zygote.
    pub(crate) fn flush_zygote(&mut self) {
        let connection = &mut self.zygote.connection;
        let full = connection.flush() == Flow::Full;
        if full != connection.watches_room {
            connection.watches_room = full;
            self.poller.watch_room(connection.as_fd(), ZYGOTE, Role::Control, full);
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
