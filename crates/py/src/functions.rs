//! `f.remote(...)`: the hot call.

use crate::arguments::ArgumentBuffer;
use crate::generator::ObjectRefGenerator;
use crate::hooks::hooks;
use crate::placement::{Placement, placed};
use crate::reference::{ObjectRef, collecting};
use crate::session::{self, Session};
use parking_lot::Mutex;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict, PyList, PyTuple};
use std::collections::BTreeMap;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Weak};
use std::time::Duration;
use trygon_worker::core::{DYNAMIC, FunctionIndex, STREAMING, Submission};
use trygon_worker::{FunctionExport, Patience, RetryRule};

/// A function that is bound to a session: exported there.
#[derive(Clone)]
struct Export {
    session: Weak<Session>,
    function: FunctionIndex,
    /// The placement group that it was captured by, or 0.
    capture_number: u64,
}

/// A remote function with its options. Exported to the engine at its first call in each session.
#[pyclass(frozen, weakref, module = "trygon._native")]
pub(crate) struct RemoteFunctionHandle {
    exporter: Py<PyAny>,
    name: String,
    resources: BTreeMap<String, f64>,
    placement: Placement,
    num_returns: u16,
    stream_limit: u32,
    max_retries: i32,
    retries: RetryRule,
    max_calls: u32,
    /// Prepares the function's own runtime environment and returns its key; without it, the process's applies.
    environment: Option<Py<PyAny>>,
    check: Option<ArgumentCheck>,
    bound: Mutex<Option<Export>>,
}

#[pymethods]
impl RemoteFunctionHandle {
    #[new]
    #[pyo3(signature = (exporter, *, name, resources, num_returns, max_retries, retry_exceptions=false, retry_exception_types=None, max_calls=0, environment=None, check=None, stream_limit=0, placement=None))]
    #[expect(clippy::too_many_arguments, reason = "each is an option that a user may give")]
    fn new(
        exporter: Py<PyAny>,
        name: String,
        resources: BTreeMap<String, f64>,
        num_returns: u16,
        max_retries: i32,
        retry_exceptions: bool,
        retry_exception_types: Option<Vec<u8>>,
        max_calls: u32,
        environment: Option<Py<PyAny>>,
        check: Option<ArgumentCheck>,
        stream_limit: u32,
        placement: Placement,
    ) -> Self {
        let retries = retry_rule(retry_exceptions, retry_exception_types);
        let bound = Mutex::new(None);
        Self {
            exporter,
            name,
            resources,
            placement,
            num_returns,
            stream_limit,
            max_retries,
            retries,
            max_calls,
            environment,
            check,
            bound,
        }
    }

    /// Submits a task; returns a reference, a list of them for several results, None for none, an iterator over them for a generator.
    #[pyo3(signature = (*args, **kwargs))]
    fn submit<'py>(
        &self,
        py: Python<'py>,
        args: &Bound<'py, PyTuple>,
        kwargs: Option<&Bound<'py, PyDict>>,
    ) -> PyResult<Bound<'py, PyAny>> {
        check_arguments(self.check.as_ref(), args, kwargs)?;
        let Some((session, function)) = self.bound(py)? else {
            return hooks()?.inline_submit.bind(py).call1((&self.exporter, args, kwargs));
        };
        wait_for_room(py, &session)?;
        let depth = session.child_depth();
        let (slot, generation) = ArgumentBuffer::with(&session, args, kwargs, |arguments| {
            session.runtime.submit(&Submission {
                function,
                arguments: *arguments,
                num_returns: self.num_returns,
                stream_limit: self.stream_limit,
                max_retries: self.max_retries,
                retry_errors: self.retries.errors,
                parent: session.current_tag(py),
                depth,
            })
        })?;
        returned(py, &session, slot, generation, self.num_returns)
    }
}

impl RemoteFunctionHandle {
    /// The session and the function's number in it; nothing when the package runs everything in this process.
    fn bound(&self, py: Python<'_>) -> PyResult<Option<(Arc<Session>, FunctionIndex)>> {
        if let Some(bound) = &*self.bound.lock()
            && let Some(session) = bound.session.upgrade()
            && session.number == session::current_number()
            && (self.placement.is_some()
                || bound.capture_number == session.capture_number.load(std::sync::atomic::Ordering::Relaxed))
        {
            return Ok(Some((session, bound.function)));
        }
        if session::is_inline() {
            return Ok(None);
        }
        let session = session::require(py)?;
        let (body, met) = collecting(|| self.exporter.call0(py));
        let body = body?.into_bound(py).cast_into::<PyBytes>().map_err(PyErr::from)?;
        // What a function closes over lives as long as the job: any later task may need it.
        for reference in met {
            session.runtime.lock().core.retain(&reference);
        }
        let environment: Vec<u8> = match &self.environment {
            Some(prepare) => prepare.call0(py)?.extract(py)?,
            None => session.setup.environment.clone(),
        };
        let (capture_number, inherited) = session.inherited();
        let placement = if self.placement.is_some() { &self.placement } else { &inherited };
        let function = session.runtime.export_function(&FunctionExport {
            name: &self.name,
            body: body.as_bytes(),
            resources: &placed(&self.resources, placement),
            environment: &environment,
            max_calls: self.max_calls,
            retries: self.retries.clone(),
        });
        let bound = Export { session: Arc::downgrade(&session), function, capture_number };
        *self.bound.lock() = Some(bound);
        Ok(Some((session, function)))
    }
}

