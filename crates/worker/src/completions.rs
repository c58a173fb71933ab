//! Queues of tokens of objects that have come: how an event loop learns of many objects by one descriptor.

use crate::engine::Completion;
use crate::runtime::Runtime;
use rustix::event::{EventfdFlags, eventfd};
use rustix::fd::OwnedFd;
use std::sync::Arc;
use trygon_worker_core::{Reference, Waiter};

/// One queue. Its descriptor is readable while tokens wait.
#[derive(Debug)]
pub struct CompletionQueue {
    /// The event descriptor.
    pub event: Arc<OwnedFd>,
    number: u32,
}

impl CompletionQueue {
    pub(crate) fn number(&self) -> u32 {
        self.number
    }
}

impl Runtime {
    /// A new queue.
    pub fn completion_queue(&self) -> std::io::Result<CompletionQueue> {
        let event = Arc::new(eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?);
        let mut engine = self.lock();
        let number = engine.completions.len() as u32;
        engine.completions.push(Some(Completion { event: Arc::clone(&event), tokens: Vec::new() }));
        Ok(CompletionQueue { event, number })
    }

    /// Puts `token` into the queue when the object is there; at once if it is.
    pub fn complete_into(&self, queue: &CompletionQueue, reference: &Reference, token: u64) {
        let mut engine = self.lock();
        let waiter = Waiter::Completion { queue: queue.number, token };
        engine.awaited_tokens += 1;
        if !engine.core.add_waiter(reference, waiter) {
            engine.push_token(queue.number, token);
        }
        engine.settle_and_flush();
        if engine.is_closed() {
            wake(&queue.event);
        }
        drop(engine);
        self.ensure_ticking();
    }

    /// Puts `token` into the queue when the next item of a stream, or its end, is there; at once if it is.
    pub fn complete_with_item(&self, queue: &CompletionQueue, slot: u32, generation: u32, token: u64) {
        let mut engine = self.lock();
        let waiter = Waiter::Completion { queue: queue.number, token };
        engine.awaited_tokens += 1;
        if !engine.core.add_stream_waiter(slot, generation, waiter) {
            engine.push_token(queue.number, token);
        }
        engine.settle_and_flush();
        if engine.is_closed() {
            wake(&queue.event);
        }
        drop(engine);
        self.ensure_ticking();
    }

    /// Takes every token that waits.
    pub fn drain(&self, queue: &CompletionQueue) -> Vec<u64> {
        let mut engine = self.lock();
        let _ = rustix::io::read(&*queue.event, &mut [0u8; 8]);
        let completion = engine.completions.get_mut(queue.number as usize).and_then(Option::as_mut);
        completion.map(|completion| std::mem::take(&mut completion.tokens)).unwrap_or_default()
    }

    /// The queue is not used any more.
    pub fn close_queue(&self, queue: &CompletionQueue) {
        if let Some(completion) = self.lock().completions.get_mut(queue.number as usize) {
            *completion = None;
        }
    }
}

fn wake(event: &OwnedFd) {
    // A full counter cannot be: it is read whenever the tokens are.
    let _ = rustix::io::write(event, &1u64.to_ne_bytes());
}

impl crate::engine::Engine {
    /// Nothing comes any more: whoever waits is woken to see that.
    pub(crate) fn wake_completions(&self) {
        for completion in self.completions.iter().flatten() {
            wake(&completion.event);
        }
    }

    pub(crate) fn push_token(&mut self, queue: u32, token: u64) {
        self.awaited_tokens = self.awaited_tokens.saturating_sub(1);
        let Some(Some(completion)) = self.completions.get_mut(queue as usize) else {
            return;
        };
        completion.tokens.push(token);
        if completion.tokens.len() == 1 {
            wake(&completion.event);
        }
    }
}
