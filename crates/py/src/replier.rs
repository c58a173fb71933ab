//! The engine's side of one call: arguments out of their bytes, results and errors into theirs, the reply.

use crate::arguments;
use crate::cancel::{End, end_of};
use crate::codec::{Copied, decode, encode};
use crate::encoded::Encoded;
use crate::fetch::{get, stored};
use crate::fetch_ahead::Limit;
use crate::hooks::Hooks;
use crate::outgoing::{Outgoing, Unmade, encode_error, failed, status_of};
use crate::reference::ObjectRef;
use crate::session::Session;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyList, PyTuple};
use std::sync::Arc;
use trygon_ids::{ObjectId, WorkerId};
use trygon_wire::task;
use trygon_worker::core::{DYNAMIC, DependencyView, Reference, STREAMING, read_dependencies, with_summary};
use trygon_worker::{Call, Finished, ReturnedValue, Urgency};

/// Reads arguments and writes replies for one session; any thread may use it.
#[derive(Clone)]
pub(crate) struct Replier {
    pub(crate) session: Arc<Session>,
}

impl Replier {
    /// The arguments, dependencies in their places. References met on the way are noted for the caller's reply.
    pub(crate) fn arguments<'py>(
        &self,
        py: Python<'py>,
        payload: &[u8],
    ) -> PyResult<(Bound<'py, PyTuple>, Option<Bound<'py, PyDict>>)> {
        let (dependencies, rest) = read_dependencies(payload).ok_or_else(crate::codec::malformed)?;
        let mut pins = self.fetch_all(py, &dependencies)?;
        arguments::read(py, &self.session, &Copied(rest), |number| {
            let dependency = dependencies.get(number).ok_or_else(crate::codec::malformed)?;
            if let Some(bytes) = dependency.inline {
                return decode(py, &self.session, &Copied(bytes));
            }
            let Some(location) = dependency.stored else {
                // A constructor's argument that did not exist when the actor was made.
                let awaited = crate::reference::restore(py, &self.session, dependency.reference)?;
                return get(py, Bound::new(py, awaited)?.as_any(), None);
            };
            // Views on the value hold this reference: if they outlive the call, the caller is told (OWN-4).
            let pin = match pins.get_mut(number).and_then(Option::take) {
                Some(pin) => pin,
                None => crate::reference::restore(py, &self.session, dependency.reference)?,
            };
            stored(py, &self.session, location, &Bound::new(py, pin)?.unbind(), Limit::of_argument())
        })
    }

    /// Has dependencies that lie on other nodes come all at once. Returns references to those, which keep them.
    fn fetch_all(&self, py: Python<'_>, dependencies: &[DependencyView<'_>]) -> PyResult<Vec<Option<ObjectRef>>> {
        let runtime = &self.session.runtime;
        let mut pins = Vec::new();
        if dependencies.is_empty() || runtime.lock().is_alone() {
            return Ok(pins);
        }
        for dependency in dependencies {
            let elsewhere = dependency.stored.filter(|location| runtime.lock().is_elsewhere(location));
            let Some(location) = elsewhere else {
                pins.push(None);
                continue;
            };
            pins.push(Some(crate::reference::restore(py, &self.session, dependency.reference)?));
            runtime.lock().fetch(&dependency.reference.object, location, Urgency::Argument);
        }
        Ok(pins)
    }

    /// The values that a call returned, encoded and stored.
    pub(crate) fn results(
        &self,
        py: Python<'_>,
        hooks: &Hooks,
        call: &Call,
        value: &Bound<'_, PyAny>,
    ) -> PyResult<Vec<Outgoing>> {
        let count = call.push.num_returns;
        let task = self.session.runtime.task_id_of(call);
        let caller = self.session.runtime.worker_of(call.peer);
        match count {
            0 => Ok(Vec::new()),
            1 | DYNAMIC | STREAMING => Ok(vec![self.result(py, value, task.object(0), caller)?]),
            count => {
                let values = hooks.split_returns.call1(py, (value, count, &call.definition.name))?.into_bound(py);
                let values = values.cast_into::<PyList>().map_err(PyErr::from)?;
                let results = values.iter().enumerate();
                results.map(|(index, value)| self.result(py, &value, task.object(index as u32), caller)).collect()
            }
        }
    }

    /// One value, encoded; a large one is stored under this id.
    pub(crate) fn result(
        &self,
        py: Python<'_>,
        value: &Bound<'_, PyAny>,
        object: ObjectId,
        owner: WorkerId,
    ) -> PyResult<Outgoing> {
        if let Ok(unmade) = value.cast_exact::<Unmade>() {
            return Ok(Outgoing::Error(unmade.get().0.clone()));
        }
        let mut encoded: Encoded = encode(value)?;
        if encoded.is_inline(py) {
            encoded.flatten(py);
            return Ok(Outgoing::Inline(encoded.head, encoded.contained));
        }
        let location = encoded.store(py, &self.session, object, owner)?;
        Ok(Outgoing::Stored(location, encoded.contained))
    }

    /// Replies.
    pub(crate) fn reply(
        &self,
        call: &Call,
        status: u8,
        execution_ns: u64,
        outgoing: &[Outgoing],
        carried: &[Reference],
        exiting: bool,
    ) {
        if let [only] = outgoing {
            let returns = [only.as_returned()];
            self.session.runtime.finish(call, &Finished { status, execution_ns, returns: &returns, carried, exiting });
            return;
        }
        let returns: Vec<ReturnedValue<'_>> = outgoing.iter().map(Outgoing::as_returned).collect();
        self.session.runtime.finish(call, &Finished { status, execution_ns, returns: &returns, carried, exiting });
    }

    /// Replies with what user code returned, or with the error of making results of it.
    pub(crate) fn reply_value(
        &self,
        py: Python<'_>,
        hooks: &Hooks,
        call: &Call,
        execution_ns: u64,
        value: &Bound<'_, PyAny>,
        carried: &[Reference],
        exiting: bool,
    ) -> PyResult<()> {
        match self.results(py, hooks, call, value) {
            Ok(outgoing) => self.reply(call, status_of(&outgoing), execution_ns, &outgoing, carried, exiting),
            Err(error) => self.reply_error(py, hooks, call, execution_ns, error, carried, exiting)?,
        }
        Ok(())
    }

    /// Replies to a call that was cancelled while it ran, if it ended for that. False when it ended in its own way.
    pub(crate) fn reply_if_cancelled<T>(
        &self,
        py: Python<'_>,
        hooks: &Hooks,
        call: &Call,
        execution_ns: u64,
        result: Result<T, &PyErr>,
        carried: &[Reference],
        exiting: bool,
    ) -> PyResult<bool> {
        let outgoing = match end_of(py, hooks, &self.session, call, result)? {
            End::Own => return Ok(false),
            End::Cancelled => Vec::new(),
            End::Interrupted(error) => vec![Outgoing::Error(encode_error(py, hooks, &error, &call.definition.name)?)],
        };
        self.reply(call, task::STATUS_CANCELLED, execution_ns, &outgoing, carried, exiting);
        Ok(true)
    }

    /// Replies with an error that user code raised.
    pub(crate) fn reply_error(
        &self,
        py: Python<'_>,
        hooks: &Hooks,
        call: &Call,
        execution_ns: u64,
        error: PyErr,
        carried: &[Reference],
        exiting: bool,
    ) -> PyResult<()> {
        let mut encoded = encode_error(py, hooks, &error, &call.definition.name)?;
        let mut status = task::STATUS_ERROR;
        if call.definition.retries_errors {
            if is_retryable(py, hooks, &error, &call.definition.retry_classes)? {
                encoded = with_summary(encoded, &summary(py, &error));
            } else {
                status = task::STATUS_FINAL_ERROR;
            }
        }
        // The traceback holds the arguments.
        drop(error);
        let outgoing = failed(py, call, encoded)?;
        self.reply(call, status, execution_ns, &outgoing, carried, exiting);
        Ok(())
    }
}

/// Whether the error is one of the classes that are worth another attempt; any is when none are named.
fn is_retryable(py: Python<'_>, hooks: &Hooks, error: &PyErr, classes: &[u8]) -> PyResult<bool> {
    if classes.is_empty() {
        return Ok(true);
    }
    hooks.is_retryable.call1(py, (PyBytes::new(py, classes), error.value(py)))?.extract(py)
}

/// One line about an error.
fn summary(py: Python<'_>, error: &PyErr) -> String {
    let kind = error.get_type(py).name().map_or_else(|_| "an exception".to_owned(), |name| name.to_string());
    // The exception's own `__str__` may raise.
    let text = error.value(py).str().map_or_else(|_| String::new(), |text| text.to_string());
    match text.lines().next() {
        Some(line) if !line.is_empty() => format!("{kind}: {line}"),
        _ => kind,
    }
}
