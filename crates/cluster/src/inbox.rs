//! What waits for the daemon's loop, and the descriptor that wakes it up.

use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use parking_lot::Mutex;
use rustix::event::{EventfdFlags, eventfd};
use tokio::sync::Notify;

use crate::message::Incoming;

/// Accepted connections that may wait for the loop; further ones are dropped, as a full backlog would.
const SOCKETS_WAITING: usize = 512;

#[derive(Debug, Default)]
struct State {
    queue: Vec<Incoming>,
    bytes: usize,
    sockets: usize,
}

/// What a message in the queue costs besides its bytes.
const ENTRY_BYTES: usize = 256;

/// A queue that senders wait for when it is full.
#[derive(Debug)]
pub(crate) struct Inbox {
    state: Mutex<State>,
    room: Notify,
    limit_bytes: usize,
    event: OwnedFd,
}

impl Inbox {
    pub(crate) fn new(limit_bytes: usize) -> io::Result<Self> {
        let event = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
        Ok(Self { state: Mutex::default(), room: Notify::new(), limit_bytes, event })
    }

    pub(crate) fn event_fd(&self) -> BorrowedFd<'_> {
        self.event.as_fd()
    }

    /// Waits until a message may be put.
    pub(crate) async fn room(&self) {
        loop {
            let room = self.room.notified();
            if self.state.lock().bytes < self.limit_bytes {
                return;
            }
            room.await;
        }
    }

    /// Puts a message of this size. Never waits: who brings messages from outside asks for `room` first.
    pub(crate) fn put(&self, message: Incoming, bytes: usize) {
        let mut state = self.state.lock();
        if matches!(message, Incoming::Accepted { .. }) {
            if state.sockets == SOCKETS_WAITING {
                return;
            }
            state.sockets += 1;
        }
        let was_empty = state.queue.is_empty();
        state.queue.push(message);
        state.bytes += bytes + ENTRY_BYTES;
        drop(state);
        if was_empty {
            self.signal();
        }
    }

    /// Moves everything that waits to the end of `into`.
    pub(crate) fn receive(&self, into: &mut Vec<Incoming>) {
        // Cleared first: what comes in between is taken now and signalled again, which costs a wake-up and loses nothing.
        let _ = rustix::io::read(&self.event, &mut [0_u8; 8]);
        let mut state = self.state.lock();
        into.append(&mut state.queue);
        state.bytes = 0;
        state.sockets = 0;
        drop(state);
        self.room.notify_waiters();
    }

    fn signal(&self) {
        // The counter cannot be full: it is cleared at every turn of the loop.
        let _ = rustix::io::write(&self.event, &1_u64.to_ne_bytes());
    }
}
