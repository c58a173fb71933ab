//! An actor with an event loop. The loop's selector sleeps on the engine's descriptor, so the loop's thread reads its own calls.

use crate::groups::{Concurrency, Groups};
use crate::hooks::hooks;
use crate::produce::{StreamSender, whole};
use crate::reference::collecting;
use crate::replier::Replier;
use crate::session::{self, CallContext, CallInfo};
use crate::worker_call::{Runner, Verdict, exit_verdict};
use parking_lot::Mutex;
use pyo3::exceptions::PySystemExit;
use pyo3::prelude::*;
use pyo3::types::PyTuple;
use std::collections::{HashMap, VecDeque};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;
use trygon_wire::control;
use trygon_worker::core::{Reference, is_stream};
use trygon_worker::{Call, Leave, Runtime, Work};

/// What the loop's callbacks share. They all run in the loop's thread, so that no lock is waited for; user code that looks at its own call
/// from another thread does no harm.
struct Shared {
    groups: Mutex<Groups>,
    /// Calls whose turn has come, by group.
    ready: Mutex<VecDeque<(usize, Call)>>,
    verdict: Mutex<Option<Verdict>>,
    /// The last handle is gone: the loop ends with the last call.
    draining: Mutex<Option<String>>,
    is_over: AtomicBool,
    /// The loop's tasks of calls that wait for something, by the call's number.
    tasks: Mutex<HashMap<u32, Py<PyAny>>>,
}

/// The engine's side of the loop.
#[pyclass(frozen, module = "trygon._native")]
pub(crate) struct AsyncRunner {
    runner: Mutex<Runner>,
    start: control::StartActor,
    shared: Arc<Shared>,
    runtime: Arc<Runtime>,
    drive: Mutex<Option<Py<PyAny>>>,
    coroutine: Py<PyAny>,
}

/// One call that runs; the loop's task ends it with `finish` or `fail`.
#[pyclass(frozen, module = "trygon._native")]
pub(crate) struct RunningCall {
    replier: Replier,
    call: Call,
    carried: Vec<Reference>,
    group: usize,
    began: Instant,
    info: Arc<CallInfo>,
    shared: Arc<Shared>,
    ended: AtomicBool,
}

#[pymethods]
impl AsyncRunner {
    /// The descriptor that is readable when something has arrived.
    fn fileno(&self) -> i32 {
        self.runtime.readable_fd()
    }

    /// Whether the loop has to end.
    #[getter]
    fn is_over(&self) -> bool {
        self.shared.is_over.load(Ordering::Relaxed)
    }

    /// `drive(awaitable, call)` has the loop run what a method returned; `current` is the variable that follows it.
    fn set_drive(&self, drive: Py<PyAny>, current: Py<PyAny>) {
        *self.drive.lock() = Some(drive);
        session::set_async_variable(current);
    }

    /// Before the loop sleeps. True when it must not: there is something to dispatch.
    fn enter_selector(&self, may_sleep: bool) -> bool {
        let has_turns = !self.shared.ready.lock().is_empty() || self.shared.is_over.load(Ordering::Relaxed);
        let is_drained = self.shared.draining.lock().is_some() && self.shared.groups.lock().is_idle();
        let may_sleep = may_sleep && !has_turns && !is_drained;
        self.runtime.enter_selector(may_sleep) || has_turns || is_drained
    }

    /// After the loop slept.
    fn leave_selector(&self) {
        self.runtime.leave_selector();
    }

    /// Runs the constructor, inside the running loop.
    fn construct(&self, py: Python<'_>) -> PyResult<()> {
        let verdict = self.runner.lock().start_actor(py, &self.start)?;
        if !matches!(verdict, Verdict::GoOn) {
            self.end(verdict);
        }
        Ok(())
    }

