//! `ObjectRefGenerator`: the caller's side of a generator.

use crate::hooks::hooks;
use crate::reference::{ObjectRef, identifier};
use crate::session::Session;
use crate::waiting::{closed, patience, usable_session};
use pyo3::exceptions::{PyNotImplementedError, PyStopAsyncIteration, PyTypeError};
use pyo3::prelude::*;
use pyo3::types::{PyTuple, PyType};
use std::sync::Arc;
use trygon_worker::core::NextItem;

/// The references of a generator task's items, each as soon as it is there. Deleting it drops the items that were not taken and ends the
/// task at its next `yield`.
#[pyclass(frozen, weakref, module = "trygon", name = "ObjectRefGenerator")]
#[derive(Debug)]
pub(crate) struct ObjectRefGenerator {
    session: Arc<Session>,
    slot: u32,
    generation: u32,
}

impl ObjectRefGenerator {
    /// Wraps the stream of a task that was just submitted; the count on its end is held already.
    pub(crate) fn new(session: &Arc<Session>, slot: u32, generation: u32) -> Self {
        Self { session: Arc::clone(session), slot, generation }
    }

    pub(crate) fn session(&self) -> &Arc<Session> {
        &self.session
    }

    /// The slot and generation of its task.
    pub(crate) fn place(&self) -> (u32, u32) {
        (self.slot, self.generation)
    }

    fn reference(&self, index: u32) -> ObjectRef {
        ObjectRef::own(&self.session, self.slot, self.generation, index)
    }

    /// The next item if it is there now.
    fn take(&self) -> NextItem {
        let mut engine = self.session.runtime.lock();
        let next = engine.core.take_item(self.slot, self.generation);
        let has_effects = engine.core.has_effects();
        drop(engine);
        if has_effects {
            self.session.runtime.perform_soon();
        }
        next
    }

    /// Waits for the next item. `None` at the end; a reference to nothing when the time is over.
    fn next(&self, py: Python<'_>, timeout: Option<f64>) -> PyResult<Option<ObjectRef>> {
        usable_session(py, &self.session)?;
        let mut next = self.take();
        if next == NextItem::Pending {
            let patience = patience(py, &self.session, timeout)?;
            let runtime = &self.session.runtime;
            crate::gil::wait(py, runtime, &patience, |engine| {
                engine.core.watch_stream(self.slot, self.generation) || engine.is_closed()
            })?;
            next = self.take();
        }
        match next {
            NextItem::Item(index) => Ok(Some(self.reference(index))),
            NextItem::End => Ok(None),
            NextItem::Pending if self.session.runtime.lock().is_closed() => Err(closed(py)),
            NextItem::Pending => Ok(Some(ObjectRef::nil(&self.session))),
        }
    }
}

impl Drop for ObjectRefGenerator {
    fn drop(&mut self) {
        if !self.session.is_usable() {
            return;
        }
        let mut engine = self.session.runtime.lock();
        engine.core.close_stream(self.slot, self.generation);
        let has_effects = engine.core.has_effects();
        drop(engine);
        if has_effects {
            self.session.runtime.perform_soon();
        }
    }
}

fn not_supported(name: &str) -> PyErr {
    PyNotImplementedError::new_err(format!("{name} is not supported: items only come from the task to its caller."))
}

#[pymethods]
impl ObjectRefGenerator {
    #[classmethod]
    fn __class_getitem__<'py>(class: &Bound<'py, PyType>, _item: &Bound<'py, PyAny>) -> Bound<'py, PyType> {
        class.clone()
    }

