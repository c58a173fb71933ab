//! The process's engine, from `init` to `shutdown`. Handles and references keep the session they belong to.

use crate::errors;
use crate::hooks::hooks;
use parking_lot::{Mutex, RwLock};
use pyo3::prelude::*;
use std::cell::Cell;
use std::process::Child;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, AtomicUsize, Ordering};
use trygon_ids::{ActorId, TaskId};
use trygon_worker::{CallKey, Runtime, Setup};

/// One engine.
#[derive(Debug)]
pub(crate) struct Session {
    pub(crate) number: u64,
    pub(crate) runtime: Arc<Runtime>,
    pub(crate) setup: Setup,
    /// The process that made it: after a fork it is not the child's.
    pub(crate) pid: u32,
    pub(crate) is_worker: bool,
    /// The daemon, in a driver.
    pub(crate) daemon: Mutex<Option<Child>>,
    /// What runs, in a worker.
    pub(crate) running: Mutex<Running>,
    /// Number of the call that runs, for what it submits and for `is_canceled`; 0 for none.
    pub(crate) call_tag: AtomicU32,
    /// Nesting depth of what runs; its children are one deeper.
    pub(crate) depth: AtomicU32,
    /// Number of the placement group that children of what runs belong to; 0 for none.
    pub(crate) capture_number: AtomicU64,
    /// Groups that have captured something in this process.
    pub(crate) captured: Mutex<Vec<Captured>>,
    /// What arguments may take beyond their budget, because tasks that waited for room did not get any (FLOW-1).
    pub(crate) extra_argument_bytes: AtomicUsize,
}

/// A group that captures the children of what runs in it, numbered within the process.
#[derive(Debug, Clone)]
pub(crate) struct Captured {
    pub(crate) number: u64,
    pub(crate) group: String,
}

/// What a worker runs, for `get_runtime_context`.
#[derive(Debug, Default, Clone)]
pub(crate) struct Running {
    pub(crate) task: Option<TaskId>,
    pub(crate) key: CallKey,
    pub(crate) name: String,
    pub(crate) attempt: u32,
    pub(crate) actor: Option<ActorId>,
    pub(crate) actor_name: String,
    pub(crate) actor_incarnation: u32,
    pub(crate) actor_namespace: String,
    pub(crate) lease: u32,
    pub(crate) devices: Vec<(String, Vec<u32>)>,
    pub(crate) resources: Vec<(String, f64)>,
}

/// One call of an actor that runs several at once, for `get_runtime_context`.
#[derive(Debug)]
pub(crate) struct CallInfo {
    pub(crate) task: TaskId,
    pub(crate) name: String,
    pub(crate) attempt: u32,
    /// Its number in this process.
    pub(crate) tag: u32,
    pub(crate) key: CallKey,
}

impl CallInfo {
    pub(crate) fn of(session: &Session, call: &trygon_worker::Call) -> Arc<Self> {
        let task = session.runtime.task_id_of(call);
        Arc::new(Self {
            task,
            name: call.definition.name.clone(),
            attempt: call.push.attempt,
            tag: call.tag,
            key: CallKey::of(call),
        })
    }
}

/// The same, as a context variable holds it.
#[pyclass(frozen, module = "trygon._native")]
pub(crate) struct CallContext(pub(crate) Arc<CallInfo>);

/// The variable that follows the calls of an event loop.
static ASYNC_VARIABLE: RwLock<Option<Py<PyAny>>> = RwLock::new(None);

/// Names the context variable that holds the running call of an event loop.
pub(crate) fn set_async_variable(variable: Py<PyAny>) {
    let old = ASYNC_VARIABLE.write().replace(variable);
    drop(old);
}

/// Whether this process is an actor with an event loop.
pub(crate) fn has_event_loop() -> bool {
    ASYNC_VARIABLE.read().is_some()
}

/// Says which call this thread runs, where several threads run calls.
pub(crate) fn set_call(call: Option<Arc<CallInfo>>) {
    CALL.with(|current| *current.borrow_mut() = call);
}

/// The call that runs here, in an actor that runs several at once.
pub(crate) fn current_call(py: Python<'_>) -> Option<Arc<CallInfo>> {
    let of_thread = CALL.with(|current| current.borrow().clone());
    if of_thread.is_some() {
        return of_thread;
    }
    let variable = ASYNC_VARIABLE.read().as_ref().map(|variable| variable.clone_ref(py))?;
    let running = variable.call_method1(py, "get", (py.None(),)).ok()?;
    let context = running.bind(py).cast::<CallContext>().ok()?;
    Some(Arc::clone(&context.get().0))
}

thread_local! {
    static CALL: std::cell::RefCell<Option<Arc<CallInfo>>> = const { std::cell::RefCell::new(None) };
    static IS_MAIN: Cell<bool> = const { Cell::new(false) };
}

