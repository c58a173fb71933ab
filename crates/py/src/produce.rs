//! The worker's side of a generator: its items are encoded and sent as they are made, in step with whoever takes them.

use crate::codec::encode;
use crate::hooks::hooks;
use crate::outgoing::{Outgoing, Unmade, encode_error};
use crate::reference::ObjectRef;
use crate::session::{self, Session};
use parking_lot::Mutex;
use pyo3::exceptions::PyValueError;
use pyo3::prelude::*;
use pyo3::sync::PyOnceLock;
use pyo3::types::{PyIterator, PyList, PyType};
use std::sync::Arc;
use std::time::{Duration, Instant};
use trygon_ids::{TaskId, WorkerId};
use trygon_worker::core::{DYNAMIC, Reference, STREAMING, is_stream};
use trygon_worker::{Call, Credit, LOOK_AGAIN, Patience, StreamKey};

/// User code that takes longer between two items is not kept waiting for company: its item leaves at once.
const SLOW: Duration = Duration::from_micros(50);

/// Sends the items of one generator.
pub(crate) struct Producer {
    session: Arc<Session>,
    key: StreamKey,
    task: TaskId,
    owner: WorkerId,
    credit: Credit,
    made: u32,
    last_sent: Instant,
}

impl Producer {
    /// For the generator that this call asked for.
    pub(crate) fn new(session: &Arc<Session>, call: &Call) -> Self {
        let runtime = &session.runtime;
        let key = StreamKey::of(call);
        Self {
            session: Arc::clone(session),
            key,
            task: runtime.task_id_of(call),
            owner: runtime.worker_of(call.peer),
            credit: runtime.credit_of(&key),
            made: 0,
            last_sent: Instant::now(),
        }
    }

    /// Whether nobody wants more items.
    pub(crate) fn is_stopped(&self) -> bool {
        self.credit.is_stopped
    }

    /// Whether one more item may be made now.
    pub(crate) fn has_room(&mut self) -> bool {
        if !self.credit.has_room(self.made) {
            self.credit = self.session.runtime.credit_of(&self.key);
        }
        self.credit.has_room(self.made)
    }

    /// Sends one item. An item that the owner has from an earlier attempt is only counted.
    pub(crate) fn send(&mut self, py: Python<'_>, value: &Bound<'_, PyAny>) -> PyResult<()> {
        if self.made < self.credit.skip {
            self.made += 1;
            return Ok(());
        }
        let object = self.task.object(self.made + 1);
        let mut encoded = encode(value)?;
        let outgoing = if encoded.is_inline(py) {
            encoded.flatten(py);
            Outgoing::Inline(encoded.head, encoded.contained)
        } else {
            let location = encoded.store(py, &self.session, object, self.owner)?;
            Outgoing::Stored(location, encoded.contained)
        };
        self.send_encoded(py, &outgoing)
    }

    fn send_encoded(&mut self, py: Python<'_>, outgoing: &Outgoing) -> PyResult<()> {
        let runtime = &self.session.runtime;
        let now = self.last_sent.elapsed() > SLOW;
        let (waits, credit) = runtime.send_item(&self.key, self.made, &outgoing.as_returned(), now);
        self.made += 1;
        self.credit = credit;
        if waits {
            // More would have no place in the flight recorder: let the readers catch up.
            // The background thread may be the one that writes: then nothing arrives that would wake this one.
            while !crate::gil::wait(py, runtime, &Patience::until(LOOK_AGAIN), |engine| {
                engine.items_are_written() || engine.is_closed()
            })? {}
        }
        self.last_sent = Instant::now();
        Ok(())
    }

    /// Waits until one more item may be made. The CPU is lent out meanwhile.
    fn wait_for_room(&mut self, py: Python<'_>) -> PyResult<()> {
        if self.has_room() {
            return Ok(());
        }
        let patience = Patience::for_ever();
        let patience = if session::is_main_thread() { patience.lending_cpu() } else { patience };
        let (key, made) = (self.key, self.made);
        crate::gil::wait(py, &self.session.runtime, &patience, |engine| engine.credit_of(&key).has_room(made))?;
        self.credit = self.session.runtime.credit_of(&self.key);
        self.last_sent = Instant::now();
        Ok(())
    }

