//! Connecting to the daemon, and leaving it.

use crate::answer::Answer;
use crate::background;
use crate::clock::Clock;
use crate::engine::Engine;
use crate::link::{ControlLink, Links};
use crate::mode::Mode;
use crate::options::new_core;
use crate::requests::RequestError;
use crate::runtime::Runtime;
use crate::wait::{Patience, WAKE_EVENT};
use parking_lot::{Condvar, Mutex};
use rustix::event::{EventfdFlags, epoll, eventfd};
use rustix::fd::{AsFd, OwnedFd};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicUsize, Ordering};
use std::time::Duration;
use trygon_ids::{JobId, NodeId, OwnerIncarnation, WorkerId};
use trygon_shm::Recorder;
use trygon_store::client::StoreClient;
use trygon_wire::{Kind, Message, control};
use trygon_worker_core::{Core, Identity};

/// The daemon needs no longer than this to end; its exit is waited for elsewhere.
const LAST_WORDS: Duration = Duration::from_secs(1);

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
    /// Key of the runtime environment that tasks of this process run in unless they say otherwise; empty for the plain one.
    pub environment: Vec<u8>,
}

/// What a driver says of itself, whichever way it connects.
struct Driver<'a> {
    namespace: &'a str,
    argv: &'a [String],
    environment: &'a [u8],
}

impl Runtime {
    /// Connects a driver to the daemon it started.
    pub fn connect_driver(socket: OwnedFd, start: &control::StartNode) -> Result<(Arc<Self>, Setup), RequestError> {
        let described = Driver { namespace: &start.namespace, argv: &start.argv, environment: &start.environment };
        Self::connect_as(socket, Kind::StartNode, start, &described)
    }

    /// Connects a driver to a daemon that runs already, by its session's socket.
    pub fn attach_driver(socket: OwnedFd, attach: &control::AttachDriver) -> Result<(Arc<Self>, Setup), RequestError> {
        let described = Driver { namespace: &attach.namespace, argv: &attach.argv, environment: &attach.environment };
        Self::connect_as(socket, Kind::AttachDriver, attach, &described)
    }

    fn connect_as(
        socket: OwnedFd,
        kind: Kind,
        first: &impl Message,
        driver: &Driver<'_>,
    ) -> Result<(Arc<Self>, Setup), RequestError> {
        let runtime = Self::new(socket).map_err(|error| RequestError::Refused(error.to_string()))?;
        runtime.lock().control.send(kind, first);
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
        let core = new_core(identity)?;
        let mut engine = runtime.lock();
        engine.core = core;
        if let Some(certificate) = started.certificate {
            engine.credentials.renew(certificate);
        }
        engine.replicas.node_number = started.node_number;
        drop(engine);
        let setup = Setup {
            identity,
            node: NodeId::from_bytes(&started.node_id).map_err(malformed)?,
            node_address: started.node_address,
            namespace: driver.namespace.to_owned(),
            argv: driver.argv.to_vec(),
            resources: started.resources.into_iter().collect(),
            daemon_pid: started.daemon_pid,
            num_cpus: 0.0,
            environment: driver.environment.to_vec(),
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
        let core = new_core(identity)?;
        let mut engine = runtime.lock();
        engine.core = core;
        engine.links.recorder = Some(recorder);
        if let Some(certificate) = setup.certificate {
            engine.credentials.renew(certificate);
        }
        engine.replicas.node_number = setup.node_number;
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
            environment: setup.environment,
        };
        Ok((runtime.with_background()?, described))
    }

    pub(crate) fn new(socket: OwnedFd) -> std::io::Result<Self> {
        let epoll = Arc::new(epoll::create(epoll::CreateFlags::CLOEXEC)?);
        let flags = EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK;
        let (wake, background_wake) = (Arc::new(eventfd(0, flags)?), Arc::new(eventfd(0, flags)?));
        let control = ControlLink::new(socket, Arc::clone(&epoll))?;
        epoll::add(&*epoll, wake.as_fd(), epoll::EventData::new_u64(WAKE_EVENT), epoll::EventFlags::IN)?;
        let nobody = Identity { job: JobId::nil(), worker: WorkerId::nil(), incarnation: OwnerIncarnation::nil() };
        let store = Arc::new(StoreClient::new());
        let links = Links::new(Arc::clone(&epoll), None);
        let engine = Engine::new(Core::new(nobody), links, control, Arc::clone(&store), Clock::start());
        Ok(Self {
            num_cancelled: engine.running.counter(),
            clock: engine.clock,
            began_ns: Arc::clone(&engine.began_ns),
            forgotten: Arc::clone(&engine.links.forgotten),
            engine: Mutex::new(engine),
            poller: Mutex::new(()),
            changed: Condvar::new(),
            sleepers: AtomicUsize::new(0),
            polling: AtomicUsize::new(0),
            selecting: AtomicBool::new(false),
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

    /// Says good-bye and stops the background thread. The daemon ends everything of the job.
    pub fn close(&self) -> Vec<crate::LogLine> {
        let mut engine = self.lock();
        engine.flush_events();
        engine.control.send(Kind::Shutdown, &control::Shutdown {});
        engine.settle_and_flush();
        drop(engine);
        // What workers printed last comes before the end of the connection.
        self.wait_through(&Patience::until(LAST_WORDS), |engine| engine.is_closed());
        let mut engine = self.lock();
        engine.exit = Some("the engine was shut down".to_owned());
        drop(engine);
        self.mode.store(Mode::Stopping as u8, Ordering::SeqCst);
        let _ = rustix::io::write(&*self.background_wake, &1u64.to_ne_bytes());
        if let Some(thread) = self.background.lock().take() {
            // The thread ends by itself; a panic of it has nothing to tell us here.
            let _ = thread.join();
        }
        // References may outlive the engine; what it holds of the system does not.
        self.lock().let_go();
        self.take_log_lines()
    }
}
