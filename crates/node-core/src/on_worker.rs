//! Workers begin and end.

use crate::lease::Purpose;
use crate::worker::Life;
use crate::{Effect, EnvironmentId, Node};
use trygon_ids::WorkerId;

/// After this many failed starts in a row, the next ones are delayed.
const FREE_START_FAILURES: u32 = 3;
/// First delay after that; it doubles.
const FIRST_DELAY_MS: u64 = 100;
/// Longest delay.
const MAX_DELAY_MS: u64 = 5_000;

impl Node {
    /// Starts the workers that are kept ready.
    pub(crate) fn on_start(&mut self, now_ms: u64, effects: &mut Vec<Effect>) {
        let environments: Vec<EnvironmentId> = self.kept.keys().copied().collect();
        for environment in environments {
            self.start_kept(now_ms, environment, effects);
        }
    }

    /// So many workers are kept in an environment from now on.
    pub(crate) fn on_workers_kept(
        &mut self,
        now_ms: u64,
        environment: EnvironmentId,
        count: usize,
        effects: &mut Vec<Effect>,
    ) {
        if count == 0 {
            self.kept.remove(&environment);
        } else {
            self.kept.insert(environment, count);
            self.start_kept(now_ms, environment, effects);
        }
    }

    /// Starts the workers that are kept ready in an environment, once it is prepared.
    pub(crate) fn start_kept(&mut self, now_ms: u64, environment: EnvironmentId, effects: &mut Vec<Effect>) {
        let Some(wanted) = self.kept.get(&environment).copied().filter(|_| self.prepared.contains(&environment)) else {
            return;
        };
        let cap = if self.options.max_workers == 0 { usize::MAX } else { self.options.max_workers };
        let kept = self.environment_of.values().filter(|other| **other == environment).count();
        let room = cap.saturating_sub(self.workers.len());
        for _ in 0..wanted.saturating_sub(kept).min(room) {
            self.start_worker(now_ms, environment, effects);
        }
    }

    /// Asks for one more worker.
    pub(crate) fn start_worker(&mut self, now_ms: u64, environment: EnvironmentId, effects: &mut Vec<Effect>) {
        let worker = self.worker_id(self.next_worker);
        self.next_worker += 1;
        self.workers.insert(worker, Life::Starting { since_ms: now_ms });
        self.environment_of.insert(worker, environment);
        effects.push(Effect::StartWorker { worker, environment });
    }

    /// A worker that was asked for can be used.
    pub(crate) fn on_worker_ready(&mut self, now_ms: u64, worker: WorkerId) {
        let is_again = self.defects.ready_again;
        let expected = |life: &&mut Life| {
            matches!(life, Life::Starting { .. }) || (is_again && matches!(life, Life::Leased { .. }))
        };
        if let Some(life) = self.workers.get_mut(&worker).filter(expected) {
            *life = Life::Idle { since_ms: now_ms };
            self.idle.push_back(worker);
            self.start_failures = 0;
        }
    }

    /// A worker gets nothing new; its lease stays until it is returned or the process is gone.
    pub(crate) fn on_worker_exiting(&mut self, worker: WorkerId) {
        let Some(life) = self.workers.get_mut(&worker) else {
            return;
        };
        *life = Life::Exiting { lease: life.lease() };
        self.idle.retain(|other| *other != worker);
    }

    /// Both roles of a dead process end: what it worked on, and what it owned.
    pub(crate) fn on_process_died(&mut self, now_ms: u64, process: WorkerId, effects: &mut Vec<Effect>) {
        self.environment_of.remove(&process);
        if self.memory_victim == Some(process) {
            self.memory_victim = None;
        }
        if let Some(life) = self.workers.remove(&process) {
            self.idle.retain(|other| *other != process);
            if let Some(lease) = life.lease() {
                self.end_lease(lease);
            }
            if matches!(life, Life::Starting { .. }) {
                self.note_failed_start(now_ms);
            }
        }
        for waiting in self.queue.cancel_owner(process) {
            self.recall(process, &waiting, effects);
        }
        self.forget_foreign(process, effects);
        self.end_orphans(|lease| lease.owner == process && matches!(lease.purpose, Purpose::Tasks { .. }), effects);
    }

    fn note_failed_start(&mut self, now_ms: u64) {
        self.start_failures += 1;
        let Some(late) = self.start_failures.checked_sub(FREE_START_FAILURES) else {
            return;
        };
        let delay_ms = (FIRST_DELAY_MS << late.min(10)).min(MAX_DELAY_MS);
        self.no_start_before_ms = now_ms + delay_ms;
    }
}