    fn __iter__(slf: Bound<'_, Self>) -> Bound<'_, Self> {
        slf
    }

    fn __next__(&self, py: Python<'_>) -> PyResult<Option<ObjectRef>> {
        self.next(py, None)
    }

    fn __aiter__(slf: Bound<'_, Self>) -> Bound<'_, Self> {
        slf
    }

    fn __anext__(slf: &Bound<'_, Self>) -> PyResult<Py<PyAny>> {
        hooks()?.next_item.call1(slf.py(), (slf, slf.py().None()))
    }

    /// As `next`, for so many seconds at most: a reference whose `is_nil()` is true says that the time was over.
    #[pyo3(signature = (timeout_s=None))]
    fn _next_sync(&self, py: Python<'_>, timeout_s: Option<f64>) -> PyResult<ObjectRef> {
        self.next(py, timeout_s)?.ok_or_else(|| pyo3::exceptions::PyStopIteration::new_err(()))
    }

    /// As `_next_sync`, to be awaited.
    #[pyo3(signature = (timeout_s=None))]
    fn _next_async(slf: &Bound<'_, Self>, timeout_s: Option<f64>) -> PyResult<Py<PyAny>> {
        hooks()?.next_item.call1(slf.py(), (slf, timeout_s))
    }

    /// The next item if it is there, None while it is not; StopAsyncIteration at the end.
    fn _take(&self, py: Python<'_>) -> PyResult<Option<ObjectRef>> {
        usable_session(py, &self.session)?;
        match self.take() {
            NextItem::Item(index) => Ok(Some(self.reference(index))),
            NextItem::Pending if self.session.runtime.lock().is_closed() => Err(closed(py)),
            NextItem::Pending => Ok(None),
            NextItem::End => Err(PyStopAsyncIteration::new_err(())),
        }
    }

    /// A reference that is ready when the task has made all its items: None is its value, or an error when the system failed the task.
    fn completed(&self) -> ObjectRef {
        self.session.runtime.lock().core.retain_local(self.slot, self.generation, 0);
        self.reference(0)
    }

    /// The same as `completed()`, under the name by which Ray's own code knows it.
    #[getter]
    fn _generator_ref(&self) -> ObjectRef {
        self.completed()
    }

    /// Whether the next item is there already; False at the end.
    fn next_ready(&self, py: Python<'_>) -> PyResult<bool> {
        usable_session(py, &self.session)?;
        self.session.runtime.poll_now();
        let (waiting, _) = self.session.runtime.lock().core.stream_state(self.slot, self.generation);
        Ok(waiting > 0)
    }

    /// Whether the task has ended and every item was taken.
    fn is_finished(&self) -> bool {
        self.session.runtime.poll_now();
        let (waiting, is_done) = self.session.runtime.lock().core.stream_state(self.slot, self.generation);
        is_done && waiting == 0
    }

    /// The `TaskID` of the task that makes the items.
    fn task_id<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        let task = self.session.runtime.lock().core.task_id(self.slot, self.generation);
        identifier(py, "TaskID", task.as_bytes())
    }

    #[pyo3(signature = (*_args))]
    fn send(&self, _args: &Bound<'_, PyTuple>) -> PyResult<()> {
        Err(not_supported("gen.send"))
    }

    #[pyo3(signature = (*_args))]
    fn throw(&self, _args: &Bound<'_, PyTuple>) -> PyResult<()> {
        Err(not_supported("gen.throw"))
    }

    fn close(&self) -> PyResult<()> {
        Err(not_supported("gen.close"))
    }

    #[pyo3(signature = (*_args))]
    fn asend(&self, _args: &Bound<'_, PyTuple>) -> PyResult<()> {
        Err(not_supported("gen.asend"))
    }

    #[pyo3(signature = (*_args))]
    fn athrow(&self, _args: &Bound<'_, PyTuple>) -> PyResult<()> {
        Err(not_supported("gen.athrow"))
    }

    fn aclose(&self) -> PyResult<()> {
        Err(not_supported("gen.aclose"))
    }

    fn __reduce__(&self) -> PyResult<()> {
        Err(PyTypeError::new_err(
            "An ObjectRefGenerator cannot be pickled, so it cannot be passed to or returned by a task: pass the references that it \
             yields, or a list of them.",
        ))
    }

    fn __repr__(&self) -> String {
        let engine = self.session.runtime.lock();
        format!("ObjectRefGenerator({})", engine.core.task_id(self.slot, self.generation).hex())
    }
}
