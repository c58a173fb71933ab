//! An actor that runs its calls in threads: the main thread takes them from the engine and hands each to a thread of its group.

use crate::groups::{Concurrency, Groups};
use crate::session::{self, CallInfo, Session};
use crate::worker_call::{Runner, Verdict};
use parking_lot::{Condvar, Mutex};
use pyo3::prelude::*;
use pyo3::types::PyDict;
use std::collections::VecDeque;
use std::sync::Arc;
use trygon_worker::{Call, Leave, Patience, Work};

/// Calls for one group's threads.
#[derive(Debug, Default)]
struct Ready {
    calls: VecDeque<Call>,
    /// Threads that wait for a call.
    idle: usize,
    threads: usize,
}

#[derive(Debug)]
struct State {
    groups: Groups,
    ready: Vec<Ready>,
    /// A call ended the process. It never ends itself, so that nobody may wait for it.
    is_leaving: bool,
}

/// The threads of one actor.
#[pyclass(frozen, module = "trygon._native")]
pub(crate) struct ThreadPool {
    session: Arc<Session>,
    instance: Py<PyAny>,
    // Held for moments: a queue's push or pop. Threads sleep on the condition variables of their groups.
    state: Mutex<State>,
    arrived: Vec<Condvar>,
    quiet: Condvar,
}

/// What the main thread has to do itself.
enum Step {
    /// The group has a call and no thread for it.
    NeedsThread(usize),
    /// The last handle is gone.
    OutOfScope(String),
    Leave(Leave),
    Closed,
    LookAtSignals,
}

#[pymethods]
impl ThreadPool {
    /// What each thread runs.
    fn run_thread(&self, py: Python<'_>, group: usize) -> PyResult<()> {
        let mut runner = Runner::beside(Arc::clone(&self.session), self.instance.clone_ref(py));
        loop {
            let call = crate::gil::detached(py, || self.next_call(group));
            session::set_call(Some(CallInfo::of(&self.session, &call)));
            let verdict = runner.run_call(py, call);
            session::set_call(None);
            match verdict {
                Ok(Verdict::GoOn | Verdict::Closed) => self.end_call(group),
                Ok(Verdict::Exit { kind, message, code }) => self.leave(Leave { kind, message, code }),
                Err(error) => {
                    let message = format!("the worker failed: {error}");
                    error.print(py);
                    self.leave(Leave { kind: "exit", message, code: 1 });
                }
            }
        }
    }
}

impl ThreadPool {
    pub(crate) fn new(py: Python<'_>, runner: &Runner, (_, limits, methods): &Concurrency) -> Option<Self> {
        let groups = Groups::new(limits, methods);
        let count = groups.groups.len();
        let ready = (0..count).map(|_| Ready::default()).collect();
        Some(Self {
            session: Arc::clone(&runner.session),
            instance: runner.instance(py)?,
            state: Mutex::new(State { groups, ready, is_leaving: false }),
            arrived: (0..count).map(|_| Condvar::new()).collect(),
            quiet: Condvar::new(),
        })
    }

    fn next_call(&self, group: usize) -> Call {
        let mut state = self.state.lock();
        if state.ready[group].calls.is_empty() {
            drop(state);
            // Nobody else writes the replies of this thread before the background thread's next tick.
            self.session.runtime.flush();
            state = self.state.lock();
        }
        loop {
            if let Some(call) = state.ready[group].calls.pop_front() {
                return call;
            }
            state.ready[group].idle += 1;
            self.arrived[group].wait(&mut state);
            state.ready[group].idle -= 1;
        }
    }

    /// Has the main thread end the process, also when it waits for the last calls already.
    fn leave(&self, leave: Leave) {
        self.session.runtime.leave_soon(leave);
        self.state.lock().is_leaving = true;
        self.quiet.notify_all();
    }

    fn end_call(&self, group: usize) {
        let mut state = self.state.lock();
        if let Some(call) = state.groups.next(group) {
            state.ready[group].calls.push_back(call);
        } else if state.groups.is_idle() {
            self.quiet.notify_all();
        }
    }

    /// Hands a call to its group. The group, when it has too few threads.
    fn hand_over(&self, call: Call) -> Option<usize> {
        let mut state = self.state.lock();
        let (group, call) = state.groups.admit(call)?;
        let limit = state.groups.groups[group].limit;
        let ready = &mut state.ready[group];
        ready.calls.push_back(call);
        // With as many threads as calls may run, one that is not idle yet has ended its call and comes for this one.
        if ready.calls.len() > ready.idle && ready.threads < limit {
            ready.threads += 1;
            return Some(group);
        }
        self.arrived[group].notify_one();
        None
    }

    /// Hands calls over, without the GIL, until there is something that needs it.
    fn step(&self) -> Step {
        let runtime = &self.session.runtime;
        loop {
            match runtime.try_next_work() {
                Ok(Some(Work::Call(call))) => {
                    if let Some(group) = self.hand_over(call) {
                        return Step::NeedsThread(group);
                    }
                }
                Ok(Some(Work::Exit(reason))) => return Step::OutOfScope(reason),
                Ok(Some(Work::Leave(leave))) => return Step::Leave(leave),
                Ok(Some(Work::StartActor(_) | Work::Cancel(_))) => {}
                Ok(None) => {
                    if runtime.wait_for_work(&Patience::for_ever()).is_err() {
                        return Step::Closed;
                    }
                    if runtime.waiting_work() == 0 {
                        return Step::LookAtSignals;
                    }
                }
                Err(_) => return Step::Closed,
            }
        }
    }

    /// Waits until every call has ended. False when one of them ended the process.
    fn drain(&self) -> bool {
        let mut state = self.state.lock();
        while !state.groups.is_idle() && !state.is_leaving {
            self.quiet.wait(&mut state);
        }
        !state.is_leaving
    }
}

/// The main thread of such an actor, from the end of its constructor on.
pub(crate) fn run(py: Python<'_>, pool: ThreadPool) -> PyResult<Verdict> {
    let pool = Bound::new(py, pool)?;
    let threading = py.import("threading")?;
    let options = PyDict::new(py);
    options.set_item("daemon", true)?;
    loop {
        let threads = pool.get();
        match crate::gil::detached(py, || threads.step()) {
            Step::NeedsThread(group) => {
                options.set_item("target", pool.getattr("run_thread")?)?;
                options.set_item("args", (group,))?;
                threading.getattr("Thread")?.call((), Some(&options))?.call_method0("start")?;
            }
            Step::OutOfScope(message) => {
                // Otherwise how it ends comes next.
                if crate::gil::detached(py, || threads.drain()) {
                    return Ok(Verdict::Exit { kind: "out_of_scope", message, code: 0 });
                }
            }
            Step::Leave(Leave { kind, message, code }) => return Ok(Verdict::Exit { kind, message, code }),
            Step::Closed => return Ok(Verdict::Closed),
            Step::LookAtSignals => py.check_signals()?,
        }
    }
}