    /// Starts what has arrived.
    fn dispatch(&self, py: Python<'_>) -> PyResult<()> {
        self.runtime.poll_now();
        for work in self.runtime.take_work() {
            match work {
                Work::Call(call) => {
                    let admitted = self.shared.groups.lock().admit(call);
                    self.shared.ready.lock().extend(admitted);
                }
                Work::Exit(reason) => *self.shared.draining.lock() = Some(reason),
                Work::Leave(Leave { kind, message, code }) => self.end(Verdict::Exit { kind, message, code }),
                Work::Cancel(tag) => self.cancel_task(py, tag)?,
                Work::StartActor(_) => {}
            }
        }
        if self.runtime.is_leaving() {
            self.end(Verdict::Closed);
        }
        // What becomes ready meanwhile has its turn after the loop's other business.
        let turns = self.shared.ready.lock().len();
        for _ in 0..turns {
            if self.shared.is_over.load(Ordering::Relaxed) {
                break;
            }
            let next = self.shared.ready.lock().pop_front();
            if let Some((group, call)) = next {
                self.start_call(py, group, call)?;
            }
        }
        self.end_if_drained();
        Ok(())
    }

    /// Code outside of any call ended the process.
    fn exit(&self, py: Python<'_>, error: &Bound<'_, PyAny>) {
        self.end(exit_verdict(py, &PyErr::from_value(error.clone())));
    }
}

impl AsyncRunner {
    fn end(&self, verdict: Verdict) {
        self.shared.end(verdict);
    }

    /// Cancels the loop's task of a call. A call without one has ended, or returns without waiting.
    fn cancel_task(&self, py: Python<'_>, tag: u32) -> PyResult<()> {
        let task = self.shared.tasks.lock().get(&tag).map(|task| task.clone_ref(py));
        task.map_or(Ok(()), |task| task.call_method0(py, "cancel").map(drop))
    }

    fn end_if_drained(&self) {
        let is_idle = self.shared.groups.lock().is_idle();
        let reason = self.shared.draining.lock().take_if(|_| is_idle);
        if let Some(message) = reason {
            self.end(Verdict::Exit { kind: "out_of_scope", message, code: 0 });
        }
    }

    /// Calls the method. What it returns at once is the result; a coroutine is given to the loop.
    fn start_call(&self, py: Python<'_>, group: usize, call: Call) -> PyResult<()> {
        let hooks = hooks()?;
        let mut runner = self.runner.lock();
        let replier = runner.replier.clone();
        let callable = runner.callable(py, &hooks, &call);
        drop(runner);
        session_depth(&replier, &call);
        if !self.runtime.begin_concurrent(&call) {
            self.shared.release(group);
            return Ok(());
        }
        let info = CallInfo::of(&replier.session, &call);
        let (arguments, carried) = collecting(|| replier.arguments(py, call.payload.as_slice()));
        let shared = Arc::clone(&self.shared);
        let running = RunningCall {
            replier,
            call,
            carried,
            group,
            began: Instant::now(),
            info: Arc::clone(&info),
            shared,
            ended: AtomicBool::new(false),
        };
        session::set_call(Some(info));
        let returned = callable.and_then(|callable| {
            let (args, kwargs) = arguments?;
            callable.bind(py).call(args, kwargs.as_ref())
        });
        session::set_call(None);
        let returned = returned.and_then(|value| items_sent(py, &running, value));
        match returned {
            Ok(value) if value.get_type().is(self.coroutine.bind(py)) => {
                let running = Bound::new(py, running)?;
                let drive = self.drive.lock().as_ref().map(|drive| drive.clone_ref(py));
                let Some(drive) = drive else { return Ok(()) };
                let task = drive.call1(py, (value, &running))?;
                if !task.is_none(py) && !running.get().ended.load(Ordering::Relaxed) {
                    self.shared.tasks.lock().insert(running.get().info.tag, task);
                }
                Ok(())
            }
            Ok(value) => running.finish(py, &value),
            Err(error) => running.fail_with(py, error),
        }
    }
}

/// A generator becomes a coroutine that sends its items.
fn items_sent<'py>(py: Python<'py>, running: &RunningCall, value: Bound<'py, PyAny>) -> PyResult<Bound<'py, PyAny>> {
    let call = &running.call;
    if !is_stream(call.push.num_returns) {
        return whole(py, call, value);
    }
    let sender = StreamSender::new(&running.replier.session, call);
    py.import("trygon._core.generators")?.getattr("send_items")?.call1((value, sender, &call.definition.name))
}

fn session_depth(replier: &Replier, call: &Call) {
    replier.session.depth.store(u32::from(call.push.depth), Ordering::Relaxed);
}

impl Shared {
    /// A call of this group ended: the next one has its turn.
    fn release(&self, group: usize) {
        let next = self.groups.lock().next(group);
        self.ready.lock().extend(next.map(|call| (group, call)));
    }

