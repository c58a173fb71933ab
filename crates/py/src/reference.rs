//! `ObjectRef`: a counted reference to an object of this process or of another.

use crate::hooks::hooks;
use crate::session::{self, Session};
use pyo3::exceptions::PyRuntimeError;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyTuple, PyType};
use std::cell::RefCell;
use std::sync::Arc;
use trygon_ids::{ObjectId, WorkerId};
use trygon_worker::KnownPlace;
use trygon_worker::core::Reference;

/// Size of the id of an object.
const ID_BYTES: usize = 28;

thread_local! {
    /// References met while a value is pickled or unpickled in this thread; `None` outside of that.
    static MET: RefCell<Option<Vec<Reference>>> = const { RefCell::new(None) };
}

/// Runs `work` and returns the references that it met.
pub(crate) fn collecting<R>(work: impl FnOnce() -> R) -> (R, Vec<Reference>) {
    let outer = MET.with(|met| met.borrow_mut().replace(Vec::new()));
    let result = work();
    let met = MET.with(|met| std::mem::replace(&mut *met.borrow_mut(), outer));
    (result, met.unwrap_or_default())
}

/// Notes a reference that is being pickled or unpickled. False outside of the engine's own pickling.
pub(crate) fn meet(reference: Reference) -> bool {
    MET.with(|met| met.borrow_mut().as_mut().map(|met| met.push(reference)).is_some())
}

/// Which object.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Key {
    /// An own one, by its place in the table.
    Own {
        /// The slot.
        slot: u32,
        /// Its generation.
        generation: u32,
        /// Which of its objects.
        index: u32,
    },
    /// Another process's.
    Borrowed(Reference),
}

impl Key {
    /// A well-mixed number that is the same for the same object.
    pub(crate) fn mixed(&self) -> u64 {
        let (slot, generation, index) = match self {
            Self::Own { slot, generation, index } => (*slot, *generation, *index),
            Self::Borrowed(reference) => {
                let task = reference.object.task_id();
                (task.slot(), task.generation(), reference.object.index())
            }
        };
        let word = u64::from(slot) | u64::from(generation) << 32;
        let word = (word ^ u64::from(index).rotate_left(17)).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        word ^ (word >> 32)
    }
}

/// A reference to an object that exists or will exist. Hashable, picklable, awaitable; the object lives at least as long.
#[pyclass(frozen, weakref, module = "trygon", name = "ObjectRef")]
#[derive(Debug)]
pub(crate) struct ObjectRef {
    session: Arc<Session>,
    key: Key,
}

impl ObjectRef {
    /// Wraps a count that is held already.
    pub(crate) fn own(session: &Arc<Session>, slot: u32, generation: u32, index: u32) -> Self {
        Self { session: Arc::clone(session), key: Key::Own { slot, generation, index } }
    }

    /// Takes a count of its own. `None` when the object is gone.
    pub(crate) fn retain(session: &Arc<Session>, reference: &Reference) -> Option<Self> {
        let mut engine = session.runtime.lock();
        if !engine.core.retain(reference) {
            return None;
        }
        let key = if engine.core.owns(&reference.object) {
            let task = reference.object.task_id();
            let index = reference.object.index() & !trygon_ids::PUT_INDEX_BIT;
            Key::Own { slot: task.slot(), generation: task.generation(), index }
        } else {
            Key::Borrowed(*reference)
        };
        drop(engine);
        Some(Self { session: Arc::clone(session), key })
    }

    /// Refers to nothing.
    pub(crate) fn nil(session: &Arc<Session>) -> Self {
        let reference = Reference { object: ObjectId::nil(), owner: WorkerId::nil() };
        Self { session: Arc::clone(session), key: Key::Borrowed(reference) }
    }

    /// Whether it refers to nothing.
    pub(crate) fn is_nothing(&self) -> bool {
        matches!(&self.key, Key::Borrowed(reference) if reference.object.is_nil())
    }

    pub(crate) fn key(&self) -> Key {
        self.key
    }

    pub(crate) fn key_ref(&self) -> &Key {
        &self.key
    }

    pub(crate) fn session(&self) -> &Arc<Session> {
        &self.session
    }

    /// The object and its owner.
    pub(crate) fn reference(&self) -> Reference {
        match self.key {
            Key::Own { slot, generation, index } => {
                let engine = self.session.runtime.lock();
                let object = engine.core.object_id(slot, generation, index);
                Reference { object, owner: self.session.setup.identity.worker }
            }
            Key::Borrowed(reference) => reference,
        }
    }

    fn id(&self) -> ObjectId {
        self.reference().object
    }
}

impl Drop for ObjectRef {
    fn drop(&mut self) {
        if !self.session.is_usable() {
            return;
        }
        let mut engine = self.session.runtime.lock();
        match &self.key {
            Key::Own { slot, generation, index } => engine.core.release_local(*slot, *generation, *index),
            Key::Borrowed(reference) => engine.core.release(reference),
        }
        let has_effects = engine.core.has_effects();
        drop(engine);
        if has_effects {
            self.session.runtime.perform_soon();
        }
    }
}

/// Size in bytes, whether this node has it, segment and offset here, number of the other node that has it.
type SizeAndPlace = (u64, bool, Option<(u64, u64)>, Option<u32>);

