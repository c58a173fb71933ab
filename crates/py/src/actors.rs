//! Actors: creation, calls, names.

use crate::arguments::ArgumentBuffer;
use crate::errors;
use crate::functions::{ArgumentCheck, check_arguments, retry_rule, returned};
use crate::placement::{Placement, placed};
use crate::reference::{ObjectRef, collecting};
use crate::session::{self, Session};
use parking_lot::Mutex;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyTuple};
use std::collections::BTreeMap;
use std::sync::{Arc, Weak};
use trygon_ids::ActorId;
use trygon_wire::control;
use trygon_worker::core::{ActorState, CallOrder, FunctionIndex, Reference, Submission};
use trygon_worker::{ActorRegistration, MethodExport, RetryRule};

fn actor_id(bytes: &[u8]) -> PyResult<ActorId> {
    ActorId::from_bytes(bytes).map_err(|error| pyo3::exceptions::PyValueError::new_err(error.to_string()))
}

/// An actor's method with its options.
#[pyclass(frozen, weakref, module = "trygon._native")]
pub(crate) struct ActorMethodHandle {
    actor: ActorId,
    /// Counts the handle while the method is held.
    handle: Option<Py<ObjectRef>>,
    method: String,
    num_returns: u16,
    stream_limit: u32,
    max_task_retries: i32,
    retries: RetryRule,
    check: Option<ArgumentCheck>,
    /// The concurrency group of the calls; empty for the method's own.
    group: String,
    order: CallOrder,
    /// Calls beyond this many are refused; negative for no limit.
    max_pending_calls: i64,
    class_name: String,
    bound: Mutex<Option<BoundMethod>>,
}

/// A method as a session knows it.
struct BoundMethod {
    session: Weak<Session>,
    function: FunctionIndex,
    /// How often the session had forgotten methods when this one was known.
    forgotten: u64,
}

impl BoundMethod {
    /// Whether the number still stands for the method: those of actors that ended long ago are forgotten.
    fn is_known(&mut self, session: &Session) -> bool {
        let forgotten = session.runtime.forgotten();
        if self.forgotten != forgotten {
            if !session.runtime.lock().core.is_known(self.function) {
                return false;
            }
            self.forgotten = forgotten;
        }
        true
    }
}

#[pymethods]
impl ActorMethodHandle {
    #[new]
    #[pyo3(signature = (actor_id, handle_ref, *, method, class_name, num_returns=1, max_task_retries=0,
        retry_exceptions=false, retry_exception_types=None, check=None,
        group=String::new(), concurrent=false, out_of_order=false, max_pending_calls=-1, stream_limit=0))]
    #[expect(clippy::too_many_arguments, reason = "each is an option that a user may give")]
    fn new(
        actor_id: &[u8],
        handle_ref: Option<Py<ObjectRef>>,
        method: String,
        class_name: String,
        num_returns: u16,
        max_task_retries: i32,
        retry_exceptions: bool,
        retry_exception_types: Option<Vec<u8>>,
        check: Option<ArgumentCheck>,
        group: String,
        concurrent: bool,
        out_of_order: bool,
        max_pending_calls: i64,
        stream_limit: u32,
    ) -> PyResult<Self> {
        let actor = self::actor_id(actor_id)?;
        Ok(Self {
            actor,
            handle: handle_ref,
            method,
            num_returns,
            stream_limit,
            max_task_retries,
            retries: retry_rule(retry_exceptions, retry_exception_types),
            check,
            group,
            order: CallOrder { concurrent, out_of_order },
            max_pending_calls,
            class_name,
            bound: Mutex::new(None),
        })
    }

    /// Submits a call; returns a reference, a list of them for several results, None for none.
    #[pyo3(signature = (*args, **kwargs))]
    fn submit<'py>(
        &self,
        py: Python<'py>,
        args: &Bound<'py, PyTuple>,
        kwargs: Option<&Bound<'py, PyDict>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        check_arguments(self.check.as_ref(), args, kwargs)?;
        let (session, function) = self.bound(py)?;
        if self.max_pending_calls >= 0 {
            self.refuse_beyond_limit(py, &session)?;
        }
        crate::functions::wait_for_room(py, &session)?;
        let depth = session.child_depth();
        let (slot, generation) = ArgumentBuffer::with(&session, args, kwargs, |arguments| {
            session.runtime.submit(&Submission {
                function,
                arguments: *arguments,
                num_returns: self.num_returns,
                stream_limit: self.stream_limit,
                max_retries: self.max_task_retries,
                retry_errors: self.retries.errors,
                parent: session.current_tag(py),
                depth,
            })
        })?;
        returned(py, &session, slot, generation, self.num_returns)
    }
}

