//! When a task is tried again: at once after its first failed attempt, then after waits that grow, so that one which always fails does not
//! keep a machine busy with nothing else.

use crate::effect::Outbox;
use crate::entry::Phase;
use crate::state::Core;

/// Waits between two attempts of one task.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RetryDelays {
    /// The wait before the first retry, whatever made it necessary; each further one doubles it. 0: the first retry after a death comes at
    /// once and later ones wait from [`RetryDelays::LATER_NS`] on, while those after an error of user code never wait.
    pub first_ns: u64,
    /// No wait is longer.
    pub cap_ns: u64,
}

impl RetryDelays {
    /// The wait before the second retry after deaths, when nothing else is said.
    pub const LATER_NS: u64 = 20_000_000;
}

impl Default for RetryDelays {
    fn default() -> Self {
        Self { first_ns: 0, cap_ns: 10_000_000_000 }
    }
}

/// Why an attempt failed, as far as the wait for the next one depends on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Failure {
    /// Its process is gone.
    Death,
    /// User code raised.
    Error,
}

impl RetryDelays {
    /// The wait after `failures` failed attempts (at least 1), without what chance adds.
    fn plain_ns(&self, failures: u16, failure: Failure) -> u64 {
        let (base_ns, doublings) = match (self.first_ns, failure) {
            (0, Failure::Error) => return 0,
            (0, Failure::Death) if failures < 2 => return 0,
            (0, Failure::Death) => (Self::LATER_NS, failures - 2),
            (first_ns, _) => (first_ns, failures.saturating_sub(1)),
        };
        base_ns.saturating_mul(1 << doublings.min(40)).min(self.cap_ns)
    }
}

/// What chance adds: up to half of the wait, other for each task and attempt, so that tasks that failed together do not return together.
/// It comes from the task's identity: the same run has the same waits.
fn spread(delay_ns: u64, seed: u64) -> u64 {
    let mut mixed = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    let fraction = (mixed ^ (mixed >> 31)) >> 48;
    delay_ns + (u128::from(delay_ns / 2) * u128::from(fraction) / 0xffff) as u64
}

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
        entry.phase = Phase::WaitsForArguments;
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
            let waits =
                |entry: &&crate::entry::Entry| entry.phase == Phase::WaitsForArguments && entry.attempt == attempt;
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_up_to_their_cap() {
        let plain = RetryDelays::default();
        let waits: Vec<u64> = (1..6).map(|failures| plain.plain_ns(failures, Failure::Death) / 1_000_000).collect();
        assert_eq!(waits, [0, 20, 40, 80, 160]);
        assert_eq!(plain.plain_ns(u16::MAX, Failure::Death), plain.cap_ns);
        assert_eq!(plain.plain_ns(9, Failure::Error), 0);
        let asked = RetryDelays { first_ns: 100, cap_ns: 350 };
        for failure in [Failure::Death, Failure::Error] {
            let waits: Vec<u64> = (1..5).map(|failures| asked.plain_ns(failures, failure)).collect();
            assert_eq!(waits, [100, 200, 350, 350]);
        }
    }

    #[test]
    fn chance_adds_up_to_half() {
        let waits: Vec<u64> = (0..1000).map(|seed| spread(1_000_000, seed)).collect();
        assert!(waits.iter().all(|wait| (1_000_000..=1_500_000).contains(wait)));
        let different: std::collections::BTreeSet<&u64> = waits.iter().collect();
        assert!(different.len() > 900, "{}", different.len());
        assert!(waits.iter().max() > Some(&1_490_000) && waits.iter().min() < Some(&1_010_000));
    }
}
