//! The lease of the own node, as the rest of the network sees it.

use std::net::SocketAddr;

use parking_lot::Mutex;
use tokio::sync::Notify;
use trygon_node_core::OwnLease;

/// A lease before the head has said how long one is.
const FIRST_LEASE_MS: u64 = 3_000;

/// Ends everything that runs on the node. Called from the thread of the lease, maybe many times.
pub type EndAll = Box<dyn Fn() + Send + Sync>;

/// The lease, as the rest of the network sees it.
#[derive(Debug, Default)]
pub(crate) struct LeaseState {
    pub(crate) lease: Mutex<OwnLease>,
    pub(crate) changed: Notify,
    /// Nobody wants it any more.
    pub(crate) stopped: Notify,
    /// The head's own address, as it said itself. Only what that machine answers tells whether it runs.
    head: Mutex<Option<SocketAddr>>,
}

impl LeaseState {
    /// The node is about to register.
    pub(crate) fn begin(&self) {
        self.lease.lock().begin(now_ms(), FIRST_LEASE_MS);
        self.changed.notify_one();
    }

    /// NODE-3: when nobody listens at the head's own address, the node holds on for so long at most.
    pub(crate) fn hold(&self, head: SocketAddr, holds_ms: u64) {
        *self.head.lock() = Some(head);
        self.lease.lock().hold(holds_ms);
    }

    /// Whether these addresses are the head's own, and nothing else.
    pub(crate) fn is_head(&self, dialed: &[SocketAddr]) -> bool {
        self.head.lock().is_some_and(|head| !dialed.is_empty() && dialed.iter().all(|one| *one == head))
    }

    pub(crate) fn stop(&self) {
        self.stopped.notify_one();
    }
}

/// Milliseconds of a clock that goes on while the machine sleeps: a lease that lapsed in that time has lapsed.
pub(crate) fn now_ms() -> u64 {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::Boottime);
    u64::try_from(time.tv_sec).unwrap_or(0) * 1_000 + u64::try_from(time.tv_nsec).unwrap_or(0) / 1_000_000
}
