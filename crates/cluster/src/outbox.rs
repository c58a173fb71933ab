//! What waits for the network thread.

use parking_lot::Mutex;
use tokio::sync::Notify;

use crate::message::Outgoing;

/// A queue that never lets its sender wait. It is emptied at every turn of the network thread into queues that are bounded in bytes.
#[derive(Debug, Default)]
pub(crate) struct Outbox {
    state: Mutex<State>,
    ready: Notify,
}

#[derive(Debug, Default)]
struct State {
    queue: Vec<Outgoing>,
    is_stopped: bool,
}

impl Outbox {
    pub(crate) fn push(&self, message: Outgoing) {
        let mut state = self.state.lock();
        let was_empty = state.queue.is_empty();
        state.queue.push(message);
        drop(state);
        if was_empty {
            self.ready.notify_one();
        }
    }

    /// Nothing is sent any more.
    pub(crate) fn stop(&self) {
        self.state.lock().is_stopped = true;
        self.ready.notify_one();
    }

    /// Waits, and moves everything to `into`. False when the queue was stopped and nothing is left.
    pub(crate) async fn take(&self, into: &mut Vec<Outgoing>) -> bool {
        loop {
            {
                let mut state = self.state.lock();
                if !state.queue.is_empty() {
                    std::mem::swap(&mut state.queue, into);
                    return true;
                }
                if state.is_stopped {
                    return false;
                }
            }
            self.ready.notified().await;
        }
    }
}
