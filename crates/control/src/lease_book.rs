//! Who is counted on until when: one table behind one lock for the thread that grants leases and the one that decides.

use parking_lot::Mutex;
use std::time::Instant;
use trygon_control_core::{LeaseTerms, Presence};

/// Who is counted on until when. Held for moments only.
#[derive(Debug)]
pub(crate) struct LeaseBook {
    began: Instant,
    presence: Mutex<Presence>,
}

impl LeaseBook {
    /// With nobody yet.
    pub(crate) fn new(terms: LeaseTerms) -> Self {
        Self { began: Instant::now(), presence: Mutex::new(Presence::new(terms)) }
    }

    /// Milliseconds since the control service began.
    pub(crate) fn now_ms(&self) -> u64 {
        self.began.elapsed().as_millis() as u64
    }

    /// Does something with the table, at the present time.
    pub(crate) fn with<R>(&self, act: impl FnOnce(&mut Presence, u64) -> R) -> R {
        // The time is taken under the lock: what comes later is not earlier.
        let mut presence = self.presence.lock();
        let now_ms = self.now_ms();
        act(&mut presence, now_ms)
    }
}
