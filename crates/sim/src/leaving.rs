//! Machines that go: owners are told, again and again, and move what lies there before its memory is lost (OWN-9).

use crate::fault::Fault;
use crate::message::ToProcess;
use crate::world::{Event, World};
use trygon_worker_core::Location;

/// How long a machine takes to go, and how often owners hear of it meanwhile.
const LEAVES_NS: u64 = 20_000_000;
const TOLD_EVERY_NS: u64 = 2_000_000;

impl World {
    /// At some steps a machine begins to go. One is always left.
    pub(crate) fn maybe_drain_node(&mut self) {
        if self.workload.drain_per_10000 == 0 || self.random.below(10_000) >= self.workload.drain_per_10000 {
            return;
        }
        let living = self.living_nodes();
        if living.len() < 2 {
            return;
        }
        let node = living[self.random.below(living.len() as u64) as usize];
        self.leaving.insert(node, self.now_ns + LEAVES_NS);
        self.on_leaving(node);
    }

    /// Owners hear that a machine goes; when its time is over its memory is lost.
    pub(crate) fn on_leaving(&mut self, node: u64) {
        let Some(ends_ns) = self.leaving.get(&node).copied().filter(|_| !self.lost_nodes.contains(&node)) else {
            return;
        };
        if self.now_ns >= ends_ns {
            self.check_moved(node);
            self.leaving.remove(&node);
            return self.lose_node(node);
        }
        for number in self.processes.numbers() {
            if self.processes[number].is_alive {
                self.send_process(number, ToProcess::NodeDrains { node });
            }
        }
        self.plan(TOLD_EVERY_NS, Event::Fault(Fault::Leaves(node)));
    }

    /// Whether a copy can be fetched from there. From a machine that goes it cannot always be at first, and always at last.
    pub(crate) fn is_reached(&mut self, location: Location) -> bool {
        let ends_ns = self.leaving.get(&location.segment.node_number()).copied();
        ends_ns.is_some_and(|ends_ns| ends_ns < self.now_ns + LEAVES_NS / 2) || self.random.percent(80)
    }

    /// OWN-9: nothing that is owned by a living process lies on a machine whose time is over: it was told for long enough.
    fn check_moved(&mut self, node: u64) {
        for number in self.processes.numbers() {
            let process = &self.processes[number];
            if let Some((object, _)) = process.core.stored_on(node).first().filter(|_| process.is_alive) {
                return self
                    .fail(format!("OWN-9: {object} of process {number} lies on machine {node}, which is gone now"));
            }
        }
    }
}
