//! The runtime of one process: connecting, submitting, leaving.

use crate::background::{self, Mode};
use crate::clock::Clock;
use crate::engine::Engine;
use crate::link::{ControlLink, Export, Links};
use crate::requests::{Answer, RequestError};
use crate::wait::{CONTROL_EVENT, Patience, WAKE_EVENT};
use parking_lot::{Condvar, Mutex, MutexGuard};
use rustix::event::{EventfdFlags, epoll, eventfd};
use rustix::fd::{AsFd, OwnedFd};
use sha2::{Digest, Sha256};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, AtomicUsize, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;
use trygon_ids::{ActorId, FunctionHash, JobId, NodeId, OwnerIncarnation, WorkerId};
use trygon_shm::Recorder;
use trygon_store::client::StoreClient;
use trygon_wire::{Kind, control};
use trygon_worker_core::{ActorIndex, Core, FunctionIndex, Identity, Submission};

/// The queue is looked at once in so many submissions.
const SUBMITS_PER_POLL: u32 = 32;

/// What a process is told when it connects.
#[derive(Debug, Clone)]
pub struct Setup {
    /// Who it is.
    pub identity: Identity,
    /// Its node.
    pub node: NodeId,
    /// The node's address, for people.
    pub node_address: String,
    /// The job's namespace, for a worker.
    pub namespace: String,
    /// The driver's `sys.argv`, for a worker.
    pub argv: Vec<String>,
    /// What the node has, for a driver.
    pub resources: BTreeMap<String, f64>,
    /// The daemon's process id, for a driver.
    pub daemon_pid: u32,
    /// Logical CPUs of the node, for a worker.
    pub num_cpus: f64,
}

/// A function to be known to peers.
#[derive(Debug)]
pub struct FunctionExport<'a> {
    /// Its name.
    pub name: &'a str,
    /// Its pickle.
    pub body: &'a [u8],
    /// What its tasks hold.
    pub resources: &'a BTreeMap<String, f64>,
    /// Its worker exits after so many calls; 0 for never.
    pub max_calls: u32,
}

/// One process's engine. Shared by the threads that call it and the background thread.
#[derive(Debug)]
pub struct Runtime {
    engine: Mutex<Engine>,
    /// The role of the one thread that polls the sockets.
    pub(crate) poller: Mutex<()>,
    /// Signalled when the poller has handled something.
    pub(crate) changed: Condvar,
    pub(crate) sleepers: AtomicUsize,
    pub(crate) polling: AtomicUsize,
    pub(crate) mode: AtomicU8,
    pub(crate) epoll: Arc<OwnedFd>,
    pub(crate) wake: Arc<OwnedFd>,
    pub(crate) background_wake: Arc<OwnedFd>,
    pub(crate) store: Arc<StoreClient>,
    background: Mutex<Option<JoinHandle<()>>>,
}

impl Runtime {
    /// Connects a driver to the daemon it started.
    pub fn connect_driver(socket: OwnedFd, start: &control::StartNode) -> Result<(Arc<Self>, Setup), RequestError> {
        let runtime = Self::new(socket).map_err(|error| RequestError::Refused(error.to_string()))?;
        runtime.lock().control.send(Kind::StartNode, start);
        let started = match runtime.await_answer(0, &Patience::until(Duration::from_secs(30)))? {
            Answer::NodeStarted(started) => started,
            Answer::NodeFailed(failed) => return Err(RequestError::Refused(failed.message)),
            _ => return Err(RequestError::Closed),
        };
        let malformed = |_| RequestError::Refused("the daemon's greeting is malformed".to_owned());
        let identity = Identity {
            job: JobId::from_bytes(&started.job_id).map_err(malformed)?,
            worker: WorkerId::from_bytes(&started.worker_id).map_err(malformed)?,
            incarnation: OwnerIncarnation::from_bytes(&started.incarnation).map_err(malformed)?,
        };
        runtime.lock().core = Core::new(identity);
        let setup = Setup {
            identity,
            node: NodeId::from_bytes(&started.node_id).map_err(malformed)?,
            node_address: started.node_address,
            namespace: start.namespace.clone(),
            argv: start.argv.clone(),
            resources: started.resources.into_iter().collect(),
            daemon_pid: started.daemon_pid,
            num_cpus: 0.0,
        };
        Ok((runtime.with_background()?, setup))
    }

