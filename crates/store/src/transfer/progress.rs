//! Which chunks of a copy are here, for those who are sent them on.

use crate::transfer::frames::CHUNK_BYTES;
use parking_lot::{Condvar, Mutex};
use std::time::{Duration, Instant};

/// What is known of a chunk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Chunk {
    Missing,
    /// Its bytes are here; whether the source still had the object when it sent them is not known yet.
    Here,
    Verified,
}

#[derive(Debug)]
struct State {
    chunks: Vec<Chunk>,
    /// Nothing more comes: it is complete, or was given up.
    is_over: bool,
    is_complete: bool,
}

/// The chunks of one fetch. Shared by the threads that fetch and those that send on.
#[derive(Debug)]
pub(crate) struct Progress {
    /// A lock, because threads wait for one another's chunks. Held for moments, once for each chunk.
    state: Mutex<State>,
    changed: Condvar,
}

fn index(start_bytes: u64) -> usize {
    (start_bytes / CHUNK_BYTES) as usize
}

impl Progress {
    pub(crate) fn new(size_bytes: u64) -> Self {
        let chunks = vec![Chunk::Missing; index(size_bytes.next_multiple_of(CHUNK_BYTES))];
        let state = State { chunks, is_over: false, is_complete: false };
        Self { state: Mutex::new(state), changed: Condvar::new() }
    }

    /// The chunk that begins there is here.
    pub(crate) fn note(&self, start_bytes: u64) {
        self.set(start_bytes, start_bytes + 1, Chunk::Here);
    }

    /// The source still had the object after it sent these bytes.
    pub(crate) fn verify(&self, from: u64, to: u64) {
        self.set(from, to, Chunk::Verified);
    }

    fn set(&self, from: u64, to: u64, new: Chunk) {
        let mut state = self.state.lock();
        for chunk in state.chunks.iter_mut().take(index(to.next_multiple_of(CHUNK_BYTES))).skip(index(from)) {
            *chunk = new;
        }
        drop(state);
        self.changed.notify_all();
    }

    /// Nothing more comes.
    pub(crate) fn end(&self, is_complete: bool) {
        let mut state = self.state.lock();
        state.is_over = true;
        state.is_complete = is_complete;
        drop(state);
        self.changed.notify_all();
    }

    /// Waits for the chunk that begins there. False when it does not come.
    pub(crate) fn wait_for(&self, start_bytes: u64, limit: Duration) -> bool {
        self.wait(start_bytes, start_bytes + 1, Chunk::Here, limit)
    }

    /// Waits until these bytes are known to be the object's. False when they are not.
    pub(crate) fn wait_verified(&self, from: u64, to: u64, limit: Duration) -> bool {
        self.wait(from, to, Chunk::Verified, limit)
    }

    fn wait(&self, from: u64, to: u64, least: Chunk, limit: Duration) -> bool {
        let until = Instant::now() + limit;
        let mut state = self.state.lock();
        loop {
            if state.is_over {
                return state.is_complete;
            }
            let mut wanted = state.chunks.iter().take(index(to.next_multiple_of(CHUNK_BYTES))).skip(index(from));
            if wanted.all(|chunk| *chunk >= least) {
                return true;
            }
            if self.changed.wait_until(&mut state, until).timed_out() {
                return false;
            }
        }
    }
}