    fn end(&self, verdict: Verdict) {
        let mut ended = self.verdict.lock();
        if ended.is_none() {
            *ended = Some(verdict);
        }
        self.is_over.store(true, Ordering::Relaxed);
    }
}

#[pymethods]
impl RunningCall {
    /// The call returned this.
    fn finish(&self, py: Python<'_>, value: &Bound<'_, PyAny>) -> PyResult<()> {
        if self.ended.swap(true, Ordering::Relaxed) {
            return Ok(());
        }
        let replied = self.reply_value(py, value);
        self.end(py, replied);
        Ok(())
    }

    /// The call raised this.
    fn fail(&self, py: Python<'_>, error: &Bound<'_, PyAny>) -> PyResult<()> {
        self.fail_with(py, PyErr::from_value(error.clone()))
    }

    /// What the loop's context variable holds while the call runs.
    #[getter]
    fn context(&self) -> CallContext {
        CallContext(Arc::clone(&self.info))
    }
}

impl RunningCall {
    fn fail_with(&self, py: Python<'_>, error: PyErr) -> PyResult<()> {
        if self.ended.swap(true, Ordering::Relaxed) {
            return Ok(());
        }
        if error.is_instance_of::<PySystemExit>(py) {
            self.shared.end(exit_verdict(py, &error));
            return Ok(());
        }
        let replied = self.reply_error(py, error);
        self.end(py, replied);
        Ok(())
    }

    fn reply_value(&self, py: Python<'_>, value: &Bound<'_, PyAny>) -> PyResult<()> {
        let hooks = hooks()?;
        let execution_ns = self.began.elapsed().as_nanos() as u64;
        let (call, carried) = (&self.call, &self.carried);
        if self.replier.reply_if_cancelled(py, &hooks, call, execution_ns, Ok(()), carried, false)? {
            return Ok(());
        }
        self.replier.reply_value(py, &hooks, call, execution_ns, value, carried, false)
    }

    fn reply_error(&self, py: Python<'_>, error: PyErr) -> PyResult<()> {
        let hooks = hooks()?;
        let execution_ns = self.began.elapsed().as_nanos() as u64;
        let (call, carried) = (&self.call, &self.carried);
        let result = Err::<(), _>(&error);
        if self.replier.reply_if_cancelled(py, &hooks, call, execution_ns, result, carried, false)? {
            return Ok(());
        }
        self.replier.reply_error(py, &hooks, call, execution_ns, error, carried, false)
    }

    /// The next call has its turn. A call that cannot be replied to would be waited for for ever: the process ends, as any worker's does.
    fn end(&self, py: Python<'_>, replied: PyResult<()>) {
        if let Err(error) = replied {
            let message = format!("the worker failed: {error}");
            error.print(py);
            self.shared.end(Verdict::Exit { kind: "exit", message, code: 1 });
        }
        self.release();
    }

    fn release(&self) {
        let task = self.shared.tasks.lock().remove(&self.info.tag);
        // Dropping may run Python code: not under the lock.
        drop(task);
        self.shared.release(self.group);
    }
}

/// Becomes the actor `start` describes, with an event loop in this thread, until it ends.
pub(crate) fn run(
    py: Python<'_>,
    runner: Runner,
    start: control::StartActor,
    (_, limits, methods): &Concurrency,
) -> PyResult<Verdict> {
    let runtime = Arc::clone(&runner.session.runtime);
    runtime.set_event_loop();
    let shared = Arc::new(Shared {
        groups: Mutex::new(Groups::new(limits, methods)),
        ready: Mutex::new(VecDeque::new()),
        verdict: Mutex::new(None),
        draining: Mutex::new(None),
        is_over: AtomicBool::new(false),
        tasks: Mutex::new(HashMap::new()),
    });
    let coroutine = py.import("types")?.getattr("CoroutineType")?.unbind();
    let asynchronous = AsyncRunner {
        runner: Mutex::new(runner),
        start,
        shared: Arc::clone(&shared),
        runtime,
        drive: Mutex::new(None),
        coroutine,
    };
    let asynchronous = Bound::new(py, asynchronous)?;
    let arguments = PyTuple::new(py, [asynchronous])?;
    hooks()?.run_event_loop.call1(py, arguments)?;
    let verdict = shared.verdict.lock().take();
    Ok(verdict.unwrap_or(Verdict::Closed))
}
