//! Control groups where a worker can be moved into one, and `/proc` where not: a limit holds in either case.
//!
//! That a group can be made does not say that a process may be moved there. The kernel also asks for the right to write to the group
//! above both its old and its new one, so a daemon that was started somewhere else than in the groups it was given may make groups and fill none.

use crate::memory::{Measured, MemoryAccounting, Sampling};
use rustix::io::Errno;
use rustix::process::Pid;
use std::collections::HashSet;
use std::io;

/// See the module.
#[derive(Debug)]
pub struct GroupsOrSampling {
    groups: Box<dyn MemoryAccounting>,
    sampling: Sampling,
    sampled: HashSet<Pid>,
    complaint: Option<String>,
    has_complained: bool,
}

impl GroupsOrSampling {
    /// Measures by `groups` as far as that goes, by `sampling` beyond.
    pub fn new(groups: Box<dyn MemoryAccounting>, sampling: Sampling) -> Self {
        Self { groups, sampling, sampled: HashSet::new(), complaint: None, has_complained: false }
    }

    fn measures(&mut self, worker: Pid) -> &mut dyn MemoryAccounting {
        if self.sampled.contains(&worker) { &mut self.sampling } else { self.groups.as_mut() }
    }
}

impl MemoryAccounting for GroupsOrSampling {
    fn name(&self) -> &'static str {
        self.groups.name()
    }

    fn counts_from_watching_on(&self) -> bool {
        self.groups.counts_from_watching_on()
    }

    fn complaint(&mut self) -> Option<String> {
        self.complaint.take()
    }

    fn watch(&mut self, worker: Pid) -> io::Result<()> {
        if self.sampled.contains(&worker) {
            return self.sampling.watch(worker);
        }
        match self.groups.watch(worker) {
            Err(error) if error.raw_os_error() != Some(Errno::SRCH.raw_os_error()) => {
                self.sampling.watch(worker)?;
                self.sampled.insert(worker);
                if !self.has_complained {
                    self.has_complained = true;
                    let number = worker.as_raw_nonzero();
                    let message = format!("worker {number} cannot be moved into a {} of its own: {error}", self.name());
                    self.complaint = Some(message);
                }
                Ok(())
            }
            other => other,
        }
    }

    fn measure(&mut self, worker: Pid, limit_bytes: u64) -> Option<Measured> {
        self.measures(worker).measure(worker, limit_bytes)
    }

    fn end(&mut self, worker: Pid) {
        self.measures(worker).end(worker);
    }

    fn forget(&mut self, worker: Pid) {
        self.measures(worker).forget(worker);
        self.sampled.remove(&worker);
    }
}
