//! Another attempt for a task whose worker was ended for its memory.
//!
//! When the node was nearly full it was not the task's fault, or not its alone: it is tried again without using up a retry, as often as the
//! rule says. When it had more than its own limit it uses up a retry like any task whose worker dies. Either way it waits first, longer each
//! time, so that what fills the memory does not do so in a loop (RETRY-1); and not all at the same moment.

use crate::effect::Effect;
use crate::entry::Phase;
use crate::retry_delays::MemoryRetryRule;
use crate::state::Core;

/// The cause of the death of a worker that was ended because the node was nearly full.
const NODE_WAS_FULL: &str = "out_of_memory";
/// The cause of the death of a worker that had more than its own limit.
const OVER_LIMIT: &str = "memory_limit";
/// No attempt waits longer.
const LONGEST_NS: u64 = 30_000_000_000;
/// A task that passed its own limit waits this part of the usual time.
const OVER_LIMIT_PART: u64 = 10;

/// What becomes of a task that had started.
pub(crate) enum NextAttempt {
    None,
    Now,
    At(u64),
}

impl Core {
    /// Says how tasks are tried again that were ended for want of memory.
    pub fn set_memory_retry_rule(&mut self, rule: MemoryRetryRule) {
        self.memory_retries.rule = rule;
    }

    /// Whether a task that a dead worker had started is tried again, and when. Uses up a retry where that is due.
    pub(crate) fn next_attempt(&mut self, slot: u32, cause_kind: &str, now_ns: u64) -> NextAttempt {
        let was_full = cause_kind == NODE_WAS_FULL;
        if !was_full && cause_kind != OVER_LIMIT {
            return if self.take_retry(slot) { NextAttempt::Now } else { NextAttempt::None };
        }
        let entry = self.table.at(slot);
        let (generation, may_retry) = (entry.generation, entry.retries_left != 0);
        let before = self.memory_retries.counts.get(&slot).filter(|(other, _)| *other == generation);
        let ended = before.map_or(0, |(_, ended)| *ended) + 1;
        let rule = self.memory_retries.rule;
        let is_allowed = match was_full {
            true => may_retry && u64::try_from(rule.max_retries).map_or(true, |max_retries| ended <= max_retries),
            false => self.take_retry(slot),
        };
        if !is_allowed {
            return NextAttempt::None;
        }
        let table = &self.table;
        let is_open = |slot: u32, generation: u32| table.get(slot, generation).is_some_and(|entry| !entry.is_over());
        self.memory_retries.counts.retain(|slot, (generation, _)| is_open(*slot, *generation));
        self.memory_retries.counts.insert(slot, (generation, ended));
        let first_ns = if was_full { rule.first_wait_ns } else { rule.first_wait_ns / OVER_LIMIT_PART };
        let wait_ns = first_ns.saturating_mul(1 << (ended - 1).min(16)).min(LONGEST_NS);
        NextAttempt::At(now_ns + self.with_jitter(wait_ns, slot, generation, ended))
    }

    /// Three quarters to five quarters of a time, which tasks and processes draw differently and a replay draws again.
    fn with_jitter(&self, wait_ns: u64, slot: u32, generation: u32, ended: u64) -> u64 {
        let mut word = u64::from(slot) << 32 ^ u64::from(generation) ^ ended << 16;
        for byte in self.identity.worker.as_bytes() {
            word = (word ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
        word = (word ^ word >> 29).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        wait_ns - wait_ns / 4 + (word >> 32) % (wait_ns / 2).max(1)
    }

    /// RETRY-1: what waits for its time is found when that has come.
    pub(crate) fn check_delayed(&self) -> Result<(), String> {
        for (slot, entry) in self.table.used().filter(|(_, entry)| entry.phase == Phase::Delayed) {
            let own = (entry.generation, entry.attempt);
            if self.delayed.iter().filter(|((_, other), task)| *other == slot && **task == own).count() != 1 {
                return Err(format!("RETRY-1: slot {slot} waits for no time, or for several"));
            }
        }
        Ok(())
    }

    /// For whoever reads the log.
    pub(crate) fn note_memory_retry(&mut self, slot: u32, cause_kind: &str, message: &str, wait_ns: u64) {
        let reason = format!("{}; the next attempt is in {:.2} s", message, wait_ns as f64 / 1e9);
        let was = self.effects.len();
        self.note_retry(slot, &reason);
        if cause_kind != NODE_WAS_FULL {
            return;
        }
        let ended = self.memory_retries.counts.get(&slot).map_or(0, |(_, ended)| *ended);
        let max_retries = self.memory_retries.rule.max_retries;
        let own_left =
            u64::try_from(max_retries).map_or(-1, |max| i32::try_from(max.saturating_sub(ended)).unwrap_or(i32::MAX));
        for effect in &mut self.effects[was..] {
            if let Effect::Retried { left, .. } = effect {
                *left = own_left;
            }
        }
    }
}
