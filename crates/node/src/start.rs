//! From an inherited socket to a node that runs.

use crate::about::VERSION;
use crate::connection::{Connection, Flow};
use crate::graveyard::Graveyard;
use crate::head_place::HeadLink;
use crate::job::NewJob;
use crate::memory_watch::{MEMORY, MemoryOptions, MemoryWatch};
use crate::poller::{Poller, Role};
use crate::process::{DRIVER, Part, Process};
use crate::service::{Identity, Service};
use crate::spill_options::{remove_leftovers, spill_options};
use crate::store_hook::OWN_NUMBER;
use crate::translate::{amounts, resource_set};
use crate::worker_pool::{Environments, Shield, StopWatch, ZygoteConfig, go_below_guard, inherited_socket};
use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::io::{self, Read};
use std::time::Instant;
use trygon_control_core::TaskEvents;
use trygon_ids::{JobId, NodeId};
use trygon_node_core::{Event, Node, Options, PLAIN};
use trygon_proto::v1::StartJob;
use trygon_proto::v1::node_to_head::Body;
use trygon_store::server::{StoreOptions, StoreServer};
use trygon_store::spill::SpillOptions;
use trygon_wire::Kind;
use trygon_wire::control::{NodeFailed, NodeStarted, StartNode};

/// Events kept in the record of tasks.
const MAX_TASK_EVENTS: usize = 10_000;
/// Idle time of workers above the prestarted number, unless the driver says otherwise.
const IDLE_WORKER_MS: u32 = 1_000;
/// The one job of a program's own daemon.
const ONLY_JOB: JobId = JobId::new([1, 0, 0, 0]);

/// Labels that every node has.
const NODE_ID_LABELS: [&str; 2] = ["ray.io/node-id", "trygon.io/node-id"];

/// What a node is to be.
#[derive(Debug)]
pub(crate) struct NodeConfig {
    pub(crate) resources: BTreeMap<String, f64>,
    pub(crate) labels: BTreeMap<String, String>,
    pub(crate) object_store_memory_bytes: u64,
    pub(crate) idle_worker_ms: u32,
    pub(crate) max_workers: u32,
    pub(crate) address: String,
    pub(crate) spill: SpillOptions,
}

/// Runs the node of the driver that left its socket under descriptor 3, until the driver ends.
///
/// # Errors
/// When there is no such socket, the driver says nothing understandable, or the node cannot be made.
pub fn run_inherited() -> io::Result<()> {
    go_below_guard(false);
    let socket = inherited_socket()?;
    rustix::io::fcntl_setfd(&socket, rustix::io::FdFlags::CLOEXEC)?;
    let mut connection = Connection::new(socket);
    let Some(start) = await_first::<StartNode>(&mut connection, Kind::StartNode)? else {
        return Ok(());
    };
    if start.package_version != VERSION {
        let message = format!(
            "the driver has trygon {}, the daemon {VERSION}; install one version, and remove older copies of the program",
            start.package_version
        );
        return refuse(&mut connection, message);
    }
    let spill = match spill_options(start.spill.clone(), None) {
        Ok(spill) => spill,
        Err(message) => return refuse(&mut connection, message),
    };
    let mut service = Service::new(NodeConfig {
        resources: start.resources.clone(),
        labels: start.labels.clone(),
        object_store_memory_bytes: start.object_store_memory_bytes,
        idle_worker_ms: start.idle_worker_ms,
        max_workers: start.max_workers,
        address: "127.0.0.1".to_owned(),
        spill,
    })?;
    service.register();
    service.take_driver(connection, start.driver_pid)?;
    if let Err(message) = service.begin_job(ONLY_JOB, only_job(start)) {
        let Some(driver) = service.processes.get_mut(&DRIVER) else {
            return Err(io::Error::other(message));
        };
        return refuse(&mut driver.connection, message);
    }
    service.announce(DRIVER, ONLY_JOB);
    service.keep_workers(ONLY_JOB);
    service.say_complaints();
    service.node_step(Event::Start);
    service.run();
    Ok(())
}

fn only_job(start: StartNode) -> NewJob {
    NewJob {
        namespace: start.namespace,
        argv: start.argv,
        log_to_driver: start.log_to_driver,
        directory: start.job_directory,
        driver: Some(DRIVER),
        remote_driver: None,
        start: StartJob::default(),
        zygotes: ZygoteConfig {
            python: start.python_executable,
            sys_path: start.sys_path,
            working_directory: start.working_directory,
            enters: Vec::new(),
            is_other_python: false,
            variables: BTreeMap::new(),
        },
        kept_workers: start.prestart_workers as usize,
        environment_key: start.environment,
        description: start.environment_description,
    }
}

/// Blocks until the other side has said what the node is to be; `None` if it left.
pub(crate) fn await_first<M: trygon_wire::Message + Default>(
    connection: &mut Connection,
    kind: Kind,
) -> io::Result<Option<M>> {
    rustix::io::ioctl_fionbio(connection.as_fd(), true)?;
    loop {
        let mut descriptors =
            [rustix::event::PollFd::from_borrowed_fd(connection.as_fd(), rustix::event::PollFlags::IN)];
        rustix::event::poll(&mut descriptors, None)?;
        let flow = connection.receive();
        let invalid = |error: trygon_wire::FrameError| io::Error::new(io::ErrorKind::InvalidData, error.to_string());
        if let Some((header, body)) = connection.reader.next_frame().map_err(invalid)? {
            if header.kind != kind {
                return Err(io::Error::new(io::ErrorKind::InvalidData, format!("the first frame must be {kind:?}")));
            }
            return trygon_wire::decode(body).map(Some).map_err(invalid);
        }
        if flow == Flow::Closed {
            return Ok(None);
        }
    }
}

