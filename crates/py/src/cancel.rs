//! `cancel`, and the interrupt of the main thread.
//!
//! The thread that hears of a cancelled task may hold neither the GIL nor any state of Python. It sends the main thread a signal; Python
//! runs the handler there, between two instructions of whatever runs, and the handler asks [`take_interrupt`] whether to raise. It may
//! only while user code of that very call runs: both the question and the answer's basis belong to the main thread, so nothing can change
//! in between.

use crate::fetch::usable;
use crate::hooks::Hooks;
use crate::reference::ObjectRef;
use crate::session::{self, Session};
use pyo3::exceptions::{PySystemExit, PyValueError};
use pyo3::prelude::*;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use trygon_worker::core::{Cancel, CancelOutcome};
use trygon_worker::{Call, CallKey, Runtime};

/// The call whose user code the main thread runs and that may be interrupted; 0 for none.
static INTERRUPTIBLE: AtomicU32 = AtomicU32::new(0);

/// Runs user code of a call. A plain task may be interrupted meanwhile, an actor's call is not.
pub(crate) fn interruptible<R>(call: &Call, work: impl FnOnce() -> R) -> R {
    let tag = if call.is_actor_call { 0 } else { call.tag };
    INTERRUPTIBLE.store(tag, Ordering::Relaxed);
    let result = work();
    INTERRUPTIBLE.store(0, Ordering::Relaxed);
    result
}

/// The calling thread is the one that runs user code: a signal reaches it when a task is cancelled. SIGURG, because a process that has no
/// handler for it ignores it, and programs leave it alone.
pub(crate) fn listen(runtime: &Runtime) {
    // SAFETY: no arguments; it cannot fail.
    let main_thread = unsafe { libc::pthread_self() };
    runtime.set_cancel_listener(Box::new(move || {
        // SAFETY: the main thread lives as long as the process does.
        unsafe { libc::pthread_kill(main_thread, libc::SIGURG) };
    }));
}

/// For the signal's handler: whether the task whose code was interrupted by it is to be cancelled. True once.
#[pyfunction]
pub(crate) fn take_interrupt() -> bool {
    let tag = INTERRUPTIBLE.load(Ordering::Relaxed);
    if tag == 0 || session::is_forked_child() {
        return false;
    }
    session::current().is_some_and(|session| session.runtime.take_interrupt(tag))
}

/// The exception that the handler raised was swallowed by the interpreter, in a finalizer or a weak reference's callback.
#[pyfunction]
pub(crate) fn renew_interrupt() {
    let tag = INTERRUPTIBLE.load(Ordering::Relaxed);
    if tag != 0
        && !session::is_forked_child()
        && let Some(session) = session::current()
    {
        session.runtime.renew_interrupt(tag);
    }
}

/// Whether the task or call that asks was cancelled.
#[pyfunction]
pub(crate) fn is_canceled(py: Python<'_>) -> PyResult<bool> {
    let session = session::require(py)?;
    let (key, tag) = match session::current_call(py) {
        Some(call) => (call.key, call.tag),
        None => (session.running.lock().key, session.call_tag.load(Ordering::Relaxed)),
    };
    Ok(session.runtime.is_cancelled(key, tag))
}

/// Cancels the task that makes an object.
#[pyfunction]
pub(crate) fn cancel(py: Python<'_>, reference: &Bound<'_, ObjectRef>, force: bool, recursive: bool) -> PyResult<()> {
    let reference = reference.get();
    let session = usable(py, reference)?;
    let target = reference.reference();
    let outcome = if force {
        // Another owner's answer is waited for.
        crate::gil::detached(py, || session.runtime.cancel(&target, Cancel { force, recursive }))
    } else {
        session.runtime.cancel(&target, Cancel { force, recursive })
    };
    match outcome {
        CancelOutcome::ActorForced => Err(PyValueError::new_err(
            "force=True cannot cancel a call of an actor: it would end the actor's process with everything in it. Leave force out, or \
             end the actor with trygon.kill().",
        )),
        CancelOutcome::Finished | CancelOutcome::Dropped | CancelOutcome::Asked => Ok(()),
    }
}

/// How a call that was cancelled ends.
pub(crate) enum End {
    /// As any other: it was not cancelled, or it made something else of it.
    Own,
    /// As cancelled, with nothing to show.
    Cancelled,
    /// As cancelled, with the error that says where it was interrupted.
    Interrupted(PyErr),
}

/// A task may swallow the interrupt and return, or raise something else: that is its result. An actor's call ends cancelled whatever it
/// returns.
pub(crate) fn end_of<T>(
    py: Python<'_>,
    hooks: &Hooks,
    session: &Arc<Session>,
    call: &Call,
    result: Result<T, &PyErr>,
) -> PyResult<End> {
    if !session.runtime.is_cancelled(CallKey::of(call), call.tag) {
        return Ok(End::Own);
    }
    match result {
        Ok(_) => Ok(if call.is_actor_call { End::Cancelled } else { End::Own }),
        Err(error) if error.is_instance_of::<PySystemExit>(py) => Ok(End::Own),
        Err(error) => {
            let task = session.runtime.task_id_of(call).hex();
            let exception = error.clone_ref(py).into_value(py);
            let made = hooks.cancelled_error.call1(py, (exception, &call.definition.name, task))?.into_bound(py);
            Ok(if made.is_none() { End::Own } else { End::Interrupted(PyErr::from_value(made)) })
        }
    }
}
