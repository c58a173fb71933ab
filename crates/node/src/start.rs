//! From an inherited socket to a node that runs.

use crate::connection::{Connection, Flow};
use crate::graveyard::Graveyard;
use crate::head_place::HeadLink;
use crate::poller::{Poller, Role};
use crate::process::{DRIVER, Process};
use crate::service::{Identity, Service};
use crate::translate::{amounts, resource_set};
use crate::worker_pool::{Environments, ZygoteConfig, inherited_socket};
use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::io::{self, Read};
use std::time::Instant;
use trygon_control_core::TaskEvents;
use trygon_ids::{JobId, NodeId};
use trygon_node_core::{Event, Node, Options, PLAIN};
use trygon_proto::v1::RegisterNode;
use trygon_proto::v1::node_to_head::Body;
use trygon_store::server::StoreServer;
use trygon_wire::Kind;
use trygon_wire::control::{NodeFailed, NodeStarted, StartNode};

/// The version that a driver must have too.
const VERSION: &str = env!("CARGO_PKG_VERSION");
/// Events kept in the record of tasks.
const MAX_TASK_EVENTS: usize = 10_000;
/// Idle time of workers above the prestarted number, unless the driver says otherwise.
const IDLE_WORKER_MS: u32 = 1_000;

/// Labels that every node has.
const NODE_ID_LABELS: [&str; 2] = ["ray.io/node-id", "trygon.io/node-id"];

/// Runs the node of the driver that left its socket under descriptor 3, until the driver ends.
///
/// # Errors
/// When there is no such socket, the driver says nothing understandable, or the node cannot be made.
pub fn run_inherited() -> io::Result<()> {
    let socket = inherited_socket()?;
    rustix::io::fcntl_setfd(&socket, rustix::io::FdFlags::CLOEXEC)?;
    let mut connection = Connection::new(socket);
    let Some(start) = await_start(&mut connection)? else {
        return Ok(());
    };
    if start.package_version != VERSION {
        let message = format!(
            "the driver has trygon {}, the daemon {VERSION}; install one version, and remove older copies of the program",
            start.package_version
        );
        return refuse(&mut connection, message);
    }
    rustix::process::set_child_subreaper(Some(rustix::process::getpid()))?;
    let poller = Poller::new()?;
    let config = ZygoteConfig {
        python: start.python_executable.clone(),
        sys_path: start.sys_path.clone(),
        working_directory: start.working_directory.clone(),
    };
    let (job_key, description) = (start.environment.clone(), start.environment_description.clone());
    let mut service = build(start, connection, poller, config)?;
    let environment = service.job_environment;
    service.register();
    service.note_job(job_key, description);
    // The first zygote is the one that most workers come from; others are started when something asks for them.
    if let Err(message) = service.ensure_zygote(environment) {
        let Some(driver) = service.processes.get_mut(&DRIVER) else {
            return Err(io::Error::other(message));
        };
        return refuse(&mut driver.connection, message);
    }
    service.announce();
    service.node_step(Event::Start);
    service.run();
    Ok(())
}

/// Blocks until the driver has said what the node is to be; `None` if it left.
fn await_start(connection: &mut Connection) -> io::Result<Option<StartNode>> {
    rustix::io::ioctl_fionbio(connection.as_fd(), true)?;
    loop {
        let mut descriptors =
            [rustix::event::PollFd::from_borrowed_fd(connection.as_fd(), rustix::event::PollFlags::IN)];
        rustix::event::poll(&mut descriptors, None)?;
        let flow = connection.receive();
        let invalid = |error: trygon_wire::FrameError| io::Error::new(io::ErrorKind::InvalidData, error.to_string());
        if let Some((header, body)) = connection.reader.next_frame().map_err(invalid)? {
            if header.kind != Kind::StartNode {
                return Err(io::Error::new(io::ErrorKind::InvalidData, "the first frame must be StartNode"));
            }
            return trygon_wire::decode(body).map(Some).map_err(invalid);
        }
        if flow == Flow::Closed {
            return Ok(None);
        }
    }
}

fn refuse(connection: &mut Connection, message: String) -> io::Result<()> {
    connection.send(Kind::NodeFailed, &NodeFailed { message: message.clone() }, Vec::new());
    connection.flush();
    Err(io::Error::other(message))
}

