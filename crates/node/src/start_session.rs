//! A daemon that stays: it detaches from whoever starts it, and says when its node runs.

use crate::connection::Connection;
use crate::service::Service;
use crate::session::{Role, Session, folder};
use crate::start::{NodeConfig, VERSION, await_first, refuse};
use rustix::fs::{Mode, OFlags};
use rustix::net::{AddressFamily, SocketAddrUnix, SocketFlags, SocketType};
use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};
use trygon_node_core::Event;
use trygon_wire::Kind;
use trygon_wire::control::{NodeStarted, StartDaemon};

/// Connections that may wait to be taken.
const BACKLOG: i32 = 128;

/// Runs a node for many programs. What it is to be comes over the socket that is the standard input; the answer goes back there. It runs
/// until somebody tells it to stop.
///
/// # Errors
/// When nothing understandable comes, or the node cannot be made; then the other side was told why.
pub fn run_session() -> io::Result<()> {
    let socket = rustix::io::fcntl_dupfd_cloexec(rustix::stdio::stdin(), 10)?;
    let null = rustix::fs::open("/dev/null", OFlags::RDWR | OFlags::CLOEXEC, Mode::empty())?;
    rustix::stdio::dup2_stdin(&null)?;
    // No terminal's signal reaches it. Fails only where it leads a session already.
    let _ = rustix::process::setsid();
    let mut connection = Connection::new(socket);
    let Some(start) = await_first::<StartDaemon>(&mut connection, Kind::StartDaemon)? else {
        return Ok(());
    };
    if start.package_version != VERSION {
        let message = format!("the command is of trygon {}, this daemon of {VERSION}", start.package_version);
        return refuse(&mut connection, message);
    }
    let mut service = match make(start) {
        Ok(service) => service,
        Err(error) => return refuse(&mut connection, error.to_string()),
    };
    let started = service.description();
    connection.send(Kind::NodeStarted, &started, Vec::new());
    connection.flush();
    drop(connection);
    service.log(&format!("the node runs: trygon {VERSION}, process {}", std::process::id()));
    service.node_step(Event::Start);
    service.run();
    Ok(())
}

fn make(start: StartDaemon) -> io::Result<Service> {
    let path = PathBuf::from(&start.session_directory);
    folder::make_private(&path)?;
    if !start.head_address.is_empty() {
        let message = format!(
            "this version of Trygon does not join other machines yet, so it cannot join {}; `trygon start --head` serves the \
             programs of this machine",
            start.head_address
        );
        return Err(io::Error::new(io::ErrorKind::Unsupported, message));
    }
    // The listener of other nodes tells the port; without one the cluster is named by what was asked for.
    let own_address = format!("{}:{}", start.ip, start.port);
    let (role, cluster_address) = match start.head_address.as_str() {
        "" => (Role::Head, own_address.clone()),
        head => (Role::Member { head: head.to_owned() }, head.to_owned()),
    };
    let listener = listen(&path.join(folder::SOCKET))?;
    let mut service = Service::new(NodeConfig {
        resources: start.resources,
        labels: start.labels,
        object_store_memory_bytes: start.object_store_memory_bytes,
        idle_worker_ms: start.idle_worker_ms,
        max_workers: start.max_workers,
        address: start.ip,
    })?;
    folder::write(&path, "pid", &std::process::id().to_string())?;
    folder::write(&path, "address", &cluster_address)?;
    folder::write(&path, "role", if role == Role::Head { "head" } else { "member" })?;
    folder::write(&path, "name", &start.name)?;
    folder::announce(&path)?;
    service.session = Some(Session {
        folder: path,
        name: start.name,
        role,
        cluster_address,
        own_address,
        python_version: start.python_version,
        kept_workers: start.prestart_workers as usize,
        listener,
        arriving: BTreeMap::new(),
        life_lines: BTreeSet::new(),
        attaching: BTreeMap::new(),
    });
    service.watch_arrivals()?;
    service.register();
    Ok(service)
}

fn listen(path: &Path) -> io::Result<OwnedFd> {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let listener = rustix::net::socket_with(AddressFamily::UNIX, SocketType::STREAM, flags, None)?;
    rustix::net::bind(&listener, &SocketAddrUnix::new(path)?)?;
    rustix::net::listen(listener.as_fd(), BACKLOG)?;
    Ok(listener)
}

impl Service {
    /// What the command that started the node tells people.
    fn description(&self) -> NodeStarted {
        NodeStarted {
            node_id: self.identity.node_id.as_bytes().to_vec(),
            resources: crate::translate::amounts(self.node.total()),
            node_address: self.session.as_ref().map(|session| session.cluster_address.clone()).unwrap_or_default(),
            daemon_pid: std::process::id(),
            package_version: VERSION.to_owned(),
            ..NodeStarted::default()
        }
    }
}
