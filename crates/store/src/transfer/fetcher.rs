//! The threads that fetch.

use crate::transfer::connections::Connections;
use crate::transfer::events::{Event, Reporter};
use crate::transfer::fetch::FetchJob;
use crate::transfer::kinds::Threads;
use parking_lot::{Condvar, Mutex};
use std::collections::VecDeque;
use std::io;
use std::sync::Arc;

/// Threads, and with them streams, of all fetches together.
const MOST_STREAMS: usize = 8;
/// Streams of one fetch.
const STREAMS_FOR_ONE: u64 = 4;

#[derive(Debug)]
struct Queue {
    jobs: VecDeque<Arc<FetchJob>>,
    is_closed: bool,
}

#[derive(Debug)]
struct Shared {
    /// A lock: the loop appends, the threads take. Held for moments. Bounded by what the pull table admits.
    queue: Mutex<Queue>,
    added: Condvar,
    connections: Arc<Connections>,
    reporter: Reporter,
}

/// Fetches what it is given, several at once.
#[derive(Debug)]
pub(crate) struct Fetcher {
    shared: Arc<Shared>,
}

impl Fetcher {
    pub(crate) fn start(threads: &Threads, connections: Arc<Connections>, reporter: Reporter) -> io::Result<Self> {
        let queue = Mutex::new(Queue { jobs: VecDeque::new(), is_closed: false });
        let shared = Arc::new(Shared { queue, added: Condvar::new(), connections, reporter });
        let fetcher = Self { shared };
        for _ in 0..MOST_STREAMS {
            let shared = fetcher.shared.clone();
            threads.start("fetch", move || shared.run())?;
        }
        Ok(fetcher)
    }

    pub(crate) fn add(&self, job: Arc<FetchJob>) {
        self.shared.queue.lock().jobs.push_back(job);
        self.shared.added.notify_one();
    }
}

impl Drop for Fetcher {
    fn drop(&mut self) {
        let mut queue = self.shared.queue.lock();
        queue.is_closed = true;
        queue.jobs.clear();
        drop(queue);
        self.shared.added.notify_all();
    }
}

impl Shared {
    fn run(&self) {
        while let Some(job) = self.next() {
            if !job.join() {
                continue;
            }
            job.run(&self.connections, || self.call_helpers(&job));
            if let Some(end) = job.leave()
                && !self.reporter.report(Event::Fetched { object: job.object, end })
            {
                return;
            }
        }
    }

    /// Has other threads help with a large object, those that have time; nobody waits for them.
    fn call_helpers(&self, job: &Arc<FetchJob>) {
        let helpers = (job.num_spans().saturating_sub(1)).min(STREAMS_FOR_ONE - 1);
        let mut queue = self.queue.lock();
        for _ in 0..helpers {
            queue.jobs.push_back(job.clone());
            self.added.notify_one();
        }
    }

    fn next(&self) -> Option<Arc<FetchJob>> {
        let mut queue = self.queue.lock();
        loop {
            if queue.is_closed {
                return None;
            }
            if let Some(job) = queue.jobs.pop_front() {
                return Some(job);
            }
            self.added.wait(&mut queue);
        }
    }
}
