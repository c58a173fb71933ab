//! Who connects to a daemon that stays: drivers and commands of the same user, each of which first says what it is.

use crate::connection::{Connection, Flow};
use crate::poller::Role;
use crate::process::{Part, Process};
use crate::service::Service;
use crate::session::LISTENER;
use rustix::net::SocketFlags;
use rustix::process::{Pid, PidfdFlags};
use trygon_ids::{JobId, WorkerId};
use trygon_proto::v1::StartJob;
use trygon_proto::v1::node_to_head::Body;
use trygon_wire::control::{AttachDriver, AttachTool, NodeFailed};
use trygon_wire::{FrameError, Kind, decode};

/// Time to say who one is.
const ARRIVAL_MS: u64 = 5_000;
/// So many may be about to say it.
const MAX_ARRIVING: usize = 64;

impl Service {
    /// Somebody connects.
    pub(crate) fn on_arrivals(&mut self) {
        let until_ms = self.now_ms() + ARRIVAL_MS;
        while let Some(session) = &mut self.session {
            let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
            let Ok(socket) = rustix::net::accept_with(&session.listener, flags) else {
                return;
            };
            let Ok(peer) = rustix::net::sockopt::socket_peercred(&socket) else {
                continue;
            };
            // The folder lets nobody else in; this holds whatever became of the folder.
            if peer.uid != rustix::process::geteuid() || session.arriving.len() >= MAX_ARRIVING {
                continue;
            }
            let number = self.node.take_number();
            if self.poller.add(&socket, number, Role::Control).is_ok() {
                let (connection, pid) = (Connection::new(socket), peer.pid.as_raw_nonzero().get());
                session.arriving.insert(number, crate::session::Arriving { connection, pid, until_ms });
            }
        }
    }

    /// When somebody who does not say who they are is sent away.
    pub(crate) fn arrivals_deadline_ms(&self) -> Option<u64> {
        self.session.as_ref()?.arriving.values().map(|arriving| arriving.until_ms).min()
    }

    /// Sends those away.
    pub(crate) fn on_arrivals_deadline(&mut self) {
        let now_ms = self.now_ms();
        if let Some(session) = self.session.as_mut().filter(|session| !session.arriving.is_empty()) {
            session.arriving.retain(|_, arriving| arriving.until_ms > now_ms);
        }
    }

    /// Somebody who connected says something.
    pub(crate) fn on_arriving(&mut self, number: u64) {
        let Some(mut arriving) = self.session.as_mut().and_then(|session| session.arriving.remove(&number)) else {
            return;
        };
        let flow = arriving.connection.receive();
        let frame = match arriving.connection.reader.next_frame() {
            Ok(Some((header, body))) => Some((header.kind, body.to_vec())),
            // A connection that is dropped is not watched any more.
            Ok(None) if flow == Flow::Closed => return,
            Ok(None) => None,
            Err(_) => return,
        };
        match frame {
            None => {
                if let Some(session) = &mut self.session {
                    session.arriving.insert(number, arriving);
                }
            }
            Some((Kind::AttachDriver, body)) => {
                if let Ok(message) = decode(&body) {
                    self.on_attach_driver(number, arriving.connection, arriving.pid, message);
                }
            }
            Some((Kind::AttachTool, body)) => {
                if let Ok(message) = decode(&body) {
                    self.on_attach_tool(number, arriving.connection, arriving.pid, &message);
                }
            }
            Some(_) => {}
        }
        self.read_frames(number);
        if flow == Flow::Closed {
            self.hung_up.push(number);
        }
    }

    fn on_attach_driver(&mut self, number: u64, mut connection: Connection, pid: i32, message: AttachDriver) {
        if let Some(refusal) = self.version_mismatch(&message) {
            return refuse(&mut connection, refusal);
        }
        let (id, incarnation) = (self.node.worker_id(number), self.identity.incarnation(number));
        let mut driver = Process::new(Part::Driver, JobId::nil(), id, incarnation, connection);
        driver.pid = Pid::from_raw(pid);
        // Children that the driver forks hold its socket open: its process is watched too.
        let ended = driver.pid.and_then(|pid| rustix::process::pidfd_open(pid, PidfdFlags::empty()).ok());
        driver.ended = ended.filter(|ended| self.poller.add(ended, number, Role::Ended).is_ok());
        self.processes.insert(number, driver);
        let start = start_job(number, id, pid.unsigned_abs(), &message);
        if let Some(session) = &mut self.session {
            session.attaching.insert(number, message);
        }
        // It goes on when the head has given the job its number.
        self.tell_head(Body::StartJob(start));
    }

