//! What a worker's memory is held against: the `memory=` of the task or actor that it works for.
//!
//! - **MEM-1** a worker is ended for a limit only while it holds the lease that has it, and for what it gained since that lease began.

/// The account of one lease. What the worker had before the lease began, its interpreter and what earlier tasks left, is not charged to it
/// (MEM-1); when that shrinks, it does not come back for free.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MemoryCharge {
    limit_bytes: u64,
    /// What it had at the beginning, or less since; `None` before it was measured.
    earlier_bytes: Option<u64>,
    peak_bytes: u64,
}

/// A lease has more than it may.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OverLimit {
    /// What it may have.
    pub limit_bytes: u64,
    /// What it has.
    pub used_bytes: u64,
    /// The most that was seen.
    pub peak_bytes: u64,
    /// What the worker has beside it, from before.
    pub earlier_bytes: u64,
}

impl MemoryCharge {
    /// An account with nothing on it.
    pub fn new(limit_bytes: u64) -> Self {
        Self { limit_bytes, earlier_bytes: None, peak_bytes: 0 }
    }

    /// The worker's whole use from which on it matters how much it is exactly: above it the limit is passed. The first reading is what all
    /// others are compared with.
    pub fn threshold_bytes(&self) -> u64 {
        self.earlier_bytes.map_or(0, |earlier_bytes| earlier_bytes.saturating_add(self.limit_bytes))
    }

    /// The worker's whole use was measured.
    pub fn on_sample(&mut self, whole_bytes: u64) -> Option<OverLimit> {
        let earlier_bytes = self.earlier_bytes.map_or(whole_bytes, |earlier_bytes| earlier_bytes.min(whole_bytes));
        self.earlier_bytes = Some(earlier_bytes);
        let used_bytes = whole_bytes - earlier_bytes;
        self.peak_bytes = self.peak_bytes.max(used_bytes);
        (used_bytes > self.limit_bytes).then_some(OverLimit {
            limit_bytes: self.limit_bytes,
            used_bytes,
            peak_bytes: self.peak_bytes,
            earlier_bytes,
        })
    }
}
