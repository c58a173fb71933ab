//! Jobs for threads.

use parking_lot::{Condvar, Mutex};
use std::collections::VecDeque;

#[derive(Debug)]
struct State<T> {
    jobs: VecDeque<T>,
    is_closed: bool,
}

/// What waits for a thread. Bounded by what the brains admit: the pull table's budget, and the number of files that are written at once.
#[derive(Debug)]
pub(crate) struct Queue<T> {
    /// A lock: the loop appends, the threads take. Held for moments.
    state: Mutex<State<T>>,
    added: Condvar,
}

impl<T> Queue<T> {
    pub(crate) fn new() -> Self {
        Self { state: Mutex::new(State { jobs: VecDeque::new(), is_closed: false }), added: Condvar::new() }
    }

    pub(crate) fn add(&self, job: T) {
        self.state.lock().jobs.push_back(job);
        self.added.notify_one();
    }

    /// The next job; `None` when there will be none.
    pub(crate) fn next(&self) -> Option<T> {
        let mut state = self.state.lock();
        loop {
            if state.is_closed {
                return None;
            }
            if let Some(job) = state.jobs.pop_front() {
                return Some(job);
            }
            self.added.wait(&mut state);
        }
    }

    pub(crate) fn close(&self) {
        let mut state = self.state.lock();
        state.is_closed = true;
        state.jobs.clear();
        drop(state);
        self.added.notify_all();
    }
}
