//! What must hold between any two events.

use crate::pulls::state::{PullTable, Stage};

impl PullTable {
    /// Checks the invariants; the first that is broken comes back in words.
    pub fn sanity_check(&self) -> Result<(), String> {
        let running = self.pulls.values().filter(|pull| pull.is_running());
        let (mut count, mut bytes) = (0, 0);
        for pull in running {
            count += 1;
            bytes += pull.size_bytes;
        }
        if bytes != self.running_bytes {
            return Err(format!("PULL-2: {bytes} bytes run, {} are counted", self.running_bytes));
        }
        if count > 1 && bytes > self.limits.budget_bytes {
            return Err(format!("PULL-2: {count} transfers of {bytes} bytes run"));
        }
        let is_queued = |stage| matches!(stage, Stage::Queued { .. });
        if count == 0 && self.pulls.values().any(|pull| is_queued(pull.stage)) {
            return Err("PULL-2: something waits though nothing runs".into());
        }
        for (object, pull) in &self.pulls {
            let is_here = pull.stage == Stage::Here;
            if is_here != pull.waiters.is_empty() && !pull.is_running() {
                return Err(format!("PULL-3: {object:?} is {:?} and has {} waiters", pull.stage, pull.waiters.len()));
            }
            if is_here && pull.holders.is_empty() && pull.sends == 0 {
                return Err(format!("PULL-5: nobody holds {object:?}"));
            }
            if !is_here && !pull.holders.is_empty() {
                return Err(format!("PULL-1: {object:?} is held by someone and not here"));
            }
            if matches!(pull.stage, Stage::Fetching { .. } | Stage::Queued { .. } | Stage::Resting { .. })
                && (pull.source().is_none() || pull.waiters.is_empty())
            {
                return Err(format!("PULL-3: {object:?} is {:?} without source or reason", pull.stage));
            }
        }
        Ok(())
    }
}
