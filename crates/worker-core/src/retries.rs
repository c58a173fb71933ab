//! When a task is tried again: at once after its first failed attempt, then after waits that grow, so that one which always fails does not
//! keep a machine busy with nothing else.

use crate::effect::Outbox;
use crate::entry::Phase;
use crate::retry_delays::{Failure, RetryDelays, spread};
use crate::state::Core;

impl Core {
    /// How long tasks wait between two attempts.
    pub fn set_retry_delays(&mut self, delays: RetryDelays) {
        self.retry_delays = delays;
    }

    /// How long a task waits whose attempt failed just now; counts the failure.
    pub(crate) fn retry_delay_ns(&mut self, slot: u32, failure: Failure) -> u64 {
        let entry = self.table.at_mut(slot);
        entry.failed_attempts = entry.failed_attempts.saturating_add(1);
        let incarnation = self
            .identity
            .incarnation
            .as_bytes()
            .iter()
            .fold(0u64, |sum, byte| sum.wrapping_mul(31).wrapping_add(u64::from(*byte)));
        let seed =
            incarnation ^ (u64::from(slot) << 32) ^ (u64::from(entry.generation) << 16) ^ u64::from(entry.attempt);
        let delay_ns = self.retry_delays.plain_ns(entry.failed_attempts, failure);
        spread(delay_ns, seed).min(self.retry_delays.cap_ns.max(self.retry_delays.first_ns))
    }

    /// The next attempt of a task begins at `due_ns`, not before. It is in no queue until then.
    pub(crate) fn resubmit_at(&mut self, slot: u32, due_ns: u64) {
        let entry = self.table.at_mut(slot);
        entry.attempt += 1;
        entry.phase = Phase::Delayed;
        self.delayed.insert((due_ns, slot), (entry.generation, entry.attempt));
    }

    /// Queues the tasks whose time to be tried again has come. True while others wait for theirs.
    pub fn resubmit_due<O: Outbox>(&mut self, now_ns: u64, outbox: &mut O) -> bool {
        while let Some((&(due_ns, slot), &(generation, attempt))) = self.delayed.first_key_value() {
            if due_ns > now_ns {
                return true;
            }
            self.delayed.pop_first();
            // It may have been cancelled meanwhile.
            let waits = |entry: &&crate::entry::Entry| entry.phase == Phase::Delayed && entry.attempt == attempt;
            if self.table.get(slot, generation).filter(waits).is_some() && !self.defects.delay_endless {
                self.dispatch(slot, outbox);
            }
        }
        false
    }

    /// When the next task is to be tried again.
    pub fn next_retry_ns(&self) -> Option<u64> {
        self.delayed.first_key_value().map(|((due_ns, _), _)| *due_ns)
    }
}
