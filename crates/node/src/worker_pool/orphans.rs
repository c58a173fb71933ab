//! What a worker started and left behind.
//!
//! Most of it is in the worker's process group and ends with that. What made a group or a session of its own becomes the daemon's child when
//! its parents are gone. Every worker has its number in its environment, and all that it starts inherits it, so the daemon knows whose it
//! was: what belongs to a worker that is gone is ended.

use crate::poller::Role;
use crate::service::Service;
use crate::worker_pool::zygote::{WORKER_MARK, ZYGOTE};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::process::{Pid, PidfdFlags, Signal};
use std::os::fd::OwnedFd;

/// The number in the poller of orphans that are about to end. No process ever gets it.
pub(crate) const ORPHANS: u64 = ZYGOTE - 8;

/// Orphans are looked for once more after this.
const AGAIN_MS: u64 = 100;

impl Service {
    /// Ends what the workers left that are gone, with everything below it.
    pub(crate) fn end_orphans(&mut self) {
        for child in trygon_processes::children() {
            if self.by_pid.contains_key(&child.as_raw_nonzero().get()) {
                continue;
            }
            match marked_worker(child) {
                Owner::Worker(number) if !self.processes.contains_key(&number) => {
                    for pid in std::iter::once(child).chain(trygon_processes::below(child)) {
                        let _ = rustix::process::kill_process(pid, Signal::KILL);
                    }
                    self.await_orphan(child);
                }
                // Somebody ended it already.
                Owner::Ending => self.await_orphan(child),
                _ => {}
            }
        }
    }

    fn await_orphan(&mut self, pid: Pid) {
        if self.orphans.iter().any(|(other, _)| *other == pid) {
            return;
        }
        if let Ok(ended) = rustix::process::pidfd_open(pid, PidfdFlags::empty())
            && self.poller.add(&ended, ORPHANS, Role::Ended).is_ok()
        {
            self.orphans.push((pid, ended));
        }
    }

    /// The list of children may leave some out that are there, when others end while it is read.
    pub(crate) fn look_for_orphans_again(&mut self) {
        self.orphans_again_ms = Some(self.now_ms() + AGAIN_MS);
    }

    /// Looks for them, if that is due.
    pub(crate) fn on_orphans_deadline(&mut self) {
        if self.orphans_again_ms.is_some_and(|again_ms| again_ms <= self.now_ms()) {
            self.orphans_again_ms = None;
            self.on_orphans_ended();
        }
    }

    /// Some have ended. What they started themselves is the daemon's child now.
    pub(crate) fn on_orphans_ended(&mut self) {
        self.reap();
        self.orphans.retain(|(_, ended)| !has_ended(ended));
        self.end_orphans();
    }
}

fn has_ended(process: &OwnedFd) -> bool {
    let at_once = Timespec { tv_sec: 0, tv_nsec: 0 };
    poll(&mut [PollFd::new(process, PollFlags::IN)], Some(&at_once)).is_ok_and(|ready| ready > 0)
}

/// Whose a process is.
enum Owner {
    Worker(u64),
    /// It is ending, and has no memory any more that would say so.
    Ending,
    Nobody,
}

fn marked_worker(pid: Pid) -> Owner {
    match trygon_processes::environment(pid) {
        Some(environment) if environment.is_empty() => Owner::Ending,
        Some(environment) => {
            let mark = trygon_processes::variable(&environment, WORKER_MARK);
            let number = mark.and_then(|mark| u64::from_str_radix(&mark, 16).ok()).filter(|number| *number > 0);
            number.map_or(Owner::Nobody, Owner::Worker)
        }
        None => Owner::Nobody,
    }
}