    /// Makes every item. False when it was stopped before the end.
    fn run(&mut self, py: Python<'_>, items: &Bound<'_, PyIterator>) -> PyResult<bool> {
        for item in items.clone() {
            let item = item?;
            if self.is_stopped() {
                return Ok(false);
            }
            self.send(py, &item)?;
            drop(item);
            self.wait_for_room(py)?;
            if self.is_stopped() {
                // A cancelled task is interrupted here, not in the clean-up that closing it runs.
                py.check_signals()?;
                return Ok(false);
            }
        }
        Ok(true)
    }

    /// The generator ended by itself: what is left to say before its reply.
    pub(crate) fn finish(&self) {
        self.session.runtime.send_stream_end(&self.key, self.made);
    }

    /// References to all items, for the list of a dynamic task. They belong to the caller.
    fn references(&self, py: Python<'_>) -> PyResult<Vec<ObjectRef>> {
        let reference = |number: u32| Reference { object: self.task.object(number + 1), owner: self.owner };
        if self.owner == self.session.setup.identity.worker && self.made > 0 {
            // An actor that calls itself: the items have yet to come back to it.
            let last = reference(self.made - 1);
            crate::gil::wait(py, &self.session.runtime, &Patience::for_ever(), |engine| {
                engine.core.value_of(&last).is_some() || engine.is_closed()
            })?;
        }
        Ok((0..self.made).filter_map(|number| ObjectRef::retain(&self.session, &reference(number))).collect())
    }

    /// The one result of a dynamic task.
    fn listed<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let references = PyList::new(py, self.references(py)?)?;
        py.import("trygon._core.generators")?.getattr("DynamicObjectRefGenerator")?.call1((references,))
    }
}

/// What a call of a generator replies with, after all its items were sent; any other call's value as it is.
pub(crate) fn drive<'py>(
    py: Python<'py>,
    session: &Arc<Session>,
    call: &Call,
    value: Bound<'py, PyAny>,
) -> PyResult<Bound<'py, PyAny>> {
    if !is_stream(call.push.num_returns) {
        return whole(py, call, value);
    }
    let Ok(items) = value.cast::<PyIterator>() else { return Err(not_a_generator(&call.definition.name, &value)) };
    let mut producer = Producer::new(session, call);
    let ran = producer.run(py, items);
    if !matches!(ran, Ok(true)) && value.hasattr("close")? {
        // What it holds is let go here, not when somebody collects it; what its own clean-up raises matters only if nothing was wrong.
        let ended = value.call_method0("close");
        if ran.is_ok() {
            ended?;
        }
    }
    match ran {
        Ok(is_whole) => {
            if is_whole {
                producer.finish();
            }
        }
        Err(error) if call.push.num_returns == DYNAMIC && is_of_user(py, &error) => {
            let hooks = hooks()?;
            let encoded = encode_error(py, &hooks, &error, &call.definition.name)?;
            producer.send_encoded(py, &Outgoing::Error(encoded))?;
            producer.finish();
        }
        Err(error) => return Err(error),
    }
    if call.push.num_returns == STREAMING {
        return Ok(py.None().into_bound(py));
    }
    producer.listed(py)
}

/// What a call that is no stream replies with: its value, or the first items of the generator that it is.
pub(crate) fn whole<'py>(py: Python<'py>, call: &Call, value: Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
    if call.push.num_returns > 0 && is_generator(&value)? { first_items(py, call, &value) } else { Ok(value) }
}

fn is_generator(value: &Bound<'_, PyAny>) -> PyResult<bool> {
    static GENERATOR: PyOnceLock<Py<PyType>> = PyOnceLock::new();
    Ok(value.get_type().is(GENERATOR.import(value.py(), "types", "GeneratorType")?))
}

