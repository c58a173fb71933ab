//! A daemon that stays: it detaches from whoever starts it, and says when its node runs.

use crate::about::VERSION;
use crate::cluster::{Starter, come_back};
use crate::connection::Connection;
use crate::make_session::make;
use crate::service::Service;
use crate::signals::signals;
use crate::start::{await_first, refuse};
use crate::worker_pool::go_below_guard;
use rustix::fs::{Mode, OFlags};
use std::io;
use std::os::fd::OwnedFd;
use trygon_wire::Kind;
use trygon_wire::control::{NodeStarted, StartDaemon};

/// Runs a node for many programs. What it is to be comes over the socket that is the standard input; the answer goes back there. It runs
/// until somebody tells it to stop.
///
/// # Errors
/// When nothing understandable comes, or the node cannot be made; then the other side was told why.
pub fn run_session() -> io::Result<()> {
    go_below_guard(true);
    let socket = socket_from_stdin()?;
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
    let mut service = match make(&start) {
        Ok(service) => service,
        Err(message) => return refuse(&mut connection, message),
    };
    let starter = Starter::new(connection, service.now_ms());
    if let Some(session) = &mut service.session {
        session.starter = Some(starter);
    }
    service.log(&format!("the node begins: trygon {VERSION}, process {}", std::process::id()));
    let signals = signals()?;
    loop {
        service.say_complaints();
        service.watch_signals(&signals)?;
        service.run();
        // Dropped with everything it has before the next one begins.
        let Some(legacy) = service.into_legacy() else {
            return Ok(());
        };
        let Some(next) = come_back(&start, legacy, &signals) else {
            return Ok(());
        };
        service = next;
    }
}

/// The socket that a process was started with as its standard input, which is nothing from now on.
///
/// # Errors
/// When there is none.
pub fn socket_from_stdin() -> io::Result<OwnedFd> {
    let socket = rustix::io::fcntl_dupfd_cloexec(rustix::stdio::stdin(), 10)?;
    let null = rustix::fs::open("/dev/null", OFlags::RDWR | OFlags::CLOEXEC, Mode::empty())?;
    rustix::stdio::dup2_stdin(&null)?;
    Ok(socket)
}

impl Service {
    /// What the command that started the node tells people.
    pub(crate) fn description(&self) -> NodeStarted {
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
