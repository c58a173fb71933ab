//! Messages on their way to one other process, in order.
//!
//! To a node they are kept until the other side says that it has them, so that a new connection goes on where the broken one ended
//! (CARRY-1: every message of a session arrives once, in order, or the whole session is given up). To the head they are let go when the
//! connection takes them: after a break the daemon registers anew and asks again.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, Waker};

use bytes::Bytes;
use futures_core::Stream;
use parking_lot::Mutex;

/// What happens to a message that a connection took.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keeping {
    /// Kept until it is acknowledged.
    UntilAcknowledged,
    /// Forgotten at once.
    UntilTaken,
}

/// The other side claims to have what was never sent, or to lack what it already acknowledged.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct OutOfStep;

#[derive(Debug)]
struct State {
    keeping: Keeping,
    queue: VecDeque<Bytes>,
    /// How many of the queue's first the present connection has taken.
    taken: usize,
    /// Messages of this session before the queue's first.
    acknowledged: u64,
    queued_bytes: usize,
    /// Whether the present connection may take messages.
    is_open: bool,
    /// Counts connections: what is left of an earlier one must not take messages from the present.
    connection: u64,
    /// Whether the stream ends when everything was taken.
    is_closing: bool,
    waker: Option<Waker>,
    defects: OutflowDefects,
}

/// Planted defects, for the simulator: each breaks one rule. All are off in a program that works.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct OutflowDefects {
    /// CARRY-1: what a broken connection took is not sent again.
    pub taken_is_sent: bool,
    /// CARRY-1: a message is let go when a connection takes it.
    pub let_go_early: bool,
    /// CARRY-1: what is left of a broken connection takes messages.
    pub stale_takes: bool,
    /// CARRY-2: nobody is told what is dropped.
    pub drops_silently: bool,
}

/// The queue, shared by the task that runs the link and the stream that a connection reads.
#[derive(Debug, Clone)]
pub struct Outflow {
    state: Arc<Mutex<State>>,
}

impl Outflow {
    /// An empty queue that no connection may read yet.
    pub fn new(keeping: Keeping) -> Self {
        Self::with_defects(keeping, OutflowDefects::default())
    }

    /// With planted defects.
    pub fn with_defects(keeping: Keeping, defects: OutflowDefects) -> Self {
        let state = State {
            keeping,
            queue: VecDeque::new(),
            taken: 0,
            acknowledged: 0,
            queued_bytes: 0,
            is_open: false,
            connection: 0,
            is_closing: false,
            waker: None,
            defects,
        };
        Self { state: Arc::new(Mutex::new(state)) }
    }

    /// Adds a message and says how many bytes wait now.
    pub fn push(&self, message: Bytes) -> usize {
        let mut state = self.state.lock();
        state.queued_bytes += message.len();
        state.queue.push_back(message);
        state.wake();
        state.queued_bytes
    }

    /// Puts a message in the place of all that wait: what they say is in it, or said again behind it.
    pub fn begin_with(&self, message: Bytes) {
        let mut state = self.state.lock();
        debug_assert_eq!(state.taken, 0, "what was taken stands before the first");
        state.queue.clear();
        state.queued_bytes = message.len();
        state.queue.push_back(message);
        state.wake();
    }

    /// Lets the connection take what waits, going on behind the `received` first messages of the session.
    pub fn open_behind(&self, received: u64) -> Result<(), OutOfStep> {
        self.acknowledge(received)?;
        self.open();
        Ok(())
    }

    /// Lets the connection take what waits, from the first.
    pub fn open(&self) {
        let mut state = self.state.lock();
        state.forget_taken();
        state.is_open = true;
        state.wake();
    }

    /// The connection is gone: nothing is taken until the next one opens the queue.
    pub fn pause(&self) {
        let mut state = self.state.lock();
        state.is_open = false;
        state.is_closing = false;
        state.forget_taken();
        state.connection += 1;
        state.wake();
    }