fn build(start: StartNode, connection: Connection, poller: Poller, config: ZygoteConfig) -> io::Result<Service> {
    let mut node_id = [0; 28];
    std::fs::File::open("/dev/urandom")?.read_exact(&mut node_id)?;
    // So everybody can tell the node of a process, and its incarnation, by the process's id.
    let (mut prefix, mut salt) = ([0; 20], [0; 4]);
    prefix.copy_from_slice(&node_id[..20]);
    salt.copy_from_slice(&node_id[20..24]);
    let (environments, job_environment) = Environments::new(config, &start.environment);
    let options = Options { environment: job_environment, ..options(&start, prefix, NodeId::new(node_id)) };
    let identity = Identity {
        node_id: NodeId::new(node_id),
        job_id: JobId::new([1, 0, 0, 0]),
        namespace: start.namespace,
        address: "127.0.0.1".to_owned(),
        argv: start.argv,
        salt,
    };
    poller.add(connection.as_fd(), DRIVER, Role::Control)?;
    let node = Node::new(options);
    let mut driver = Process::new(node.worker_id(DRIVER), identity.incarnation(DRIVER), connection);
    driver.pid = i32::try_from(start.driver_pid).ok().and_then(rustix::process::Pid::from_raw);
    // Children that the driver forks hold its socket open: its process is watched too.
    let pidfd = driver.pid.and_then(|pid| rustix::process::pidfd_open(pid, rustix::process::PidfdFlags::empty()).ok());
    if let Some(ended) = pidfd.filter(|ended| poller.add(ended, DRIVER, Role::Ended).is_ok()) {
        driver.ended = Some(ended);
    }
    Ok(Service {
        poller,
        started: Instant::now(),
        identity,
        node,
        head: HeadLink::here(),
        task_events: TaskEvents::new(MAX_TASK_EVENTS),
        store: StoreServer::new(start.object_store_memory_bytes),
        placing: BTreeMap::new(),
        placed: BTreeMap::new(),
        environments,
        job_environment,
        job_directory: start.job_directory,
        known_groups: BTreeMap::new(),
        removed_groups: VecDeque::new(),
        early_leases: Vec::new(),
        processes: HashMap::from([(DRIVER, driver)]),
        by_pid: BTreeMap::new(),
        unclaimed: BTreeMap::new(),
        graveyard: Graveyard::default(),
        next_connection: 1,
        log_to_driver: start.log_to_driver,
        dirty: BTreeSet::new(),
        talkative: BTreeSet::new(),
        hung_up: Vec::new(),
        later: Vec::new(),
        stopping: false,
    })
}

fn options(start: &StartNode, worker_id_prefix: [u8; 20], node_id: NodeId) -> Options {
    let resources = resource_set(&start.resources);
    let cpus = usize::try_from(resources.get("CPU").units() / 10_000).unwrap_or(0);
    let idle_worker_ms = match start.idle_worker_ms {
        0 => IDLE_WORKER_MS,
        chosen => chosen,
    };
    Options {
        resources,
        node_id: node_id.hex(),
        labels: labels(start, node_id),
        prestart_workers: start.prestart_workers as usize,
        idle_worker_ms: u64::from(idle_worker_ms),
        max_workers: start.max_workers as usize,
        max_parallel_starts: (2 * cpus).clamp(8, 64),
        environment: PLAIN,
        worker_id_prefix,
    }
}

/// The labels that the driver gave, and the node's id under both of the names that programs use.
fn labels(start: &StartNode, node_id: NodeId) -> BTreeMap<String, String> {
    let given = start.labels.iter().map(|(key, value)| (key.clone(), value.clone()));
    given.chain(NODE_ID_LABELS.map(|key| (key.to_owned(), node_id.hex()))).collect()
}

impl Service {
    /// Makes the node known to its head.
    fn register(&mut self) {
        let message = RegisterNode {
            node_id: self.identity.node_id.as_bytes().to_vec(),
            hostname: crate::state_query::hostname(),
            package_version: VERSION.to_owned(),
            resources: amounts(self.node.total()),
            labels: self.node.labels().iter().map(|(key, value)| (key.clone(), value.clone())).collect(),
            daemon_pid: std::process::id(),
            ..RegisterNode::default()
        };
        self.tell_head(Body::Register(message));
    }

    fn announce(&mut self) {
        let started = NodeStarted {
            node_id: self.identity.node_id.as_bytes().to_vec(),
            job_id: self.identity.job_id.as_bytes().to_vec(),
            worker_id: self.node.worker_id(DRIVER).as_bytes().to_vec(),
            incarnation: self.identity.incarnation(DRIVER).to_vec(),
            resources: amounts(self.node.total()),
            node_address: self.identity.address.clone(),
            daemon_pid: std::process::id(),
            package_version: VERSION.to_owned(),
            node_number: self.store.node_number(),
        };
        self.send(DRIVER, Kind::NodeStarted, &started);
    }
}
