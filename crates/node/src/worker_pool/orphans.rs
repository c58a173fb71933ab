//! What a worker started and left behind.
//!
//! Most of it is in the worker's process group and ends with that. What made a group or a session of its own becomes the daemon's child when
//! its parents are gone. Every worker has its number in its environment, and all that it starts inherits it, so the daemon knows whose it
//! was: what belongs to a worker that is gone is ended.

use crate::service::Service;
use rustix::process::{Pid, Signal};

/// Holds a worker's number, in hexadecimal; zeros in a zygote.
pub(crate) const WORKER_MARK: &str = "TRYGON_WORKER_MARK";

impl Service {
    /// Ends what the workers left that are gone, with everything below it.
    pub(crate) fn end_orphans(&mut self) {
        self.has_orphans = false;
        for child in trygon_processes::children() {
            if self.by_pid.contains_key(&child.as_raw_nonzero().get()) {
                continue;
            }
            if marked_worker(child).is_some_and(|number| !self.processes.contains_key(&number)) {
                for pid in std::iter::once(child).chain(trygon_processes::below(child)) {
                    let _ = rustix::process::kill_process(pid, Signal::KILL);
                }
                // What it starts meanwhile comes here when it has ended.
                self.has_orphans = true;
            }
        }
    }
}

/// The worker that a process was started by, if it was.
fn marked_worker(pid: Pid) -> Option<u64> {
    let value = trygon_processes::variable(pid, WORKER_MARK)?;
    u64::from_str_radix(&value, 16).ok().filter(|number| *number > 0)
}