    /// The sentence for a driver whose Trygon or Python is not this node's.
    fn version_mismatch(&self, message: &AttachDriver) -> Option<String> {
        let session = self.session.as_ref()?;
        let own = crate::about::VERSION;
        if message.package_version != own {
            return Some(format!(
                "Version mismatch: this program has trygon {}, the node at {} has trygon {own}. Install one version in both, or \
                 start the node again with this program's (`trygon stop`, `trygon start`).",
                message.package_version, session.cluster_address
            ));
        }
        let series = |version: &str| version.split('.').take(2).collect::<Vec<_>>().join(".");
        if session.python_version.is_empty() || series(&session.python_version) == series(&message.python_version) {
            return None;
        }
        Some(format!(
            "Version mismatch: this program runs on Python {}, the node at {} was started with Python {}. Use the same Python \
             for both: pickled functions and classes of one are not understood by the other.",
            message.python_version, session.cluster_address, session.python_version
        ))
    }

    fn on_attach_tool(&mut self, number: u64, connection: Connection, pid: i32, message: &AttachTool) {
        if message.is_life_line {
            return self.take_life_line(number, connection, pid);
        }
        self.take_tool(number, connection, pid);
    }

    fn take_tool(&mut self, number: u64, connection: Connection, pid: i32) {
        let (id, incarnation) = (self.node.worker_id(number), self.identity.incarnation(number));
        let mut tool = Process::new(Part::Tool, JobId::nil(), id, incarnation, connection);
        tool.pid = Pid::from_raw(pid);
        self.processes.insert(number, tool);
    }

    /// A command with whose end the daemon ends.
    pub(crate) fn take_life_line(&mut self, number: u64, connection: Connection, pid: i32) {
        self.take_tool(number, connection, pid);
        if let Some(session) = &mut self.session {
            session.life_lines.insert(number);
        }
    }

    /// Whether this process is a command.
    pub(crate) fn is_tool(&self, number: u64) -> bool {
        self.processes.get(&number).is_some_and(|process| process.part == Part::Tool)
    }

    /// A command is done.
    pub(crate) fn on_tool_left(&mut self, number: u64) {
        self.processes.remove(&number);
        if self.session.as_mut().is_some_and(|session| session.life_lines.remove(&number)) {
            self.stop();
        }
    }

    /// In a daemon that stays: whether a frame is to be looked at. A driver that said good-bye has nothing more to say, and a command
    /// only asks.
    pub(crate) fn may_say(&self, from: u64, kind: Kind) -> Result<bool, FrameError> {
        match self.processes.get(&from).map(|process| process.part) {
            Some(Part::Tool) if !matches!(kind, Kind::StateQuery | Kind::Shutdown) => {
                Err(FrameError::Malformed("kind that a command does not send"))
            }
            Some(Part::Driver) => Ok(self.jobs.get(&self.job_of(from)).is_some_and(|job| !job.is_ending)),
            _ => Ok(true),
        }
    }

    /// Watches the session's socket.
    pub(crate) fn watch_arrivals(&self) -> rustix::io::Result<()> {
        match &self.session {
            Some(session) => self.poller.add(&session.listener, LISTENER, Role::Control),
            None => Ok(()),
        }
    }
}

/// A driver's job as the head is told of it.
pub(crate) fn start_job(number: u64, driver: WorkerId, pid: u32, message: &AttachDriver) -> StartJob {
    StartJob {
        request_id: number,
        driver_id: driver.as_bytes().to_vec(),
        namespace: message.namespace.clone(),
        python_executable: message.python_executable.clone(),
        python_version: message.python_version.clone(),
        sys_path: message.sys_path.clone(),
        working_directory: message.working_directory.clone(),
        environment: message.environment.clone(),
        environment_description: String::new(),
        log_to_driver: message.log_to_driver,
        argv: message.argv.clone(),
        driver_pid: pid,
        job_id: Vec::new(),
        variables: message.variables.clone(),
        weight: message.weight,
    }
}

fn refuse(connection: &mut Connection, message: String) {
    connection.send(Kind::NodeFailed, &NodeFailed { message }, Vec::new());
    connection.flush();
}
