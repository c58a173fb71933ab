//! The parts of a copy, for the threads that fetch them and those that send them on.

use parking_lot::{Condvar, Mutex};
use std::time::{Duration, Instant};
use trygon_store_core::{Chunks, Outlook};

/// The parts of one copy, from the moment its room is found. Shared by the threads of all fetches into it and those that send on.
#[derive(Debug)]
pub(crate) struct Progress {
    /// A lock, because threads wait for one another's chunks. Held for moments, once for each chunk.
    chunks: Mutex<Chunks>,
    changed: Condvar,
    started: Instant,
}

impl Progress {
    pub(crate) fn new(size_bytes: u64) -> Self {
        Self { chunks: Mutex::new(Chunks::new(size_bytes, 0)), changed: Condvar::new(), started: Instant::now() }
    }

    fn now_ms(&self) -> u64 {
        self.started.elapsed().as_millis() as u64
    }

    fn change(&self, change: impl FnOnce(&mut Chunks)) {
        change(&mut self.chunks.lock());
        self.changed.notify_all();
    }

    /// The chunk that begins there is here.
    pub(crate) fn note(&self, start_bytes: u64) {
        let now_ms = self.now_ms();
        self.change(|chunks| chunks.note(start_bytes, now_ms));
    }

    /// The source still had the object after it sent this span.
    pub(crate) fn verify(&self, span: u64) {
        self.change(|chunks| chunks.verify(span));
    }

    /// The fetch of a span came to nothing. Called before its bytes are written again (PULL-6).
    pub(crate) fn fail(&self, span: u64) {
        self.change(|chunks| chunks.fail(span));
    }

    /// Nothing more comes.
    pub(crate) fn end(&self, is_complete: bool) {
        self.change(|chunks| chunks.end(is_complete));
    }

    /// The spans that a fetch has to bring.
    pub(crate) fn missing_spans(&self) -> Vec<u64> {
        self.chunks.lock().missing_spans()
    }

    /// Which try at the span this is.
    pub(crate) fn generation(&self, span: u64) -> u32 {
        self.chunks.lock().generation(span)
    }

    /// Waits for the chunk that begins there; `Coming` when the time is up.
    pub(crate) fn wait_for(&self, start_bytes: u64, generation: u32, limit: Duration) -> Outlook {
        self.wait(limit, |chunks, now_ms| chunks.look(start_bytes, generation, now_ms))
    }

    /// Waits until the span is known to be the object's; `Coming` when the time is up.
    pub(crate) fn wait_verified(&self, span: u64, generation: u32, limit: Duration) -> Outlook {
        self.wait(limit, |chunks, now_ms| chunks.look_verified(span, generation, now_ms))
    }

    fn wait(&self, limit: Duration, look: impl Fn(&Chunks, u64) -> Outlook) -> Outlook {
        let until = Instant::now() + limit;
        let mut chunks = self.chunks.lock();
        loop {
            let outlook = look(&chunks, self.now_ms());
            if outlook != Outlook::Coming || self.changed.wait_until(&mut chunks, until).timed_out() {
                return outlook;
            }
        }
    }
}
