//! One task, actor call or constructor: arguments in, user code, results out.

use crate::cancel;
use crate::errors;
use crate::hooks::{Hooks, hooks};
use crate::outgoing::encode_error;
use crate::produce::drive;
use crate::reference::collecting;
use crate::replier::Replier;
use crate::session::{self, Session};
use pyo3::exceptions::PySystemExit;
use pyo3::prelude::*;
use pyo3::types::{PyBytes, PyDict};
use std::collections::HashMap;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;
use trygon_ids::{ActorId, FunctionHash};
use trygon_wire::control;
use trygon_worker::{Call, CallKey, Definition};

/// What the main loop does next.
pub(crate) enum Verdict {
    GoOn,
    Exit {
        kind: &'static str,
        message: String,
        code: i32,
    },
    /// The engine is closed: nobody is left to tell.
    Closed,
}

/// A function that was used here.
struct Loaded {
    callable: Py<PyAny>,
    /// Keeps the definition's address from being used again.
    _definition: Arc<Definition>,
    average_ns: Option<u64>,
    calls: u32,
}

/// Runs what comes, and remembers the functions it has loaded.
pub(crate) struct Runner {
    pub(crate) session: Arc<Session>,
    pub(crate) replier: Replier,
    /// By address of their definition: no hashing of names or hashes on the way.
    loaded: HashMap<usize, Loaded>,
    by_hash: HashMap<FunctionHash, Py<PyAny>>,
    instance: Option<Py<PyAny>>,
    last_definition: usize,
    /// Devices belong to the lease: user code sees another set with another one.
    last_lease: u32,
    /// This thread is one of several.
    is_concurrent: bool,
}

impl Runner {
    pub(crate) fn new(session: Arc<Session>) -> Self {
        Self {
            replier: Replier { session: Arc::clone(&session) },
            session,
            loaded: HashMap::new(),
            by_hash: HashMap::new(),
            instance: None,
            last_definition: 0,
            last_lease: 0,
            is_concurrent: false,
        }
    }

    /// Another runner for a thread of an actor.
    pub(crate) fn beside(session: Arc<Session>, instance: Py<PyAny>) -> Self {
        Self { instance: Some(instance), is_concurrent: true, ..Self::new(session) }
    }

    /// The actor.
    pub(crate) fn instance(&self, py: Python<'_>) -> Option<Py<PyAny>> {
        self.instance.as_ref().map(|instance| instance.clone_ref(py))
    }

    /// The function or method of a call.
    pub(crate) fn callable(&mut self, py: Python<'_>, hooks: &Hooks, call: &Call) -> PyResult<Py<PyAny>> {
        let key = Arc::as_ptr(&call.definition) as usize;
        if let Some(loaded) = self.loaded.get(&key) {
            return Ok(loaded.callable.clone_ref(py));
        }
        let loaded = self.load(py, hooks, call)?;
        let callable = loaded.callable.clone_ref(py);
        self.loaded.insert(key, loaded);
        Ok(callable)
    }

