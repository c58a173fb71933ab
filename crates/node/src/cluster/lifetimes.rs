//! How long certificates are valid, and how often they are looked at.

use std::time::Duration;
use trygon_rpc::{NODE_LIFETIME, PROCESS_LIFETIME};

/// The times, which follow from that of a node's certificate.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Lifetimes {
    /// Of a node's certificate.
    pub(crate) node: Duration,
}

impl Lifetimes {
    /// Those that were asked for; 0 for the usual ones.
    pub(crate) fn of_seconds(asked_s: u32) -> Self {
        let asked = Duration::from_secs(u64::from(asked_s));
        Self { node: if asked.is_zero() { NODE_LIFETIME } else { asked } }
    }

    /// Of a process's certificate, a daemon's or the control service's.
    pub(crate) fn process(self) -> Duration {
        self.node.min(PROCESS_LIFETIME)
    }

    /// A process gets a new one at this age.
    pub(crate) fn process_age_ms(self) -> u64 {
        milliseconds(self.process() / 3)
    }

    /// How often all are looked at.
    pub(crate) fn look_ms(self) -> u64 {
        milliseconds(self.node / 12).min(10 * 60 * 1_000)
    }
}

fn milliseconds(time: Duration) -> u64 {
    u64::try_from(time.as_millis()).unwrap_or(u64::MAX)
}
