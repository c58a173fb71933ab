//! Ends of processes: which ended, and with what status.

use crate::poller::Role;
use crate::service::Service;
use rustix::process::{Pid, PidfdFlags, Signal, WaitOptions};

/// Statuses kept of processes that are not known as workers yet.
const MAX_UNCLAIMED: usize = 64;
/// A worker that ended is this daemon's child once its intermediate parent ended too; that takes some turns of the loop at most.
const MAX_REAP_TRIES: u32 = 20_000;

impl Service {
    /// The process id of a worker is known.
    pub(crate) fn on_worker_pid(&mut self, number: u64, pid: u32) {
        let Some(pid) = i32::try_from(pid).ok().and_then(Pid::from_raw) else {
            return;
        };
        let Some(process) = self.processes.get_mut(&number) else {
            // It was given up while it was forked.
            let _ = rustix::process::kill_process(pid, Signal::KILL);
            return;
        };
        if process.pid.is_some() {
            return;
        }
        process.pid = Some(pid);
        if let Some(status) = self.unclaimed.remove(&pid.as_raw_nonzero().get()) {
            self.on_worker_ended(number, Some(status));
            return;
        }
        self.by_pid.insert(pid.as_raw_nonzero().get(), number);
        if process.killed.is_some() {
            let _ = rustix::process::kill_process(pid, Signal::KILL);
        }
        match rustix::process::pidfd_open(pid, PidfdFlags::empty()) {
            Ok(ended) => {
                self.memory.worker_began(number, pid, &ended);
                if self.poller.add(&ended, number, Role::Ended).is_ok() {
                    process.ended = Some(ended);
                }
            }
            Err(_) => self.reap(),
        }
    }

    /// A worker's process ended, or the driver's.
    pub(crate) fn on_ended(&mut self, number: u64) {
        if self.is_driver(number) {
            return self.on_driver_left(number, false);
        }
        self.reap();
        let Some(process) = self.processes.get_mut(&number) else {
            return;
        };
        process.reap_tries += 1;
        if process.reap_tries > MAX_REAP_TRIES {
            self.on_worker_ended(number, None);
        }
    }

    /// Collects every child that ended: workers, and orphans that users left.
    pub(crate) fn reap(&mut self) {
        while let Ok(Some((pid, status))) = rustix::process::wait(WaitOptions::NOHANG) {
            let pid = pid.as_raw_nonzero().get();
            if let Some(number) = self.by_pid.get(&pid).copied() {
                self.on_worker_ended(number, Some(status));
            } else if self.unclaimed.len() < MAX_UNCLAIMED {
                self.unclaimed.insert(pid, status);
            }
        }
        if self.processes.values().all(|process| process.pid.is_some()) {
            self.unclaimed.clear();
        }
    }
}