    /// Runs a task or a call, and replies.
    pub(crate) fn run_call(&mut self, py: Python<'_>, call: Call) -> PyResult<Verdict> {
        let hooks = hooks()?;
        let key = Arc::as_ptr(&call.definition) as usize;
        if !self.loaded.contains_key(&key) {
            match self.load(py, &hooks, &call) {
                Ok(loaded) => {
                    self.loaded.insert(key, loaded);
                }
                Err(error) => return self.refuse(py, &hooks, &call, error),
            }
        }
        let Some(loaded) = self.loaded.get(&key) else {
            return Ok(Verdict::GoOn);
        };
        let callable = loaded.callable.clone_ref(py).into_bound(py);
        let expected_ns = loaded.average_ns;
        if !self.is_concurrent {
            self.note_running(&call);
        }
        if self.last_definition != key || self.last_lease != call.push.lease {
            self.last_definition = key;
            self.note_lease(&call);
            self.last_lease = call.push.lease;
            self.session.runtime.set_running_name(&call.definition.name);
            hooks.on_task_start.call1(py, (&call.definition.name,))?;
        }
        let is_begun = if self.is_concurrent {
            self.session.runtime.begin_concurrent(&call)
        } else {
            self.session.runtime.begin(&call, expected_ns)
        };
        if !is_begun {
            return Ok(Verdict::GoOn);
        }
        let began = Instant::now();
        self.session.runtime.note_began(began);
        // Only what came with the arguments is carried: what the code pickles or unpickles itself is its own.
        let (result, carried) = cancel::interruptible(&call, || {
            let (arguments, carried) = collecting(|| self.replier.arguments(py, call.payload.as_slice()));
            let result = arguments.and_then(|(args, kwargs)| {
                let value = callable.call(args, kwargs.as_ref())?;
                drive(py, &self.session, &call, value)
            });
            (result, carried)
        });
        if session::is_forked_child() {
            end_forked_child(py, result.err());
        }
        let execution_ns = began.elapsed().as_nanos() as u64;
        let exiting = self.note_ran(key, execution_ns, &call);
        let shown = result.as_ref();
        let is_answered = self.replier.reply_if_cancelled(py, &hooks, &call, execution_ns, shown, &carried, exiting)?;
        match result {
            _ if is_answered => {}
            Ok(value) => {
                self.replier.reply_value(py, &hooks, &call, execution_ns, &value, &carried, exiting)?;
                // References inside the results are counted until the reply has lent them.
                drop(value);
            }
            Err(error) if error.is_instance_of::<PySystemExit>(py) => {
                return Ok(exit_verdict(py, &error));
            }
            Err(error) => self.replier.reply_error(py, &hooks, &call, execution_ns, error, &carried, exiting)?,
        }
        if exiting {
            let message = format!("{} reached max_calls={}", call.definition.name, call.definition.max_calls);
            return Ok(Verdict::Exit { kind: "max_calls", message, code: 0 });
        }
        Ok(Verdict::GoOn)
    }

    fn load(&mut self, py: Python<'_>, hooks: &Hooks, call: &Call) -> PyResult<Loaded> {
        let definition = &call.definition;
        let callable = match definition.hash {
            None => {
                let instance = self.instance.as_ref().ok_or_else(|| {
                    errors::system(
                        py,
                        "actor_died",
                        &[("message", "the actor has no instance: its constructor failed")],
                    )
                })?;
                hooks.find_method.call1(py, (instance.clone_ref(py), &definition.name))?
            }
            Some(hash) => match self.by_hash.get(&hash) {
                Some(function) => function.clone_ref(py),
                None => {
                    let runtime = &self.session.runtime;
                    let body = crate::gil::detached(py, || runtime.function_body(hash, Some(call.peer)));
                    let Some(body) = body else {
                        let message = format!("the code of {} cannot be had from its caller", definition.name);
                        return Err(errors::system(py, "system", &[("message", &message)]));
                    };
                    let function = hooks.load_function.call1(py, (PyBytes::new(py, &body),))?;
                    runtime.forget_body(&hash);
                    self.by_hash.insert(hash, function.clone_ref(py));
                    function
                }
            },
        };
        Ok(Loaded { callable, _definition: Arc::clone(definition), average_ns: None, calls: 0 })
    }

    fn note_running(&self, call: &Call) {
        self.session.depth.store(u32::from(call.push.depth), Ordering::Relaxed);
        self.session.call_tag.store(call.tag, Ordering::Relaxed);
        let mut running = self.session.running.lock();
        running.task = Some(self.session.runtime.task_id_of(call));
        running.key = CallKey::of(call);
        running.attempt = call.push.attempt;
        if !call.is_actor_call {
            running.lease = call.push.lease;
        }
        if running.name != call.definition.name {
            running.name.clone_from(&call.definition.name);
        }
    }

    /// Another lease may lie in another placement group.
    fn note_lease(&self, call: &Call) {
        if !call.is_actor_call && self.last_lease != call.push.lease {
            let lease = self.session.runtime.lease_info(call.push.lease).unwrap_or_default();
            self.session.note_placement(lease.resources);
        }
    }

    /// Updates the function's average; true when it has been called often enough.
    fn note_ran(&mut self, key: usize, execution_ns: u64, call: &Call) -> bool {
        let Some(loaded) = self.loaded.get_mut(&key) else {
            return false;
        };
        loaded.average_ns = Some(loaded.average_ns.map_or(execution_ns, |average| (average * 7 + execution_ns) / 8));
        loaded.calls += 1;
        call.definition.max_calls > 0 && loaded.calls >= call.definition.max_calls
    }