    /// What the next connection reads. It yields nothing before the queue is opened, nor after it was paused.
    pub fn stream(&self) -> OutflowStream {
        OutflowStream { outflow: self.clone(), connection: self.state.lock().connection }
    }

    /// The other side has the `received` first messages of the session.
    pub fn acknowledge(&self, received: u64) -> Result<(), OutOfStep> {
        let mut state = self.state.lock();
        let Some(count) = received.checked_sub(state.acknowledged).and_then(|count| usize::try_from(count).ok()) else {
            return Err(OutOfStep);
        };
        if count > state.queue.len() {
            return Err(OutOfStep);
        }
        let bytes: usize = state.queue.drain(..count).map(|message| message.len()).sum();
        state.queued_bytes -= bytes;
        state.taken = state.taken.saturating_sub(count);
        state.acknowledged = received;
        Ok(())
    }

    /// Ends the stream once everything was taken.
    pub fn close(&self) {
        let mut state = self.state.lock();
        state.is_closing = true;
        state.wake();
    }

    /// Begins a new session with what waits.
    pub fn begin_session(&self) {
        let mut state = self.state.lock();
        state.taken = 0;
        state.acknowledged = 0;
    }

    /// CARRY-2: the session is given up, and everything that waits is dropped. True: that is to be told.
    pub fn give_up(&self) -> bool {
        self.clear();
        !self.state.lock().defects.drops_silently
    }

    /// Drops everything that waits.
    pub fn clear(&self) {
        let mut state = self.state.lock();
        state.queue.clear();
        state.queued_bytes = 0;
        state.taken = 0;
    }

    /// Whether the present connection may take messages.
    pub fn is_open(&self) -> bool {
        self.state.lock().is_open
    }

    /// Whether the link is about to end.
    pub fn is_closing(&self) -> bool {
        self.state.lock().is_closing
    }

    /// How many messages of this session were acknowledged.
    pub fn acknowledged(&self) -> u64 {
        self.state.lock().acknowledged
    }

    /// Whether nothing waits and nothing is unacknowledged.
    pub fn is_empty(&self) -> bool {
        self.state.lock().queue.is_empty()
    }

    fn poll_message(&self, connection: u64, context: &mut Context<'_>) -> Poll<Option<Bytes>> {
        let mut state = self.state.lock();
        if state.connection != connection && !state.defects.stale_takes {
            // Not the end: the other side would take it for a farewell.
            return Poll::Pending;
        }
        if !state.is_open {
            state.waker = Some(context.waker().clone());
            return Poll::Pending;
        }
        let message = match state.keeping {
            Keeping::UntilAcknowledged if state.defects.let_go_early => state.queue.pop_front(),
            Keeping::UntilAcknowledged => state.queue.get(state.taken).cloned(),
            Keeping::UntilTaken => state.queue.pop_front(),
        };
        match message {
            Some(message) => {
                match state.keeping {
                    Keeping::UntilAcknowledged if state.defects.let_go_early => {}
                    Keeping::UntilAcknowledged => state.taken += 1,
                    Keeping::UntilTaken => state.queued_bytes -= message.len(),
                }
                Poll::Ready(Some(message))
            }
            None if state.is_closing => Poll::Ready(None),
            None => {
                state.waker = Some(context.waker().clone());
                Poll::Pending
            }
        }
    }
}

impl State {
    /// The next connection takes everything that is not acknowledged.
    fn forget_taken(&mut self) {
        if !self.defects.taken_is_sent {
            self.taken = 0;
        }
    }

    fn wake(&mut self) {
        if let Some(waker) = self.waker.take() {
            waker.wake();
        }
    }
}

/// What one connection reads of an [`Outflow`].
#[derive(Debug)]
pub struct OutflowStream {
    outflow: Outflow,
    connection: u64,
}

impl Stream for OutflowStream {
    type Item = Bytes;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Bytes>> {
        self.outflow.poll_message(self.connection, context)
    }
}

#[cfg(test)]
mod tests;