    /// Connects a worker by the socket that its daemon gave it.
    pub fn connect_worker(socket: OwnedFd) -> Result<(Arc<Self>, Setup), RequestError> {
        let runtime = Self::new(socket).map_err(|error| RequestError::Refused(error.to_string()))?;
        let (setup, descriptor) = match runtime.await_answer(0, &Patience::until(Duration::from_secs(30)))? {
            Answer::WorkerSetup(setup, descriptor) => (setup, descriptor),
            _ => return Err(RequestError::Closed),
        };
        let malformed = |_| RequestError::Refused("the daemon's set-up is malformed".to_owned());
        let identity = Identity {
            job: JobId::from_bytes(&setup.job_id).map_err(malformed)?,
            worker: WorkerId::from_bytes(&setup.worker_id).map_err(malformed)?,
            incarnation: OwnerIncarnation::from_bytes(&setup.incarnation).map_err(malformed)?,
        };
        let recorder = Recorder::new(descriptor).map_err(|error| RequestError::Refused(error.to_string()))?;
        let mut engine = runtime.lock();
        engine.core = Core::new(identity);
        engine.links.recorder = Some(recorder);
        drop(engine);
        let described = Setup {
            identity,
            node: NodeId::from_bytes(&setup.node_id).map_err(malformed)?,
            node_address: setup.node_address,
            namespace: setup.namespace,
            argv: setup.argv,
            resources: BTreeMap::new(),
            daemon_pid: 0,
            num_cpus: setup.num_cpus,
        };
        Ok((runtime.with_background()?, described))
    }

    fn new(socket: OwnedFd) -> std::io::Result<Self> {
        let epoll = Arc::new(epoll::create(epoll::CreateFlags::CLOEXEC)?);
        let flags = EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK;
        let (wake, background_wake) = (Arc::new(eventfd(0, flags)?), Arc::new(eventfd(0, flags)?));
        let control = ControlLink::new(socket);
        epoll::add(&*epoll, control.socket(), epoll::EventData::new_u64(CONTROL_EVENT), epoll::EventFlags::IN)?;
        epoll::add(&*epoll, wake.as_fd(), epoll::EventData::new_u64(WAKE_EVENT), epoll::EventFlags::IN)?;
        let nobody = Identity { job: JobId::nil(), worker: WorkerId::nil(), incarnation: OwnerIncarnation::nil() };
        let store = Arc::new(StoreClient::new());
        let links = Links::new(Arc::clone(&epoll), None);
        let engine = Engine::new(Core::new(nobody), links, control, Arc::clone(&store), Clock::start());
        Ok(Self {
            engine: Mutex::new(engine),
            poller: Mutex::new(()),
            changed: Condvar::new(),
            sleepers: AtomicUsize::new(0),
            polling: AtomicUsize::new(0),
            mode: AtomicU8::new(Mode::Ticking as u8),
            epoll,
            wake,
            background_wake,
            store,
            background: Mutex::new(None),
        })
    }

    fn with_background(self) -> Result<Arc<Self>, RequestError> {
        let runtime = Arc::new(self);
        let thread = background::start(&runtime).map_err(|error| RequestError::Refused(error.to_string()))?;
        *runtime.background.lock() = Some(thread);
        Ok(runtime)
    }

