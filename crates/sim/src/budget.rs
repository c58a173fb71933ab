//! FLOW-1: whoever has too many bytes of arguments in unfinished tasks waits before it submits, and lends its CPU meanwhile.

use crate::message::ToDaemon;
use crate::world::{Event, World};

/// How soon it looks again.
const LOOK_NS: u64 = 300_000;

impl World {
    /// Whether a process may not submit now. One that may after a wait has its CPU back.
    pub(crate) fn waits_for_room(&mut self, number: usize) -> bool {
        let limit_bytes = self.workload.argument_limit_bytes;
        let process = &mut self.processes[number];
        if limit_bytes == 0 {
            return false;
        }
        let waits = !process.core.has_argument_room(limit_bytes);
        if !waits && std::mem::take(&mut process.blocked) {
            self.send_daemon(number, ToDaemon::Unblocked);
        }
        waits
    }

    pub(crate) fn wait_for_room(&mut self, number: usize) {
        if number != 0 {
            self.enter_blocked(number);
        }
        self.settle_and_flush(number);
        if !std::mem::replace(&mut self.processes[number].step_planned, true) {
            self.plan(LOOK_NS, Event::Step { process: number });
        }
    }

    /// FLOW-1: what waits exceeds the limit by the last task's arguments at most.
    pub(crate) fn check_budget(&mut self, number: usize, last_bytes: usize) {
        let limit_bytes = self.workload.argument_limit_bytes;
        let waiting_bytes = self.processes[number].core.argument_bytes();
        if limit_bytes > 0 && waiting_bytes >= limit_bytes + last_bytes {
            self.fail(format!("FLOW-1: process {number} has {waiting_bytes} bytes of arguments waiting, {limit_bytes} are allowed"));
        }
    }
}
