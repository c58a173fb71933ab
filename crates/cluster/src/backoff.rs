//! How long to wait before the next attempt: doubling up to a limit, with jitter so that many nodes do not come back at once.

use std::time::Duration;

const FIRST: Duration = Duration::from_millis(50);

#[derive(Debug)]
pub(crate) struct Backoff {
    next: Duration,
    limit: Duration,
    random: u64,
}

impl Backoff {
    pub(crate) fn new(limit: Duration, seed: u64) -> Self {
        Self { next: FIRST.min(limit), limit, random: seed | 1 }
    }

    /// The time to wait now: between half of the present step and all of it.
    pub(crate) fn step(&mut self) -> Duration {
        let step = self.next;
        self.next = (step * 2).min(self.limit);
        step / 2 + step.mul_f64(self.fraction() / 2.0)
    }

    pub(crate) fn reset(&mut self) {
        self.next = FIRST.min(self.limit);
    }

    /// Between 0 and 1 (xorshift: spreading is enough, nothing rests on it).
    fn fraction(&mut self) -> f64 {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        f64::from(u32::try_from(self.random >> 32).unwrap_or(0)) / f64::from(u32::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_to_the_limit_and_begin_again() {
        let limit = Duration::from_secs(2);
        let mut backoff = Backoff::new(limit, 7);
        let waits: Vec<Duration> = (0..20).map(|_| backoff.step()).collect();
        assert!(waits[0] <= FIRST && waits[0] >= FIRST / 2);
        assert!(waits.iter().all(|wait| *wait <= limit));
        assert!(waits[19] >= limit / 2);
        assert!(waits[10..].windows(2).any(|pair| pair[0] != pair[1]), "jitter");
        backoff.reset();
        assert!(backoff.step() <= FIRST);
    }
}
