//! How long a task waits before it is tried again.

mod memory;

pub(crate) use memory::MemoryRetries;
pub use memory::MemoryRetryRule;

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
    pub(crate) fn plain_ns(&self, failures: u16, failure: Failure) -> u64 {
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
pub(crate) fn spread(delay_ns: u64, seed: u64) -> u64 {
    let mut mixed = seed.wrapping_add(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    let fraction = (mixed ^ (mixed >> 31)) >> 48;
    delay_ns + (u128::from(delay_ns / 2) * u128::from(fraction) / 0xffff) as u64
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