#[pymethods]
impl ObjectRef {
    #[classmethod]
    fn __class_getitem__<'py>(class: &Bound<'py, PyType>, _item: &Bound<'py, PyAny>) -> Bound<'py, PyType> {
        class.clone()
    }

    /// The id as lower-case hexadecimal, 56 characters.
    fn hex(&self) -> String {
        self.id().hex()
    }

    /// The id as 28 bytes.
    fn binary<'py>(&self, py: Python<'py>) -> Bound<'py, PyBytes> {
        PyBytes::new(py, self.id().as_bytes())
    }

    /// The `TaskID` of the task that makes the object.
    fn task_id<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        identifier(py, "TaskID", self.id().task_id().as_bytes())
    }

    /// The `JobID` of the job.
    fn job_id<'py>(&self, py: Python<'py>) -> PyResult<Bound<'py, PyAny>> {
        identifier(py, "JobID", self.id().task_id().job_id().as_bytes())
    }

    /// The owning process's id as hexadecimal.
    fn owner_address(&self) -> String {
        self.reference().owner.hex()
    }

    /// Whether this refers to nothing: a generator's next item did not come in time.
    fn is_nil(&self) -> bool {
        self.is_nothing()
    }

    /// Where the reference was made; not recorded.
    fn call_site(&self) -> &'static str {
        ""
    }

    /// Once that is known here: size of the encoded value in bytes, whether this node's store has it, its segment and offset there, and the
    /// number of the other node that has it.
    fn _place(&self) -> Option<SizeAndPlace> {
        let KnownPlace { size_bytes, location, other_node, is_here } =
            self.session.runtime.known_place(&self.reference())?;
        let own = location.filter(|_| other_node.is_none());
        let place = own.map(|location| (location.segment.0, location.offset_bytes));
        Some((size_bytes, is_here, place, other_node))
    }

    /// How many bytes the id has.
    #[staticmethod]
    fn size() -> usize {
        ID_BYTES
    }

    /// An asyncio future of the value, for the running event loop.
    fn as_future<'py>(slf: &Bound<'py, Self>) -> PyResult<Bound<'py, PyAny>> {
        slf.py().import("asyncio")?.call_method1("wrap_future", (Self::future(slf)?,))
    }

    /// A `concurrent.futures.Future` of the value.
    fn future(slf: &Bound<'_, Self>) -> PyResult<Py<PyAny>> {
        hooks()?.future_of.call1(slf.py(), (slf,))
    }

    fn __await__(slf: &Bound<'_, Self>) -> PyResult<Py<PyAny>> {
        hooks()?.await_ref.call1(slf.py(), (slf,))
    }

    fn __hash__(&self) -> u64 {
        self.key.mixed()
    }

    fn __eq__(&self, other: &Bound<'_, PyAny>) -> bool {
        other.cast::<Self>().is_ok_and(|other| {
            let other = other.get();
            other.key == self.key && other.session.number == self.session.number
        })
    }

    fn __lt__(&self, other: &Bound<'_, Self>) -> bool {
        self.id() < other.get().id()
    }

    fn __repr__(&self) -> String {
        format!("ObjectRef({})", self.hex())
    }

    /// Inside the engine's own pickling the reference is tracked. Anywhere else nobody can say when the copy goes: the object then lives as
    /// long as the job.
    fn __reduce__<'py>(slf: &Bound<'py, Self>) -> PyResult<(Bound<'py, PyAny>, Bound<'py, PyTuple>)> {
        let py = slf.py();
        let this = slf.get();
        let reference = this.reference();
        if !meet(reference) {
            this.session.runtime.lock().core.retain(&reference);
        }
        let rebuild = py.import("trygon._native")?.getattr("rebuild_reference")?;
        let object = PyBytes::new(py, reference.object.as_bytes());
        let owner = PyBytes::new(py, reference.owner.as_bytes());
        Ok((rebuild, PyTuple::new(py, [object, owner])?))
    }
}

pub(crate) fn identifier<'py>(py: Python<'py>, kind: &str, bytes: &[u8]) -> PyResult<Bound<'py, PyAny>> {
    py.import("trygon._core.ids")?.call_method1(kind, (PyBytes::new(py, bytes),))
}

/// The reference that was pickled as these bytes.
#[pyfunction]
pub(crate) fn rebuild_reference(py: Python<'_>, object: &[u8], owner: &[u8]) -> PyResult<ObjectRef> {
    let malformed = |error: trygon_ids::IdError| PyRuntimeError::new_err(error.to_string());
    let object = ObjectId::from_bytes(object).map_err(malformed)?;
    let reference = Reference { object, owner: WorkerId::from_bytes(owner).map_err(malformed)? };
    let session = session::require(py)?;
    restore(py, &session, reference)
}

/// A counted reference to what was named in a value; noted for whoever reads the value.
pub(crate) fn restore(py: Python<'_>, session: &Arc<Session>, reference: Reference) -> PyResult<ObjectRef> {
    // One of another job came from an actor that was found by its name; one of an earlier session has an owner whom nobody knows.
    meet(reference);
    ObjectRef::retain(session, &reference)
        .ok_or_else(|| crate::errors::system(py, "object_freed", &[("object_id", &reference.object.hex())]))
}