    /// The function could not be loaded: the caller gets the reason in place of the result.
    fn refuse(&self, py: Python<'_>, hooks: &Hooks, call: &Call, error: PyErr) -> PyResult<Verdict> {
        self.replier.reply_error(py, hooks, call, 0, error, &[], false)?;
        Ok(Verdict::GoOn)
    }

    /// Runs an actor's constructor and tells the daemon how it went.
    pub(crate) fn start_actor(&mut self, py: Python<'_>, start: &control::StartActor) -> PyResult<Verdict> {
        let hooks = hooks()?;
        self.note_actor(start);
        let name = format!("{}.__init__", start.class_name);
        self.session.runtime.set_running_name(&start.class_name);
        hooks.on_task_start.call1(py, (&start.class_name,))?;
        self.session.runtime.begin_constructor(start.depth as u16);
        let (made, _carried) = collecting(|| self.construct(py, &hooks, start));
        if session::is_forked_child() {
            end_forked_child(py, made.err());
        }
        let error = match made {
            Ok(instance) => {
                self.instance = Some(instance);
                Vec::new()
            }
            Err(error) if error.is_instance_of::<PySystemExit>(py) => {
                return Ok(exit_verdict(py, &error));
            }
            Err(error) => encode_error(py, &hooks, &error, &name)?.to_vec(),
        };
        let failed = !error.is_empty();
        self.session.runtime.actor_started(&start.actor_id, start.incarnation, error);
        if failed {
            let message = format!("the constructor of {} raised", start.class_name);
            return Ok(Verdict::Exit { kind: "constructor", message, code: 1 });
        }
        Ok(Verdict::GoOn)
    }

    fn construct(&self, py: Python<'_>, hooks: &Hooks, start: &control::StartActor) -> PyResult<Py<PyAny>> {
        let hash = FunctionHash::from_bytes(&start.class_hash)
            .map_err(|error| pyo3::exceptions::PyValueError::new_err(error.to_string()))?;
        let runtime = &self.session.runtime;
        let body = crate::gil::detached(py, || runtime.function_body(hash, None));
        let Some(body) = body else {
            let message = format!("the code of class {} is not known to the control service", start.class_name);
            return Err(errors::system(py, "system", &[("message", &message)]));
        };
        let class = hooks.load_class.call1(py, (PyBytes::new(py, &body),))?;
        let (args, kwargs) = self.replier.arguments(py, &start.arguments)?;
        let kwargs = kwargs.unwrap_or_else(|| PyDict::new(py));
        hooks.make_actor.call1(py, (class, args, kwargs, PyBytes::new(py, &start.options)))
    }

    fn note_actor(&self, start: &control::StartActor) {
        self.session.depth.store(start.depth, Ordering::Relaxed);
        let mut running = self.session.running.lock();
        running.actor = ActorId::from_bytes(&start.actor_id).ok();
        running.actor_name.clone_from(&start.name);
        running.actor_namespace.clone_from(&start.namespace);
        running.actor_incarnation = start.incarnation;
        running.devices = start.devices.iter().map(|held| (held.resource.clone(), held.indices.clone())).collect();
        running.resources = start.resources.iter().map(|(name, amount)| (name.clone(), *amount)).collect();
        self.session.note_placement(running.resources.clone());
    }
}

/// User code forked, and the child came back from the task: it ends as a program would. To go on would be to take its parent's
/// tasks and to answer in its name.
fn end_forked_child(py: Python<'_>, error: Option<PyErr>) -> ! {
    let code = match error {
        None => 0,
        Some(error) if error.is_instance_of::<PySystemExit>(py) => match exit_verdict(py, &error) {
            Verdict::Exit { code, .. } => code,
            Verdict::GoOn | Verdict::Closed => 0,
        },
        Some(error) => {
            error.print(py);
            1
        }
    };
    crate::process::leave(py, code)
}

/// `sys.exit(code)` of user code ends the worker, as it would end a program.
pub(crate) fn exit_verdict(py: Python<'_>, error: &PyErr) -> Verdict {
    let code = error.value(py).getattr("code").ok();
    let number = code.as_ref().and_then(|code| if code.is_none() { Some(0) } else { code.extract::<i32>().ok() });
    let said = code.map_or_else(String::new, |code| if code.is_none() { String::new() } else { code.to_string() });
    Verdict::Exit { kind: "user_exit", message: format!("sys.exit({said}) was called"), code: number.unwrap_or(1) }
}
