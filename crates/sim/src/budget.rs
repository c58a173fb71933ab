//! FLOW-1: the driver's program waits before it submits while too many bytes of arguments of its unfinished tasks wait to be used.
//!
//! Only the driver's: what is asked of a worker may be what its own tasks wait for, and then it would wait for itself.

use crate::world::{Event, World};

/// How soon it looks again.
const LOOK_NS: u64 = 300_000;

impl World {
    /// Whether a process may not submit now.
    pub(crate) fn waits_for_room(&self, number: usize) -> bool {
        let limit_bytes = self.workload.argument_limit_bytes;
        limit_bytes > 0 && number == 0 && !self.processes[number].core.has_argument_room(limit_bytes)
    }

    pub(crate) fn wait_for_room(&mut self, number: usize) {
        self.settle_and_flush(number);
        if !std::mem::replace(&mut self.processes[number].step_planned, true) {
            self.plan(LOOK_NS, Event::Step { process: number });
        }
    }

    /// FLOW-1: what waits exceeds the limit by the last task's arguments at most.
    pub(crate) fn check_budget(&mut self, number: usize, last_bytes: usize) {
        let limit_bytes = self.workload.argument_limit_bytes;
        let waiting_bytes = self.processes[number].core.argument_bytes();
        if limit_bytes > 0 && number == 0 && waiting_bytes >= limit_bytes + last_bytes {
            self.fail(format!(
                "FLOW-1: {waiting_bytes} bytes of arguments of the driver wait, {limit_bytes} are allowed"
            ));
        }
    }
}