    /// The engine. Held for moments only: nothing waits and no foreign code runs under it.
    pub fn lock(&self) -> MutexGuard<'_, Engine> {
        self.engine.lock()
    }

    /// Submits a task or an actor call. The caller holds one reference to each result.
    pub fn submit(&self, submission: &Submission<'_>) -> (u32, u32) {
        let mut engine = self.lock();
        let state = &mut *engine;
        let was_idle = state.core.unfinished() == 0;
        let ids = state.core.submit(submission, &mut state.links);
        state.activity += 1;
        state.submitted = state.submitted.wrapping_add(1);
        let looks = state.submitted.is_multiple_of(SUBMITS_PER_POLL);
        if was_idle || state.core.has_effects() {
            state.settle_and_flush();
        }
        drop(engine);
        self.ensure_ticking();
        if looks {
            self.poll_now();
        }
        ids
    }

    /// Makes a function known; its body is sent to whoever asks.
    pub fn export_function(&self, export: &FunctionExport<'_>) -> FunctionIndex {
        let hash = FunctionHash::new(Sha256::digest(export.body).into());
        let mut engine = self.lock();
        engine.bodies.entry(hash).or_insert_with(|| export.body.into());
        engine.links.exports.push(Export {
            name: export.name.to_owned(),
            hash: Some(hash),
            actor: None,
            max_calls: export.max_calls,
        });
        engine.core.add_function(export.name, export.resources, export.max_calls > 0)
    }

    /// Gives the control service a copy of a class.
    pub fn export_class(&self, body: &[u8]) -> FunctionHash {
        let hash = FunctionHash::new(Sha256::digest(body).into());
        let mut engine = self.lock();
        if engine.bodies.insert(hash, body.into()).is_none() {
            let message = control::FunctionPut { hash: hash.as_bytes().to_vec(), body: body.to_vec() };
            engine.control.send(Kind::FunctionPut, &message);
        }
        hash
    }

    /// Makes a method of an actor known. Actors are watched from their first method on.
    pub fn export_method(&self, actor: ActorId, name: &str) -> (ActorIndex, FunctionIndex) {
        let mut engine = self.lock();
        let index = engine.core.actor(actor);
        engine.links.exports.push(Export { name: name.to_owned(), hash: None, actor: Some(actor), max_calls: 0 });
        let function = engine.core.add_method(index, name);
        engine.settle_and_flush();
        (index, function)
    }

    /// Lines that workers printed, if any came.
    pub fn take_log_lines(&self) -> Vec<crate::LogLine> {
        let mut engine = self.lock();
        engine.log_lines = 0;
        engine.logs.drain(..).collect()
    }

    /// Says good-bye and stops the background thread. The daemon ends everything of the job.
    pub fn close(&self) {
        let mut engine = self.lock();
        engine.flush_events();
        engine.control.send(Kind::Shutdown, &control::Shutdown {});
        engine.settle_and_flush();
        engine.exit = Some("the engine was shut down".to_owned());
        drop(engine);
        self.mode.store(Mode::Stopping as u8, Ordering::SeqCst);
        let _ = rustix::io::write(&*self.background_wake, &1u64.to_ne_bytes());
        if let Some(thread) = self.background.lock().take() {
            // The thread ends by itself; a panic of it has nothing to tell us here.
            let _ = thread.join();
        }
    }
}

impl Runtime {
    /// Performs what a dropped reference caused; it is written within a tick.
    pub fn perform_soon(&self) {
        self.lock().perform();
        self.ensure_ticking();
    }

    /// A wait of user code was given up: the worker has its CPU back.
    pub fn stop_waiting(&self) {
        self.lock().leave_blocked();
    }

    /// Waits for lines that workers printed, without taking part in the polling.
    pub fn wait_for_log_lines(&self, limit: Duration) {
        let mut engine = self.lock();
        if engine.logs.is_empty() && !engine.is_closed() {
            let arrived = Arc::clone(&engine.logs_arrived);
            arrived.wait_for(&mut engine, limit);
        }
    }
}

impl Runtime {
    /// What the lease of a task holds, as far as its owner said.
    pub fn lease_info(&self, lease: u32) -> Option<crate::LeaseInfo> {
        self.lock().leases.get(&lease).cloned()
    }
}
