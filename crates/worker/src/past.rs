//! What ended earlier attempts of this process's tasks. Only a failed attempt is noted, so that tasks that go well cost nothing.

use std::collections::{HashMap, VecDeque};
use std::time::{SystemTime, UNIX_EPOCH};
use trygon_ids::{TaskId, WorkerId};
use trygon_wire::control::AttemptFacts;

/// Tasks that are remembered; the one that failed first gives way.
const MOST_TASKS: usize = 1024;
/// Attempts of one task that are remembered: the first and the newest ones.
const MOST_ATTEMPTS: usize = 16;

/// The failed attempts.
#[derive(Debug, Default)]
pub(crate) struct Past {
    of: HashMap<TaskId, Vec<AttemptFacts>>,
    order: VecDeque<TaskId>,
}

impl Past {
    /// An attempt has failed just now.
    pub(crate) fn note(&mut self, task: TaskId, attempt: u32, reason: String, executor: Option<WorkerId>) {
        if !self.of.contains_key(&task) {
            self.order.push_back(task);
            if self.order.len() > MOST_TASKS
                && let Some(oldest) = self.order.pop_front()
            {
                self.of.remove(&oldest);
            }
        }
        let attempts = self.of.entry(task).or_default();
        if attempts.len() >= MOST_ATTEMPTS {
            attempts.remove(1);
        }
        let time_us = SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_micros() as u64);
        let worker_id = executor.map_or_else(Vec::new, |executor| executor.as_bytes().to_vec());
        attempts.push(AttemptFacts { attempt, time_us, reason, worker_id });
    }

    /// Those of a task, the first first.
    pub(crate) fn of(&self, task: &TaskId) -> Vec<AttemptFacts> {
        self.of.get(task).cloned().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests;
