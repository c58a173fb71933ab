//! The runtime of one process: what its threads share.

use crate::clock::Clock;
use crate::engine::Engine;
use parking_lot::{Condvar, Mutex, MutexGuard};
use rustix::fd::OwnedFd;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, AtomicUsize, Ordering};
use std::thread::JoinHandle;
use std::time::Instant;
use trygon_store::client::StoreClient;

/// One process's engine. Shared by the threads that call it and the background thread.
#[derive(Debug)]
pub struct Runtime {
    pub(crate) engine: Mutex<Engine>,
    /// The role of the one thread that polls the sockets.
    pub(crate) poller: Mutex<()>,
    /// Signalled when the poller has handled something.
    pub(crate) changed: Condvar,
    pub(crate) sleepers: AtomicUsize,
    pub(crate) polling: AtomicUsize,
    /// An event loop sleeps in its selector.
    pub(crate) selecting: AtomicBool,
    pub(crate) mode: AtomicU8,
    pub(crate) epoll: Arc<OwnedFd>,
    pub(crate) wake: Arc<OwnedFd>,
    pub(crate) background_wake: Arc<OwnedFd>,
    pub(crate) store: Arc<StoreClient>,
    /// How many of the running calls are cancelled.
    pub(crate) num_cancelled: Arc<AtomicUsize>,
    /// How often methods were forgotten.
    pub(crate) forgotten: Arc<AtomicU64>,
    pub(crate) background: Mutex<Option<JoinHandle<()>>>,
    pub(crate) clock: Clock,
    /// When the code of the task began that the main thread runs, on that clock.
    pub(crate) began_ns: Arc<AtomicU64>,
}

impl Runtime {
    /// The code of the main thread's task begins: for those who ask since when it runs.
    pub fn note_began(&self, moment: Instant) {
        self.began_ns.store(self.clock.ns_of(moment), Ordering::Relaxed);
    }

    /// The engine. Held for moments only: nothing waits and no foreign code runs under it.
    pub fn lock(&self) -> MutexGuard<'_, Engine> {
        self.engine.lock()
    }

    /// How often methods were forgotten. As long as that is the same, every number that was given stands for its method.
    pub fn forgotten(&self) -> u64 {
        self.forgotten.load(Ordering::Acquire)
    }
}
