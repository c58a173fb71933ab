//! `CompletionQueue`: how an event loop, or one thread, learns that objects have come.

use crate::reference::ObjectRef;
use crate::session::{self, Session};
use parking_lot::Mutex;
use pyo3::prelude::*;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fd::AsRawFd;
use std::collections::HashMap;
use std::sync::Arc;

struct Waiting {
    next: u64,
    tokens: HashMap<u64, (Py<PyAny>, Py<ObjectRef>)>,
}

/// Collects tokens of objects that have come.
#[pyclass(frozen, module = "trygon._native")]
pub(crate) struct CompletionQueue {
    session: Arc<Session>,
    queue: trygon_worker::CompletionQueue,
    waiting: Mutex<Waiting>,
}

#[pymethods]
impl CompletionQueue {
    #[new]
    fn new(py: Python<'_>) -> PyResult<Self> {
        let session = session::require(py)?;
        let queue = session.runtime.completion_queue()?;
        Ok(Self { session, queue, waiting: Mutex::new(Waiting { next: 0, tokens: HashMap::new() }) })
    }

    /// A descriptor that is readable while tokens wait.
    fn fileno(&self) -> i32 {
        self.queue.event.as_raw_fd()
    }

    /// Whether the queue belongs to the running session.
    fn is_current(&self) -> bool {
        self.session.number == session::current_number()
    }

    /// Has `token` come out of `drain` once the object is there, value or error.
    #[pyo3(name = "add")]
    fn add(&self, reference: &Bound<'_, ObjectRef>, token: Py<PyAny>) {
        let mut waiting = self.waiting.lock();
        waiting.next += 1;
        let number = waiting.next;
        waiting.tokens.insert(number, (token, reference.clone().unbind()));
        drop(waiting);
        self.session.runtime.complete_into(&self.queue, &reference.get().reference(), number);
    }

    /// The tokens of objects that have come since.
    fn drain(&self) -> Vec<Py<PyAny>> {
        let numbers = self.session.runtime.drain(&self.queue);
        let mut waiting = self.waiting.lock();
        let taken: Vec<_> = numbers.iter().filter_map(|number| waiting.tokens.remove(number)).collect();
        drop(waiting);
        // References are dropped without the lock: dropping one may run anything.
        taken.into_iter().map(|(token, _reference)| token).collect()
    }

    /// Waits for tokens without the GIL; an empty list when the time is over.
    #[pyo3(signature = (timeout=None))]
    fn wait(&self, py: Python<'_>, timeout: Option<f64>) -> PyResult<Vec<Py<PyAny>>> {
        let limit = timeout.map(|seconds| Timespec {
            tv_sec: seconds.max(0.0) as i64,
            tv_nsec: (seconds.max(0.0).fract() * 1e9) as i64,
        });
        crate::gil::detached(py, || {
            let mut descriptors = [PollFd::new(&*self.queue.event, PollFlags::IN)];
            // An interrupted or failed wait looks like a short one.
            let _ = poll(&mut descriptors, limit.as_ref());
        });
        py.check_signals()?;
        Ok(self.drain())
    }

    /// Nobody waits for these any more.
    fn close(&self) {
        self.session.runtime.close_queue(&self.queue);
        let tokens = std::mem::take(&mut self.waiting.lock().tokens);
        drop(tokens);
    }
}
