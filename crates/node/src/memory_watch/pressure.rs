//! The node's memory is nearly full: the brain is asked whom to end, and people are told when nobody can be.

use crate::memory_watch::books::Pressure;
use crate::memory_watch::report::share;
use crate::recorder;
use crate::service::Service;
use crate::worker_pool::ZYGOTE;
use rustix::process::Signal;
use trygon_ids::WorkerId;
use trygon_node_core::{Event, WorkerMemory};
use trygon_wire::recorder as layout;

/// The number in the poller of the watch's news. No process ever gets it.
pub(crate) const MEMORY: u64 = ZYGOTE - 7;
/// That nothing can be done is said again after this.
const HELPLESS_AGAIN_MS: u64 = 30_000;

impl Service {
    /// The watch has something to say.
    pub(crate) fn on_memory_news(&mut self) {
        let pressure = self.memory.take_pressure();
        self.say_complaints();
        let Some(pressure) = pressure else {
            return;
        };
        let excess_bytes = pressure.node.used_bytes.saturating_sub(pressure.allowed_bytes);
        let workers = pressure.workers.iter().map(|(number, measured)| WorkerMemory {
            worker: self.node.worker_id(*number),
            used_bytes: measured.used_bytes,
            is_retriable: self.runs_retriable(*number),
        });
        let workers = workers.collect();
        self.memory.last_pressure = Some(pressure);
        self.node_step(Event::MemoryPressure { excess_bytes, workers });
        self.say_if_helpless();
    }

    fn runs_retriable(&self, number: u64) -> bool {
        let recorder = self.processes.get(&number).and_then(|process| process.recorder.as_ref());
        recorder.is_some_and(|recorder| layout::runs_retriable(&recorder::read_head(recorder)))
    }

    /// Ends the worker that the brain chose, and its children with it.
    pub(crate) fn end_for_pressure(&mut self, worker: WorkerId) {
        let number = self.number_of(worker);
        let Some(pressure) = self.memory.last_pressure.take() else {
            return;
        };
        let message = self.pressure_message(&pressure, number);
        let pid = self.processes.get(&number).and_then(|process| process.pid);
        let children = pid.map(trygon_processes::below).unwrap_or_default();
        self.kill_worker(worker, "out_of_memory", message);
        for child in children {
            let _ = rustix::process::kill_process(child, Signal::KILL);
        }
        self.memory.helpless_ms = None;
    }

    /// What the environment says about memory and cannot be done.
    pub(crate) fn say_complaints(&mut self) {
        for complaint in std::mem::take(&mut self.memory.complaints) {
            self.say(complaint);
        }
    }

    /// Nobody was chosen, and nobody is on his way out.
    fn say_if_helpless(&mut self) {
        let now_ms = self.now_ms();
        let is_new = self.memory.helpless_ms.is_none_or(|said_ms| said_ms + HELPLESS_AGAIN_MS <= now_ms);
        let Some(pressure) = self.memory.last_pressure.take().filter(|_| is_new && !self.node.ends_for_memory()) else {
            return;
        };
        self.memory.helpless_ms = Some(now_ms);
        let Pressure { node, .. } = pressure;
        self.say(format!(
            "the memory of node {} is nearly full ({}), and no task or actor here has enough of it for its end to help",
            self.identity.address,
            share(node)
        ));
    }
}
