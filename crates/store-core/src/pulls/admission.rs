//! What may run: by urgency, within the budget (PULL-2).

use crate::pulls::state::{Priority, PullEffect, PullTable, Stage};
use trygon_ids::ObjectId;

impl PullTable {
    /// Begins what may begin. A large object that has to wait is not overtaken by small ones of its kind: it would wait for ever.
    pub(crate) fn admit(&mut self, effects: &mut Vec<PullEffect>) {
        while let Some(object) = self.next_queued() {
            let Some(pull) = self.pulls.get_mut(&object) else { return };
            let fits = self.running_bytes.saturating_add(pull.size_bytes) <= self.limits.budget_bytes;
            let is_alone = self.running_bytes == 0 && !self.pulls.values().any(|pull| pull.is_running());
            if !fits && !is_alone && !self.defects.budget_ignored {
                return;
            }
            let Some(pull) = self.pulls.get_mut(&object) else { return };
            self.running_bytes += pull.size_bytes;
            pull.stage = Stage::Reserving;
            effects.push(PullEffect::Reserve { object, size_bytes: pull.size_bytes });
        }
    }

    fn next_queued(&self) -> Option<ObjectId> {
        let queued = self.pulls.iter().filter_map(|(object, pull)| match (pull.stage, pull.priority()) {
            (Stage::Queued { number }, Some(_)) if self.defects.urgency_ignored => {
                Some((Priority::Get, number, *object))
            }
            (Stage::Queued { number }, Some(priority)) => Some((priority, number, *object)),
            _ => None,
        });
        queued.min().map(|(_, _, object)| object)
    }

    /// Room was found for the copy, or there is none.
    pub fn on_space(&mut self, object: &ObjectId, found: bool, effects: &mut Vec<PullEffect>) {
        let Some(pull) = self.pulls.get_mut(object).filter(|pull| pull.stage == Stage::Reserving) else {
            return;
        };
        if !found {
            pull.failure = crate::PullFailure::StoreFull;
            self.running_bytes -= pull.size_bytes;
            self.fail(object, effects);
        } else if pull.waiters.is_empty() {
            self.running_bytes -= pull.size_bytes;
            effects.push(PullEffect::Free { object: *object });
            self.pulls.remove(object);
        } else {
            self.fetch_next(object, effects);
        }
        self.admit(effects);
    }

    /// Time has passed: what rested is tried again.
    pub fn on_tick(&mut self, now_ms: u64, effects: &mut Vec<PullEffect>) {
        for pull in self.pulls.values_mut() {
            if matches!(pull.stage, Stage::Resting { until_ms } if until_ms <= now_ms) && !self.defects.rest_endless {
                pull.stage = Stage::Queued { number: self.next_number };
                self.next_number += 1;
            }
        }
        self.admit(effects);
    }

    /// When `on_tick` has something to do, if nothing happens before.
    pub fn next_deadline_ms(&self) -> Option<u64> {
        let until = |stage| if let Stage::Resting { until_ms } = stage { Some(until_ms) } else { None };
        self.pulls.values().filter_map(|pull| until(pull.stage)).min()
    }
}