pub(crate) fn refuse(connection: &mut Connection, message: String) -> io::Result<()> {
    connection.send(Kind::NodeFailed, &NodeFailed { message: message.clone() }, Vec::new());
    connection.flush();
    Err(io::Error::other(message))
}

fn options(config: &NodeConfig, node_id: NodeId) -> Options {
    let resources = resource_set(&config.resources);
    let cpus = usize::try_from(resources.get("CPU").units() / 10_000).unwrap_or(0);
    let idle_worker_ms = match config.idle_worker_ms {
        0 => IDLE_WORKER_MS,
        chosen => chosen,
    };
    let mut worker_id_prefix = [0; 20];
    worker_id_prefix.copy_from_slice(&node_id.as_bytes()[..20]);
    Options {
        resources,
        node_id: node_id.hex(),
        labels: labels(config, node_id),
        // Each job says how many it wants.
        prestart_workers: 0,
        idle_worker_ms: u64::from(idle_worker_ms),
        max_workers: config.max_workers as usize,
        max_parallel_starts: (2 * cpus).clamp(8, 64),
        environment: PLAIN,
        worker_id_prefix,
    }
}

/// The labels that were given, and the node's id under both of the names that programs use.
fn labels(config: &NodeConfig, node_id: NodeId) -> BTreeMap<String, String> {
    let given = config.labels.iter().map(|(key, value)| (key.clone(), value.clone()));
    given.chain(NODE_ID_LABELS.map(|key| (key.to_owned(), node_id.hex()))).collect()
}

impl Service {
    /// A node without jobs and processes. From here on the children of its children become its own when they lose their parents.
    pub(crate) fn new(config: NodeConfig) -> io::Result<Self> {
        rustix::process::set_child_subreaper(Some(rustix::process::getpid()))?;
        let mut node_id = [0; 28];
        std::fs::File::open("/dev/urandom")?.read_exact(&mut node_id)?;
        let mut salt = [0; 4];
        salt.copy_from_slice(&node_id[20..24]);
        let node_id = NodeId::new(node_id);
        let node = Node::new(options(&config, node_id));
        remove_leftovers(&config.spill);
        let (own, store) = (node.worker_id(OWN_NUMBER), StoreOptions::new(config.object_store_memory_bytes));
        let (poller, memory) = (Poller::new()?, MemoryWatch::start(MemoryOptions::read())?);
        poller.add(memory.news(), MEMORY, Role::Control)?;
        Ok(Self {
            poller,
            memory,
            started: Instant::now(),
            identity: Identity { node_id, address: config.address, salt },
            node,
            head: HeadLink::here(),
            task_events: TaskEvents::new(MAX_TASK_EVENTS),
            store: StoreServer::with_options(StoreOptions { own, spill: config.spill, ..store }),
            placing: BTreeMap::new(),
            placed: BTreeMap::new(),
            environments: Environments::default(),
            stops: StopWatch::default(),
            shield: Shield::default(),
            jobs: BTreeMap::new(),
            session: None,
            cluster: None,
            actors_here: BTreeMap::new(),
            known_groups: BTreeMap::new(),
            removed_groups: VecDeque::new(),
            early_leases: Vec::new(),
            processes: HashMap::new(),
            by_pid: BTreeMap::new(),
            unclaimed: BTreeMap::new(),
            graveyard: Graveyard::default(),
            next_connection: 1,
            dirty: BTreeSet::new(),
            talkative: BTreeSet::new(),
            hung_up: Vec::new(),
            later: Vec::new(),
            orphans: Vec::new(),
            orphans_again_ms: None,
            stopping: false,
            first_id: node_id,
            given_up: None,
        })
    }

    /// Makes the node known to its head.
    pub(crate) fn register(&mut self) {
        let message = self.registration();
        self.tell_head(Body::Register(message));
    }

    /// Takes in the one driver of a program's own daemon.
    fn take_driver(&mut self, connection: Connection, pid: u32) -> io::Result<()> {
        self.poller.add(connection.as_fd(), DRIVER, Role::Control)?;
        let (id, incarnation) = (self.node.worker_id(DRIVER), self.identity.incarnation(DRIVER));
        let mut driver = Process::new(Part::Driver, ONLY_JOB, id, incarnation, connection);
        driver.pid = i32::try_from(pid).ok().and_then(rustix::process::Pid::from_raw);
        // Children that the driver forks hold its socket open: its process is watched too.
        let pidfd =
            driver.pid.and_then(|pid| rustix::process::pidfd_open(pid, rustix::process::PidfdFlags::empty()).ok());
        driver.ended = pidfd.filter(|ended| self.poller.add(ended, DRIVER, Role::Ended).is_ok());
        self.processes.insert(DRIVER, driver);
        Ok(())
    }

    /// Tells a driver that its job can begin.
    pub(crate) fn announce(&mut self, number: u64, job: JobId) {
        let started = NodeStarted {
            node_id: self.identity.node_id.as_bytes().to_vec(),
            job_id: job.as_bytes().to_vec(),
            worker_id: self.node.worker_id(number).as_bytes().to_vec(),
            incarnation: self.identity.incarnation(number).to_vec(),
            resources: amounts(self.node.total()),
            node_address: self.identity.address.clone(),
            daemon_pid: std::process::id(),
            package_version: VERSION.to_owned(),
            certificate: self.certificate_for(self.node.worker_id(number), job),
            node_number: self.store.node_number(),
        };
        self.send(number, Kind::NodeStarted, &started);
    }
}