/// The results of a generator that was called with a number as `num_returns`: its first items; from one that raises on, the error.
fn first_items<'py>(py: Python<'py>, call: &Call, generator: &Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
    let count = usize::from(call.push.num_returns);
    let mut items = Vec::with_capacity(count);
    let mut rest = generator.try_iter()?;
    while items.len() < count {
        match rest.next() {
            Some(Ok(item)) => items.push(item),
            Some(Err(error)) if items.is_empty() || !is_of_user(py, &error) => return Err(error),
            Some(Err(error)) => {
                let hooks = hooks()?;
                let encoded = encode_error(py, &hooks, &error, &call.definition.name)?;
                items.resize(count, Bound::new(py, Unmade(encoded))?.into_any());
            }
            None => {
                let (name, made) = (&call.definition.name, items.len());
                let message = format!("{name} has num_returns={count}, but it yielded {made} values.");
                return Err(PyValueError::new_err(message));
            }
        }
    }
    match &items[..] {
        [only] => Ok(only.clone()),
        _ => Ok(PyList::new(py, items)?.into_any()),
    }
}

/// Whether an error is one that user code handles: not its wish to exit, nor an interrupt.
fn is_of_user(py: Python<'_>, error: &PyErr) -> bool {
    error.is_instance_of::<pyo3::exceptions::PyException>(py)
}

fn not_a_generator(name: &str, value: &Bound<'_, PyAny>) -> PyErr {
    let kind = value.get_type().name().map(|name| name.to_string()).unwrap_or_default();
    PyValueError::new_err(format!(
        "{name} was called with num_returns=\"streaming\" or \"dynamic\", so it must return a generator, but it returned one {kind}: use \
         `yield`, or credit num_returns out."
    ))
}

/// A generator of an actor with an event loop: the loop takes its items, and hands them over one by one.
#[pyclass(frozen, module = "trygon._native")]
pub(crate) struct StreamSender {
    producer: Mutex<Producer>,
    name: String,
    is_dynamic: bool,
}

impl StreamSender {
    /// For the generator that this call asked for.
    pub(crate) fn new(session: &Arc<Session>, call: &Call) -> Self {
        let is_dynamic = call.push.num_returns == DYNAMIC;
        Self { producer: Mutex::new(Producer::new(session, call)), name: call.definition.name.clone(), is_dynamic }
    }

    /// Which generator, and how many items it has made.
    pub(crate) fn place(&self) -> (StreamKey, u32) {
        let producer = self.producer.lock();
        (producer.key, producer.made)
    }
}

#[pymethods]
impl StreamSender {
    /// Sends one item.
    fn send(&self, py: Python<'_>, item: &Bound<'_, PyAny>) -> PyResult<()> {
        // One loop sends, so that nobody waits for this lock.
        self.producer.lock().send(py, item)
    }

    /// Whether one more item may be made now.
    fn has_room(&self) -> bool {
        self.producer.lock().has_room()
    }

    /// Whether nobody wants more items.
    fn is_stopped(&self) -> bool {
        self.producer.lock().is_stopped()
    }

    /// Every item was made.
    fn finish(&self) {
        self.producer.lock().finish();
    }

    /// Takes an error of user code as the last item, where items are listed. False where it is the call's own error.
    fn fail(&self, py: Python<'_>, error: &Bound<'_, PyAny>) -> PyResult<bool> {
        if self.is_dynamic {
            let hooks = hooks()?;
            let encoded = encode_error(py, &hooks, &PyErr::from_value(error.clone()), &self.name)?;
            self.producer.lock().send_encoded(py, &Outgoing::Error(encoded))?;
        }
        Ok(self.is_dynamic)
    }

    /// What the call itself replies with.
    fn result<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        if self.is_dynamic { self.producer.lock().listed(py) } else { Ok(py.None().into_bound(py)) }
    }
}
