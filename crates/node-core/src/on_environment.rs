//! Environments can be used, or cannot be made.

use crate::lease::Refusal;
use crate::worker::Life;
use crate::{Effect, EnvironmentId, Node, StopReason};
use trygon_ids::WorkerId;

impl Node {
    /// Workers can be started in it; those that are kept ready are.
    pub(crate) fn on_environment_ready(&mut self, now_ms: u64, environment: EnvironmentId, effects: &mut Vec<Effect>) {
        if self.prepared.insert(environment) {
            self.start_kept(now_ms, environment, effects);
        }
    }

    /// What waits for it is refused, and workers that were to begin in it are forgotten. Those that run go on.
    pub(crate) fn on_environment_failed(
        &mut self,
        environment: EnvironmentId,
        message: &str,
        effects: &mut Vec<Effect>,
    ) {
        self.prepared.remove(&environment);
        for (owner, waiting) in self.queue.take_environment(environment) {
            self.refuse(owner, &waiting, Refusal::NoEnvironment, message.to_owned(), effects);
        }
        let of_it = |worker: &WorkerId| self.environment_of.get(worker) == Some(&environment);
        let starting =
            self.workers.iter().filter(|(worker, life)| matches!(life, Life::Starting { .. }) && of_it(worker));
        let starting: Vec<WorkerId> = starting.map(|(worker, _)| *worker).collect();
        for worker in starting {
            self.workers.insert(worker, Life::Exiting { lease: None });
            effects.push(Effect::StopWorker { worker, reason: StopReason::NoEnvironment });
        }
    }

    /// What a worker runs in.
    pub fn environment_of(&self, worker: WorkerId) -> EnvironmentId {
        self.environment_of.get(&worker).copied().unwrap_or(crate::PLAIN)
    }

    /// Whether a worker was asked for and is not ready.
    pub fn is_starting(&self, worker: WorkerId) -> bool {
        matches!(self.workers.get(&worker), Some(Life::Starting { .. }))
    }
}