/// This thread runs the worker's tasks.
pub(crate) fn mark_main_thread() {
    IS_MAIN.with(|is_main| is_main.set(true));
}

/// Whether this thread runs the worker's tasks.
pub(crate) fn is_main_thread() -> bool {
    IS_MAIN.with(Cell::get)
}

static CURRENT: RwLock<Option<Arc<Session>>> = RwLock::new(None);
static NUMBER: AtomicU64 = AtomicU64::new(0);
static CURRENT_NUMBER: AtomicU64 = AtomicU64::new(0);
static PID: AtomicU32 = AtomicU32::new(0);
static IS_FORKED_CHILD: AtomicBool = AtomicBool::new(false);
static IS_INLINE: AtomicBool = AtomicBool::new(false);

/// Whether the package runs everything in this process, without an engine.
pub(crate) fn is_inline() -> bool {
    IS_INLINE.load(Ordering::Relaxed)
}

/// Says whether the package runs everything in this process.
pub(crate) fn set_inline(is_inline: bool) {
    IS_INLINE.store(is_inline, Ordering::Relaxed);
}

/// User code in this process forked, and this is the child: the worker's connections are its parent's.
pub(crate) fn is_forked_child() -> bool {
    IS_FORKED_CHILD.load(Ordering::Relaxed)
}

/// Says whether this process is the child of a fork by user code. A worker is not, though the zygote forked it.
pub(crate) fn set_forked_child(is_forked: bool) {
    IS_FORKED_CHILD.store(is_forked, Ordering::Relaxed);
}

/// This process's id, without asking the system each time.
pub(crate) fn current_pid() -> u32 {
    match PID.load(Ordering::Relaxed) {
        0 => {
            let pid = std::process::id();
            PID.store(pid, Ordering::Relaxed);
            pid
        }
        pid => pid,
    }
}

/// After a fork the child has no engine: the sockets are the parent's.
pub(crate) fn forget_after_fork() {
    PID.store(std::process::id(), Ordering::Relaxed);
    CURRENT_NUMBER.store(0, Ordering::SeqCst);
    // The other thread that might hold this lock does not exist in the child; a try that fails leaves the number at 0, which is enough.
    if let Some(mut current) = CURRENT.try_write() {
        std::mem::forget(current.take());
    }
}

/// Number of the current session; 0 when there is none.
pub(crate) fn current_number() -> u64 {
    CURRENT_NUMBER.load(Ordering::Relaxed)
}

/// The current session, if there is one.
pub(crate) fn current() -> Option<Arc<Session>> {
    if current_number() == 0 { None } else { CURRENT.read().clone() }
}

/// The current session; starts one by the package's rules when there is none.
pub(crate) fn require(py: Python<'_>) -> PyResult<Arc<Session>> {
    if let Some(session) = current() {
        return Ok(session);
    }
    hooks()?.auto_init.call0(py)?;
    current().ok_or_else(|| errors::system(py, "not_initialized", &[]))
}

impl Session {
    /// Makes a new session the current one.
    pub(crate) fn install(runtime: Arc<Runtime>, setup: Setup, is_worker: bool, daemon: Option<Child>) -> Arc<Self> {
        let number = NUMBER.fetch_add(1, Ordering::SeqCst) + 1;
        let session = Arc::new(Self {
            number,
            runtime,
            setup,
            pid: current_pid(),
            is_worker,
            daemon: Mutex::new(daemon),
            running: Mutex::new(Running::default()),
            call_tag: AtomicU32::new(0),
            depth: AtomicU32::new(0),
            capture_number: AtomicU64::new(0),
            captured: Mutex::new(Vec::new()),
            extra_argument_bytes: AtomicUsize::new(0),
        });
        *CURRENT.write() = Some(Arc::clone(&session));
        CURRENT_NUMBER.store(number, Ordering::SeqCst);
        session
    }

    /// Takes the current session out of use.
    pub(crate) fn remove() -> Option<Arc<Self>> {
        CURRENT_NUMBER.store(0, Ordering::SeqCst);
        CURRENT.write().take()
    }

    /// Whether this session's engine may be used by this process now.
    pub(crate) fn is_usable(&self) -> bool {
        self.pid == current_pid()
    }

    /// The call that submits now, or asks about itself; 0 for none.
    pub(crate) fn current_tag(&self, py: Python<'_>) -> u32 {
        if !self.is_worker {
            return 0;
        }
        current_call(py).map_or_else(|| self.call_tag.load(Ordering::Relaxed), |call| call.tag)
    }

    /// Depth of a task that is submitted now.
    pub(crate) fn child_depth(&self) -> u16 {
        (self.depth.load(Ordering::Relaxed) + 1).min(u32::from(u16::MAX)) as u16
    }
}
