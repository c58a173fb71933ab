//! NODE-2, a node's side: how long it may run what it runs. Pure: knows no clock, time is given.
//!
//! A lease counts from the moment at which it was asked for, so it ends here before it ends for the head, whatever the way of the answer.
//!
//! A head that does not run gives nobody up, and one that begins waits before it does. So where the head's own address says that nobody
//! listens there, the lease goes on (NODE-3), but no longer than a head at another address would wait for the node.

#[cfg(test)]
mod tests;

/// Planted defects, for the simulator: each breaks one rule.
#[derive(Debug, Clone, Copy, Default)]
pub struct OwnLeaseDefects {
    /// NODE-1: a node whose lease is over goes on until the head says so.
    pub ignores_the_end: bool,
    /// NODE-2: a lease counts from the answer on.
    pub counts_from_the_answer: bool,
    /// NODE-3: a node holds on however long the head's address refuses.
    pub holds_for_ever: bool,
}

/// The node's own lease.
#[derive(Debug, Default)]
pub struct OwnLease {
    defects: OwnLeaseDefects,
    /// Its end; none before the node asked the head to be taken up.
    until_ms: Option<u64>,
    /// Why it is over, for ever.
    over: Option<String>,
    /// The length of the last grant, and when it was asked for.
    granted: Option<(u64, u64)>,
    /// How long the node holds on after its last grant at most, while nobody listens at the head's address.
    holds_ms: u64,
    /// It does.
    is_held: bool,
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
            self.granted = self.granted.max(Some((asked_ms, lease_ms)));
            self.is_held = false;
        }
    }

    /// From now on the node holds on for so long after its last grant while nobody listens at the head's address.
    pub fn hold(&mut self, holds_ms: u64) {
        self.holds_ms = holds_ms;
    }

    /// NODE-3: the head's own machine answered what was asked at `asked_ms`: nobody listens there. No head gives this node up before it has
    /// waited for longer than this adds. True: that is new, and the lease goes on.
    pub fn found_nobody(&mut self, asked_ms: u64, now_ms: u64) -> bool {
        self.look(now_ms);
        let Some((granted_ms, lease_ms)) = self.granted.filter(|_| self.over.is_none() && self.holds_ms > 0) else {
            return false;
        };
        let most_ms = if self.defects.holds_for_ever { u64::MAX } else { granted_ms + self.holds_ms };
        self.until_ms = self.until_ms.max(Some((asked_ms + lease_ms).min(most_ms)));
        !std::mem::replace(&mut self.is_held, true)
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
            let why = if self.is_held { "nobody was the head for too long" } else { "the head did not answer in time" };
            self.over = Some(format!("its lease has lapsed: {why}{late}"));
        }
        self.over.as_deref()
    }

    /// When to look next.
    pub fn deadline_ms(&self) -> Option<u64> {
        self.until_ms.filter(|_| self.over.is_none())
    }
}