impl ActorMethodHandle {
    fn refuse_beyond_limit(&self, py: Python<'_>, session: &Arc<Session>) -> PyResult<()> {
        let mut engine = session.runtime.lock();
        let index = engine.core.actor(self.actor);
        let pending = engine.core.pending_calls(index);
        drop(engine);
        if i64::try_from(pending).is_ok_and(|pending| pending < self.max_pending_calls) {
            return Ok(());
        }
        let (limit, pending) = (self.max_pending_calls.to_string(), pending.to_string());
        let details = [("class_name", self.class_name.as_str()), ("limit", &limit), ("pending", &pending)];
        Err(errors::system(py, "pending_calls_limit", &details))
    }

    fn bound(&self, py: Python<'_>) -> PyResult<(Arc<Session>, FunctionIndex)> {
        if let Some(bound) = &mut *self.bound.lock()
            && let Some(session) = bound.session.upgrade()
            && session.number == session::current_number()
            && bound.is_known(&session)
        {
            return Ok((session, bound.function));
        }
        let session = session::require(py)?;
        let forgotten = session.runtime.forgotten();
        // An actor of another job is one that was found by its name; one of an earlier session is known to nobody, and is told so.
        let (index, function) = session.runtime.export_method(&MethodExport {
            actor: self.actor,
            name: &self.method,
            group: &self.group,
            order: self.order,
            retries: &self.retries,
        });
        if let Some(handle) = &self.handle {
            let handle = handle.get().reference();
            session.runtime.lock().core.set_actor_handle(index, &handle);
        }
        *self.bound.lock() = Some(BoundMethod { session: Arc::downgrade(&session), function, forgotten });
        Ok((session, function))
    }
}

/// What `create_actor` returns: the id, the reference that counts its handles (None for an actor that existed), and the existing
/// actor's handle data and class name.
type Created<'py> = (Bound<'py, PyBytes>, Option<ObjectRef>, Option<Bound<'py, PyBytes>>, Option<String>);

/// Registers an actor. Its constructor runs in a worker of its own; errors come with the first call's result.
#[pyfunction]
#[pyo3(signature = (exporter, *, class_name, args, kwargs, name, namespace, placement_resources, lifetime_resources, max_restarts,
    handle_meta, options, get_if_exists, detached=false, environment=None, placement=None))]
#[expect(clippy::too_many_arguments, reason = "each is an option that a user may give")]
pub(crate) fn create_actor<'py>(
    py: Python<'py>,
    exporter: &Bound<'py, PyAny>,
    class_name: String,
    args: &Bound<'py, PyTuple>,
    kwargs: &Bound<'py, PyDict>,
    name: Option<String>,
    namespace: Option<String>,
    placement_resources: BTreeMap<String, f64>,
    lifetime_resources: BTreeMap<String, f64>,
    max_restarts: i64,
    handle_meta: Vec<u8>,
    options: Vec<u8>,
    get_if_exists: bool,
    detached: bool,
    environment: Option<Bound<'py, PyAny>>,
    placement: Placement,
) -> PyResult<Created<'py>> {
    let session = session::require(py)?;
    let placement = if placement.is_some() { placement } else { session.inherited().1 };
    let class_hash = export_class(py, &session, exporter)?;
    let environment: Vec<u8> = match environment {
        Some(prepare) => prepare.call0()?.extract()?,
        None => session.setup.environment.clone(),
    };
    let actor = new_actor_id(&session)?;
    let (arguments, pinned, _pins) = constructor_arguments(&session, args, kwargs)?;
    let message = control::CreateActor {
        request_id: 0,
        actor_id: actor.as_bytes().to_vec(),
        class_hash,
        class_name,
        name: name.clone().unwrap_or_default(),
        namespace: namespace.unwrap_or_else(|| session.setup.namespace.clone()),
        placement_resources: placed(&placement_resources, &placement),
        lifetime_resources: placed(&lifetime_resources, &placement),
        max_restarts,
        arguments,
        handle_meta,
        get_if_exists,
        options,
        detached,
        depth: u32::from(session.child_depth()),
        environment,
    };
    let runtime = &session.runtime;
    let registration = if name.is_some() {
        crate::gil::detached(py, || runtime.create_actor(message)).map_err(|error| errors::request(py, &error))?
    } else {
        // Only a name can be refused: without one there is nothing to wait for.
        runtime.create_unnamed_actor(message);
        ActorRegistration::Created
    };
    match registration {
        ActorRegistration::Exists(existing) if get_if_exists => {
            let id = PyBytes::new(py, existing.actor.as_bytes());
            Ok((id, None, Some(PyBytes::new(py, &existing.handle_meta)), Some(existing.class_name)))
        }
        ActorRegistration::Exists(existing) => {
            let name = name.unwrap_or_default();
            let id = existing.actor.hex();
            Err(errors::system(py, "actor_name_taken", &[("name", &name), ("actor_id", &id)]))
        }
        ActorRegistration::Created => {
            let handle = counted_handle(&session, actor, &pinned, detached);
            Ok((PyBytes::new(py, actor.as_bytes()), handle, None, None))
        }
    }
}

