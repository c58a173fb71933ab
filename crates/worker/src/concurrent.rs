//! The worker's side of an actor that runs several calls at once: in threads, or in an event loop that sleeps in its own selector.

use crate::runtime::Runtime;
use crate::work::{Call, Leave, Work};
use std::os::fd::{AsRawFd, RawFd};
use std::sync::atomic::Ordering;

impl Runtime {
    /// A call begins beside others. Unlike a plain task it lends out no CPU while it waits.
    /// False when it was cancelled, and answered, while it waited for its turn: it is not to be run.
    pub fn begin_concurrent(&self, call: &Call) -> bool {
        let mut engine = self.lock();
        if !engine.running.begin(call) {
            return false;
        }
        // OWN-4: what one of them lends on is named by the replies of all, as long as any runs.
        if engine.concurrent_calls == 0 {
            engine.core.begin_task();
        }
        engine.concurrent_calls += 1;
        true
    }

    /// Writes what waits to be written.
    pub fn flush(&self) {
        self.lock().settle_and_flush();
    }

    /// Has the main thread leave its loop, and the process with it.
    pub fn leave_soon(&self, leave: Leave) {
        let mut engine = self.lock();
        engine.work.push_front(Work::Leave(leave));
        drop(engine);
        let _ = rustix::io::write(&*self.wake, &1u64.to_ne_bytes());
    }

    /// Everything there is to do now.
    pub fn take_work(&self) -> Vec<Work> {
        let mut engine = self.lock();
        let mut taken: Vec<Work> = engine.work.drain(..).collect();
        for work in &mut taken {
            if let Work::Call(call) = work {
                engine.running.start(call);
            }
        }
        taken
    }

    /// Whether the main thread has to leave its loop: the engine is closed.
    pub fn is_leaving(&self) -> bool {
        self.lock().is_closed()
    }

    /// A descriptor that is readable when something has arrived; `poll_now` then handles it.
    pub fn readable_fd(&self) -> RawFd {
        self.epoll.as_raw_fd()
    }

    /// An event loop is about to sleep in its selector, with the engine's descriptor in it: what waits is written. True when there is
    /// work already, so that it must not sleep.
    pub fn enter_selector(&self, may_sleep: bool) -> bool {
        let mut engine = self.lock();
        engine.settle_and_flush();
        if !engine.work.is_empty() || engine.is_closed() {
            return true;
        }
        if may_sleep {
            // Under the lock, so that whoever queues work from here on sees it.
            self.selecting.store(true, Ordering::SeqCst);
            self.polling.fetch_add(1, Ordering::SeqCst);
        }
        false
    }

    /// The event loop is awake again.
    pub fn leave_selector(&self) {
        if self.selecting.swap(false, Ordering::SeqCst) {
            self.polling.fetch_sub(1, Ordering::SeqCst);
            self.ensure_ticking();
        }
    }

    /// Wakes an event loop that sleeps while another thread has read what it waits for.
    pub(crate) fn wake_selector(&self, has_work: bool) {
        if has_work && self.selecting.load(Ordering::SeqCst) {
            let _ = rustix::io::write(&*self.wake, &1u64.to_ne_bytes());
        }
    }
}
