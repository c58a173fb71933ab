//! NODE-2, a node's side: how long it may run what it runs. Pure: knows no clock, time is given.
//!
//! A lease counts from the moment at which it was asked for, so it ends here before it ends for the head, whatever the way of the answer.

#[cfg(test)]
mod tests;

/// Planted defects, for the simulator: each breaks one rule.
#[derive(Debug, Clone, Copy, Default)]
pub struct OwnLeaseDefects {
    /// NODE-1: a node whose lease is over goes on until the head says so.
    pub ignores_the_end: bool,
    /// NODE-2: a lease counts from the answer on.
    pub counts_from_the_answer: bool,
}

/// The node's own lease.
#[derive(Debug, Default)]
pub struct OwnLease {
    defects: OwnLeaseDefects,
    /// Its end; none before the node asked the head to be taken up.
    until_ms: Option<u64>,
    /// Why it is over, for ever.
    over: Option<String>,
}

impl OwnLease {
    /// With planted defects.
    pub fn with_defects(defects: OwnLeaseDefects) -> Self {
        Self { defects, ..Self::default() }
    }

    /// The node is about to ask to be taken up: from now on it has something that can lapse.
    pub fn begin(&mut self, now_ms: u64, lease_ms: u64) {
        self.until_ms.get_or_insert(now_ms + lease_ms);
    }

    /// The head has answered what was asked at `asked_ms`. An answer that comes after the end is worth nothing.
    pub fn granted(&mut self, asked_ms: u64, now_ms: u64, lease_ms: u64) {
        self.look(now_ms);
        let asked_ms = if self.defects.counts_from_the_answer { now_ms } else { asked_ms };
        if self.over.is_none() {
            self.until_ms = self.until_ms.max(Some(asked_ms + lease_ms));
        }
    }

    /// The head grants nothing any more.
    pub fn refused(&mut self, reason: &str) {
        self.over.get_or_insert_with(|| reason.to_owned());
    }

    /// Whether the lease is over, and why: from then on, for ever.
    pub fn look(&mut self, now_ms: u64) -> Option<&str> {
        let ends = |until_ms: &u64| *until_ms <= now_ms && !self.defects.ignores_the_end;
        if let Some(until_ms) = self.until_ms.filter(ends).filter(|_| self.over.is_none()) {
            let late_ms = now_ms - until_ms;
            let late = if late_ms < 1_000 { String::new() } else { format!(" (seen {late_ms} ms late)") };
            self.over = Some(format!("its lease has lapsed: the head did not answer in time{late}"));
        }
        self.over.as_deref()
    }

    /// When to look next.
    pub fn deadline_ms(&self) -> Option<u64> {
        self.until_ms.filter(|_| self.over.is_none())
    }
}