/// Pins what the constructor uses, and makes the reference that counts the actor's handles. Nothing counts those of a detached actor:
/// it lives until it is killed, or the engine ends.
fn counted_handle(session: &Arc<Session>, actor: ActorId, pinned: &[Reference], detached: bool) -> Option<ObjectRef> {
    let mut engine = session.runtime.lock();
    let index = engine.core.actor(actor);
    engine.core.pin_for_actor(index, pinned);
    let counted = (!detached).then(|| engine.core.put_actor_handle(index));
    drop(engine);
    session.runtime.perform_soon();
    counted.map(|(slot, generation)| ObjectRef::own(session, slot, generation, 0))
}

fn export_class(py: Python<'_>, session: &Arc<Session>, exporter: &Bound<'_, PyAny>) -> PyResult<Vec<u8>> {
    let (body, met) = collecting(|| exporter.call0());
    let body = body?.cast_into::<PyBytes>().map_err(PyErr::from)?;
    for reference in met {
        session.runtime.lock().core.retain(&reference);
    }
    let _ = py;
    Ok(session.runtime.export_class(body.as_bytes()).as_bytes().to_vec())
}

fn new_actor_id(session: &Arc<Session>) -> PyResult<ActorId> {
    let mut bytes = [0; 16];
    bytes[..4].copy_from_slice(session.setup.identity.job.as_bytes());
    rustix::rand::getrandom(&mut bytes[4..], rustix::rand::GetRandomFlags::empty())
        .map_err(|error| pyo3::exceptions::PyOSError::new_err(error.to_string()))?;
    Ok(ActorId::new(bytes))
}

/// The constructor's arguments in the form of a task's, what has to stay for a restart, and
/// references that hold it until it is pinned.
fn constructor_arguments(
    session: &Arc<Session>,
    args: &Bound<'_, PyTuple>,
    kwargs: &Bound<'_, PyDict>,
) -> PyResult<(Vec<u8>, Vec<Reference>, Vec<ObjectRef>)> {
    // The references are kept by the arguments until the payload is built and pinned.
    let (payload, pins, dependencies, contained) = ArgumentBuffer::with(session, args, Some(kwargs), |arguments| {
        let pins: Vec<ObjectRef> =
            arguments.dependencies.iter().filter_map(|reference| ObjectRef::retain(session, reference)).collect();
        (arguments.payload.to_vec(), pins, arguments.dependencies.to_vec(), arguments.contained.to_vec())
    })?;
    let payload = session.runtime.lock().core.constructor_payload(&payload, &dependencies);
    let mut pinned = dependencies;
    pinned.extend(contained);
    Ok((payload, pinned, pins))
}

/// Ends an actor at once.
#[pyfunction]
pub(crate) fn kill_actor(py: Python<'_>, actor_id: &[u8], no_restart: bool) -> PyResult<()> {
    let actor = self::actor_id(actor_id)?;
    session::require(py)?.runtime.kill_actor(actor, no_restart);
    Ok(())
}

/// A named actor: its id, its class's name, its handle data.
type Named<'py> = (Bound<'py, PyBytes>, String, Bound<'py, PyBytes>);

/// A named actor: its id, class name and handle data; None when there is none.
#[pyfunction]
pub(crate) fn get_named_actor<'py>(py: Python<'py>, name: &str, namespace: &str) -> PyResult<Option<Named<'py>>> {
    let session = session::require(py)?;
    let namespace = if namespace.is_empty() { &session.setup.namespace } else { namespace };
    let runtime = &session.runtime;
    let found = crate::gil::detached(py, || runtime.named_actor(name, namespace));
    let found = found.map_err(|error| errors::request(py, &error))?;
    Ok(found.map(|actor| {
        (PyBytes::new(py, actor.actor.as_bytes()), actor.class_name, PyBytes::new(py, &actor.handle_meta))
    }))
}

/// What this process knows of an actor: `PENDING_CREATION`, `ALIVE`, `RESTARTING` or `DEAD`.
#[pyfunction]
pub(crate) fn actor_state(py: Python<'_>, actor_id: &[u8]) -> PyResult<&'static str> {
    let actor = self::actor_id(actor_id)?;
    let session = session::require(py)?;
    let mut engine = session.runtime.lock();
    let index = engine.core.actor(actor);
    let state = match engine.core.actor_state(index) {
        ActorState::Pending => "PENDING_CREATION",
        ActorState::Alive { .. } => "ALIVE",
        ActorState::Restarting { .. } => "RESTARTING",
        ActorState::Dead { .. } => "DEAD",
    };
    drop(engine);
    // Whoever asks for the first time watches from here on.
    session.runtime.perform_soon();
    Ok(state)
}
