//! What became of a fetch: the copy, the next source, a pause, or an error.

use crate::pulls::state::{FetchEnd, FetchOutcome, Pull, PullEffect, PullFailure, PullTable, Stage};
use trygon_ids::ObjectId;

/// After so many other receivers were named, the origin is asked to serve by itself.
const MOST_REDIRECTS: u32 = 4;

impl PullTable {
    /// A fetch has ended, and nothing writes to the memory any more (PULL-4).
    pub fn on_fetched(&mut self, object: &ObjectId, end: FetchEnd, now_ms: u64, effects: &mut Vec<PullEffect>) {
        let FetchEnd { attempt, outcome, has_moved } = end;
        let Some(pull) = self.pulls.get_mut(object) else { return };
        let was_stopped = match pull.stage {
            Stage::Fetching { attempt: running } if running == attempt => false,
            Stage::Stopping { attempt: running } if running == attempt => true,
            _ => return,
        };
        if pull.waiters.is_empty() && (outcome != FetchOutcome::Complete || pull.sends == 0) {
            self.give_up_room(object, effects);
            self.pulls.remove(object);
        } else if outcome == FetchOutcome::Complete {
            self.complete(object, effects);
        } else {
            if has_moved {
                pull.forget_failures();
            }
            if !was_stopped {
                self.after_failure(object, outcome, now_ms);
            }
            if has_moved && let Some(pull) = self.pulls.get_mut(object) {
                // It did answer: a fetch that goes on where this one broke off needs no pause.
                pull.silent = 0;
            }
            self.go_on(object, now_ms, effects);
        }
        if !self.defects.end_unnoticed {
            self.admit(effects);
        }
    }

    pub(crate) fn give_up_room(&mut self, object: &ObjectId, effects: &mut Vec<PullEffect>) {
        if let Some(pull) = self.pulls.get(object) {
            self.running_bytes -= pull.size_bytes;
            effects.push(PullEffect::Free { object: *object });
        }
    }

    fn complete(&mut self, object: &ObjectId, effects: &mut Vec<PullEffect>) {
        let Some(pull) = self.pulls.get_mut(object) else { return };
        self.running_bytes -= pull.size_bytes;
        self.completed += 1;
        pull.stage = Stage::Here;
        effects.push(PullEffect::Seal { object: *object });
        for (to, _) in std::mem::take(&mut pull.waiters) {
            pull.holders.insert(to);
            effects.push(PullEffect::Answer { to, object: *object, result: Ok(()) });
        }
    }

    /// Notes what the failure says of the source that failed.
    fn after_failure(&mut self, object: &ObjectId, outcome: FetchOutcome, now_ms: u64) {
        let Some(pull) = self.pulls.get_mut(object) else { return };
        if let Some(named) = pull.named.take()
            && !matches!(outcome, FetchOutcome::Redirect(_))
        {
            // The origin is told, and names another one.
            pull.failed_node = Some(named.node);
            return;
        }
        match outcome {
            FetchOutcome::Gone | FetchOutcome::Refused => {
                pull.failure =
                    if outcome == FetchOutcome::Refused { PullFailure::NotAllowed } else { PullFailure::Lost };
                pull.origins.pop_front();
            }
            FetchOutcome::Redirect(named) => {
                pull.redirects += 1;
                let is_usable = pull.redirects <= MOST_REDIRECTS
                    && !self.dead_nodes.contains(&named.node)
                    && named.location.size_bytes == pull.size_bytes;
                if is_usable {
                    pull.named = Some(named);
                } else {
                    pull.origins.iter_mut().for_each(|origin| origin.is_direct = true);
                }
            }
            FetchOutcome::Unreachable | FetchOutcome::Stopped => {
                pull.silent += 1;
                pull.silent_since_ms.get_or_insert(now_ms);
                pull.failure = PullFailure::TimedOut;
                pull.origins.rotate_left(1.min(pull.origins.len()));
            }
            FetchOutcome::Complete => {}
        }
    }

    /// The next source, a pause, or the end.
    fn go_on(&mut self, object: &ObjectId, now_ms: u64, effects: &mut Vec<PullEffect>) {
        let Some(pull) = self.pulls.get_mut(object) else { return };
        let all_silent = pull.named.is_none() && pull.silent > 0 && pull.silent >= pull.origins.len();
        if pull.source().is_none() {
            self.give_up_room(object, effects);
            self.fail(object, effects);
        } else if !all_silent {
            self.fetch_next(object, effects);
        } else if pull.silent_since_ms.is_some_and(|since| now_ms >= since.saturating_add(self.limits.give_up_ms)) {
            self.give_up_room(object, effects);
            self.fail(object, effects);
        } else {
            pull.silent = 0;
            pull.stage = Stage::Resting { until_ms: now_ms.saturating_add(self.limits.retry_ms) };
            self.give_up_room(object, effects);
        }
    }

    /// Fetches from the first source into room that is there already.
    pub(crate) fn fetch_next(&mut self, object: &ObjectId, effects: &mut Vec<PullEffect>) {
        let Some(pull) = self.pulls.get_mut(object) else { return };
        let Some(source) = pull.source() else {
            self.give_up_room(object, effects);
            return self.fail(object, effects);
        };
        let attempt = self.next_attempt;
        self.next_attempt += 1;
        pull.stage = Stage::Fetching { attempt };
        effects.push(PullEffect::Fetch { object: *object, attempt, source });
    }

    /// Nobody gets it (PULL-3). Its room was given up before.
    pub(crate) fn fail(&mut self, object: &ObjectId, effects: &mut Vec<PullEffect>) {
        let Some(pull) = self.pulls.remove(object) else { return };
        self.failed += 1;
        let told = if self.defects.failure_told_once { 1 } else { usize::MAX };
        for (to, _) in pull.waiters.into_iter().take(told) {
            effects.push(PullEffect::Answer { to, object: *object, result: Err(pull.failure) });
        }
    }
}

impl Pull {
    /// Something came: what failed before counts no more.
    fn forget_failures(&mut self) {
        self.redirects = 0;
        self.silent_since_ms = None;
        self.origins.iter_mut().for_each(|origin| origin.is_direct = false);
    }
}
