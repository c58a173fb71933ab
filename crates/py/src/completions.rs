//! `CompletionQueue`: how an event loop, or one thread, learns that objects have come.

use crate::generator::ObjectRefGenerator;
use crate::produce::StreamSender;
use crate::reference::ObjectRef;
use crate::session::{self, Session};
use parking_lot::Mutex;
use pyo3::prelude::*;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fd::AsRawFd;
use std::sync::Arc;

/// Tokens with their references, by number. A program may await a hundred thousand of them: this is all that each costs here.
#[derive(Default)]
struct Waiting {
    places: Vec<Option<(Py<PyAny>, Py<PyAny>)>>,
    free: Vec<u32>,
}

impl Waiting {
    fn add(&mut self, reference: Py<PyAny>, token: Py<PyAny>) -> u64 {
        let place = Some((reference, token));
        if let Some(number) = self.free.pop() {
            self.places[number as usize] = place;
            return u64::from(number);
        }
        self.places.push(place);
        (self.places.len() - 1) as u64
    }

    /// Everything that waits.
    fn take_all(&mut self) -> Vec<(Py<PyAny>, Py<PyAny>)> {
        std::mem::take(self).places.into_iter().flatten().collect()
    }

    fn take(&mut self, number: u64) -> Option<(Py<PyAny>, Py<PyAny>)> {
        let taken = self.places.get_mut(number as usize)?.take()?;
        self.free.push(number as u32);
        if self.free.len() == self.places.len() {
            *self = Self::default();
        }
        Some(taken)
    }
}

impl CompletionQueue {
    /// Of those whose objects have come, the ones that can be read at once. The others are on other nodes, or in files: their tokens come again with
    /// their copies, so that an event loop does not stand still for a transfer.
    fn keep_those_elsewhere(&self, py: Python<'_>, numbers: Vec<u64>) -> Vec<u64> {
        if self.session.runtime.lock().is_all_in_memory() {
            return numbers;
        }
        let waiting = self.waiting.lock();
        let reference = |number: u64| {
            let (reference, _) = waiting.places.get(number as usize)?.as_ref()?;
            reference.bind(py).cast_exact::<ObjectRef>().ok().map(|reference| reference.get().reference())
        };
        let runtime = &self.session.runtime;
        let is_here = |number: &u64| {
            reference(*number).is_none_or(|reference| runtime.complete_when_here(&self.queue, &reference, *number))
        };
        numbers.into_iter().filter(is_here).collect()
    }
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
        Ok(Self { session, queue, waiting: Mutex::new(Waiting::default()) })
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
        let number = self.waiting.lock().add(reference.clone().into_any().unbind(), token);
        self.session.runtime.complete_into(&self.queue, &reference.get().reference(), number);
    }

    /// Has `token` come out of `drain` once the generator's next item, or its end, is there.
    fn add_next(&self, generator: &Bound<'_, ObjectRefGenerator>, token: Py<PyAny>) {
        let number = self.waiting.lock().add(generator.clone().into_any().unbind(), token);
        let (slot, generation) = generator.get().place();
        self.session.runtime.complete_with_item(&self.queue, slot, generation, number);
    }

    /// Has `token` come out of `drain` once a generator of this actor may make one more item.
    fn add_room(&self, stream: &Bound<'_, StreamSender>, token: Py<PyAny>) {
        let number = self.waiting.lock().add(stream.clone().into_any().unbind(), token);
        let (key, made) = stream.get().place();
        self.session.runtime.complete_with_credit(&self.queue, &key, made, number);
    }

    /// References whose objects have come since, and generators whose next items have, with their tokens. All of them once the
    /// engine is closed: asking for them then says so.
    fn drain(&self, py: Python<'_>) -> Vec<(Py<PyAny>, Py<PyAny>)> {
        let numbers = self.session.runtime.drain(&self.queue);
        let numbers = self.keep_those_elsewhere(py, numbers);
        let is_closed = self.session.runtime.lock().is_closed();
        let mut waiting = self.waiting.lock();
        if is_closed {
            return waiting.take_all();
        }
        numbers.iter().filter_map(|number| waiting.take(*number)).collect()
    }

    /// As `drain`, after waiting without the GIL; an empty list when the time is over.
    #[pyo3(signature = (timeout=None))]
    fn wait(&self, py: Python<'_>, timeout: Option<f64>) -> PyResult<Vec<(Py<PyAny>, Py<PyAny>)>> {
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
        Ok(self.drain(py))
    }

    /// Nobody is told of these any more; what still waited is returned.
    fn close(&self) -> Vec<(Py<PyAny>, Py<PyAny>)> {
        self.session.runtime.close_queue(&self.queue);
        self.waiting.lock().take_all()
    }
}
