//! Deadlines: workers that idle too long, and workers that never became ready.

use crate::worker::Life;
use crate::{Effect, EnvironmentId, Node, PLAIN, StopReason};
use trygon_ids::WorkerId;

/// A worker that is not ready after this long is ended: its interpreter hangs.
const START_TIMEOUT_MS: u64 = 60_000;
/// In an environment of its own it may run a set-up hook first.
const START_WITH_HOOK_TIMEOUT_MS: u64 = 600_000;

impl Node {
    /// When `Event::Tick` is wanted next; `None` while there is nothing to wait for.
    pub fn next_deadline_ms(&self) -> Option<u64> {
        let starting = self.workers.iter().filter_map(|(worker, life)| match life {
            Life::Starting { since_ms } => Some(since_ms + self.start_timeout_ms(*worker)),
            _ => None,
        });
        // Only while work waits does a delayed start matter; it is then found out by the pass that follows the tick.
        // What waits although that time is over waits for something else.
        let is_delayed = self.start_failures > 0 && self.no_start_before_ms > self.now_ms && !self.queue.is_empty();
        let delayed = is_delayed.then_some(self.no_start_before_ms);
        let idle = self.oldest_idle_ms().map(|since_ms| since_ms + self.options.idle_worker_ms);
        let held = self.hold.as_ref().map(|hold| hold.until_ms);
        // Only what could be met grows impatient, so that an idle node with a hopeless request sleeps.
        let impatient = self.queue.iter().filter(|(_, waiting)| !waiting.is_aged && !waiting.told);
        let impatient = impatient.map(|(_, waiting)| waiting.patient_until_ms).min();
        let own =
            starting.chain(delayed.filter(|_| self.may_be_delayed())).chain(idle).chain(held).chain(impatient).min();
        own.into_iter()
            .chain(self.shares.next_ms)
            .chain(self.next_try_ms())
            .chain(self.cluster.report.deadline_ms())
            .min()
    }

    /// When a node that declined may be asked again, or a node that nobody knows is not waited for any longer.
    fn next_try_ms(&self) -> Option<u64> {
        self.cluster.number?;
        let waiting = self.queue.iter().filter(|(_, waiting)| waiting.home.is_none() && waiting.here() > 0);
        waiting.filter_map(|(_, waiting)| self.try_again_ms(waiting)).min()
    }

    /// Ends what is overdue.
    pub(crate) fn on_tick(&mut self, now_ms: u64, effects: &mut Vec<Effect>) {
        while self.oldest_idle_ms().is_some_and(|since_ms| since_ms + self.options.idle_worker_ms <= now_ms) {
            let Some(worker) = self.oldest_idle().and_then(|position| self.idle.remove(position)) else {
                break;
            };
            self.workers.insert(worker, Life::Exiting { lease: None });
            effects.push(Effect::StopWorker { worker, reason: StopReason::Idle });
        }
        let is_overdue = |(worker, life): &(&WorkerId, &Life)| matches!(life, Life::Starting { since_ms } if since_ms + self.start_timeout_ms(**worker) <= now_ms);
        let overdue: Vec<WorkerId> = self.workers.iter().filter(is_overdue).map(|(worker, _)| *worker).collect();
        for worker in overdue {
            self.workers.insert(worker, Life::Exiting { lease: None });
            effects.push(Effect::StopWorker { worker, reason: StopReason::StartTimeout });
        }
    }

    fn start_timeout_ms(&self, worker: WorkerId) -> u64 {
        if self.environment_of(worker) == PLAIN { START_TIMEOUT_MS } else { START_WITH_HOOK_TIMEOUT_MS }
    }

    /// Since when the worker that idles longest does so, if there are more idle workers than are kept.
    fn oldest_idle_ms(&self) -> Option<u64> {
        let worker = self.oldest_idle().and_then(|position| self.idle.get(position));
        worker.and_then(|worker| match self.workers.get(worker) {
            Some(Life::Idle { since_ms }) => Some(*since_ms),
            _ => None,
        })
    }

    /// Among the idle workers that own nothing and are not kept, the one that idles longest.
    fn oldest_idle(&self) -> Option<usize> {
        let is_of = |worker: &&WorkerId, environment| self.environment_of(**worker) == environment;
        // Environments whose idle workers are no more than are kept.
        let kept = self.kept.iter().filter(|(environment, count)| {
            self.idle.iter().filter(|worker| is_of(worker, **environment)).count() <= **count
        });
        let kept: Vec<EnvironmentId> = kept.map(|(environment, _)| *environment).collect();
        let is_kept = |worker: &WorkerId| kept.contains(&self.environment_of(*worker));
        self.idle.iter().position(|worker| !(self.owners.contains(worker) || is_kept(worker)))
    }

    fn may_be_delayed(&self) -> bool {
        !self.workers.values().any(|life| matches!(life, Life::Starting { .. }))
    }
}