/// Which errors are worth another attempt: all of them, or those of a pickled tuple of classes.
pub(crate) fn retry_rule(any: bool, classes: Option<Vec<u8>>) -> RetryRule {
    RetryRule { errors: any || classes.is_some(), classes: classes.unwrap_or_default() }
}

/// What a call returns: the references of its results.
pub(crate) fn returned<'py>(
    py: Python<'py>,
    session: &Arc<Session>,
    slot: u32,
    generation: u32,
    num_returns: u16,
) -> PyResult<Bound<'py, PyAny>> {
    match num_returns {
        0 => Ok(py.None().into_bound(py)),
        STREAMING => Ok(Bound::new(py, ObjectRefGenerator::new(session, slot, generation))?.into_any()),
        1 | DYNAMIC => Ok(Bound::new(py, ObjectRef::own(session, slot, generation, 0))?.into_any()),
        count => {
            let references = (0..u32::from(count)).map(|index| ObjectRef::own(session, slot, generation, index));
            let references: Vec<ObjectRef> = references.collect();
            Ok(PyList::new(py, references)?.into_any())
        }
    }
}

/// FLOW-1: arguments of tasks that are not done may take this much of the process's memory; then submission waits.
const ARGUMENT_BUDGET_BYTES: usize = 1 << 30;
/// A task does not wait for longer than this while nothing becomes free: what waits may wait for its own result. It gets so much more then.
const GOES_ON_AFTER: Duration = Duration::from_secs(10);
const GOES_ON_WITH_BYTES: usize = 64 << 20;

/// Waits while too many bytes of arguments wait to be used, and says so once.
pub(crate) fn wait_for_room(py: Python<'_>, session: &Arc<Session>) -> PyResult<()> {
    let (runtime, extra) = (&session.runtime, &session.extra_argument_bytes);
    let extra_bytes = extra.load(Ordering::Relaxed);
    if runtime.has_room_for_arguments(ARGUMENT_BUDGET_BYTES + extra_bytes) {
        if extra_bytes > 0 && runtime.has_room_for_arguments(ARGUMENT_BUDGET_BYTES) {
            extra.store(0, Ordering::Relaxed);
        }
        return Ok(());
    }
    runtime.log_line("submission waits: tasks that are not done hold 1 GiB of arguments in this process");
    let mut waiting_bytes = runtime.argument_bytes();
    loop {
        let patience = match session.is_worker {
            true => Patience::until(GOES_ON_AFTER),
            false => Patience::for_ever(),
        };
        let has_room = crate::gil::wait(py, runtime, &patience.lending_cpu(), |engine| {
            engine.is_closed() || engine.core.has_argument_room(ARGUMENT_BUDGET_BYTES + extra_bytes)
        })?;
        if has_room {
            return Ok(());
        }
        let left_bytes = runtime.argument_bytes();
        if left_bytes >= waiting_bytes {
            let waited_s = GOES_ON_AFTER.as_secs();
            runtime.log_line(&format!("submission goes on: none of these arguments was used for {waited_s} s"));
            extra.store(left_bytes.saturating_sub(ARGUMENT_BUDGET_BYTES) + GOES_ON_WITH_BYTES, Ordering::Relaxed);
            return Ok(());
        }
        waiting_bytes = left_bytes;
    }
}

/// Least and most positional arguments that are right without a closer look, and what takes that look.
pub(crate) type ArgumentCheck = (usize, usize, Py<PyAny>);

/// Refuses a call that its function would refuse, before anything is sent.
pub(crate) fn check_arguments(
    check: Option<&ArgumentCheck>,
    args: &Bound<'_, PyTuple>,
    kwargs: Option<&Bound<'_, PyDict>>,
) -> PyResult<()> {
    if let Some((least, most, look)) = check
        && (kwargs.is_some() || args.len() < *least || args.len() > *most)
    {
        look.call1(args.py(), (args, kwargs))?;
    }
    Ok(())
}
