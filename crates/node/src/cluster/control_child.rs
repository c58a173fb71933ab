//! The control service of a head: a child of its daemon, started again when it ends.

use crate::cluster::certificates::PROCESS_LIFETIME;
use crate::cluster::state::CONTROL;
use crate::poller::Role;
use crate::service::Service;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::SystemTime;
use trygon_control::{ControlOptions, ControlSocket, Report};
use trygon_ids::NodeId;
use trygon_rpc::{Authority, Preamble};

/// The first wait before it is started again; doubled with each failure in a row.
const FIRST_PAUSE_MS: u64 = 50;
const LONGEST_PAUSE_MS: u64 = 5_000;

/// The control service, as its daemon sees it.
#[derive(Debug)]
pub(crate) struct ControlChild {
    storage: String,
    child: Option<Child>,
    socket: Option<ControlSocket>,
    /// When it is started again.
    pub(crate) starts_ms: Option<u64>,
    pause_ms: u64,
    certified: Option<SystemTime>,
}

impl ControlChild {
    /// One that is not started yet.
    pub(crate) fn new(storage: String) -> Self {
        Self { storage, child: None, socket: None, starts_ms: Some(0), pause_ms: FIRST_PAUSE_MS, certified: None }
    }

    fn start(&mut self, authority: &Authority, folder: &Path) -> io::Result<()> {
        let (ours, theirs) = ControlSocket::pair()?;
        let log = std::fs::OpenOptions::new().create(true).append(true).open(folder.join("logs/control.log"))?;
        let child = Command::new(std::env::current_exe()?)
            .arg("control")
            .current_dir(folder)
            .stdin(Stdio::from(theirs))
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()?;
        let now = SystemTime::now();
        let certificate = authority.issue_control(now, PROCESS_LIFETIME).map_err(io::Error::other)?;
        ours.start(ControlOptions {
            storage: self.storage.clone(),
            certificate: Some((&certificate).into()),
            ..ControlOptions::default()
        })?;
        self.certified = Some(now);
        self.child = Some(child);
        self.socket = Some(ours);
        Ok(())
    }

    /// Its process id; 0 while it does not run.
    pub(crate) fn pid(&self) -> u32 {
        self.child.as_ref().map_or(0, Child::id)
    }

    fn end(&mut self) {
        self.socket = None;
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

impl Drop for ControlChild {
    fn drop(&mut self) {
        self.end();
    }
}

impl Service {
    /// Starts the control service if it is to be started now.
    pub(crate) fn on_control_deadline(&mut self) {
        let now_ms = self.now_ms();
        let folder = self.session.as_ref().map(|session| session.folder.clone()).unwrap_or_default();
        let Some(cluster) = &mut self.cluster else {
            return;
        };
        let (Some(control), Some(authority)) = (&mut cluster.control, &cluster.authority) else {
            return;
        };
        if control.starts_ms.is_none_or(|starts_ms| starts_ms > now_ms) {
            return;
        }
        control.starts_ms = None;
        let started = control.start(authority, &folder).and_then(|()| match &control.socket {
            Some(socket) => Ok(self.poller.add(socket.as_fd(), CONTROL, Role::Control)?),
            None => Ok(()),
        });
        if let Err(error) = started {
            self.log(&format!("the control service cannot be started: {error}"));
            self.restart_control();
        }
    }

    /// The process id of the control service; 0 where it is not.
    pub(crate) fn control_pid(&self) -> u32 {
        let control = self.cluster.as_ref().and_then(|cluster| cluster.control.as_ref());
        control.map_or(0, ControlChild::pid)
    }

    fn restart_control(&mut self) {
        let now_ms = self.now_ms();
        if let Some(control) = self.cluster.as_mut().and_then(|cluster| cluster.control.as_mut()) {
            control.end();
            control.starts_ms = Some(now_ms + control.pause_ms);
            control.pause_ms = (control.pause_ms * 2).min(LONGEST_PAUSE_MS);
        }
    }

    /// The control service says something, or is gone.
    pub(crate) fn on_control_socket(&mut self) {
        loop {
            let control = self.cluster.as_ref().and_then(|cluster| cluster.control.as_ref());
            let Some(socket) = control.and_then(|control| control.socket.as_ref()) else {
                return;
            };
            match socket.receive() {
                Ok(None) => return,
                Ok(Some(Report::Ready(ready))) => {
                    self.log(&format!(
                        "the control service runs: journal in {}, {} events taken in again",
                        ready.place, ready.replayed
                    ));
                    if let Some(control) = self.cluster.as_mut().and_then(|cluster| cluster.control.as_mut()) {
                        control.pause_ms = FIRST_PAUSE_MS;
                    }
                }
                Ok(Some(Report::Note(note))) => self.log(&format!("control service: {note}")),
                Ok(Some(Report::Failed(failed))) => {
                    let message = format!("the control service cannot run: {}", failed.message);
                    self.log(&message);
                    if failed.is_final {
                        return self.on_control_hopeless(message);
                    }
                }
                Ok(Some(Report::Ended)) | Err(_) => {
                    self.log("the control service has ended; it is started again");
                    return self.restart_control();
                }
            }
        }
    }

    /// Starting it again would be of no use, or harmful.
    fn on_control_hopeless(&mut self, message: String) {
        if let Some(control) = self.cluster.as_mut().and_then(|cluster| cluster.control.as_mut()) {
            control.end();
        }
        self.refuse_starter(message);
    }

    /// A node, this one too, connects with the head.
    pub(crate) fn pass_to_control(&mut self, preamble: &Preamble, socket: &OwnedFd) {
        let control = self.cluster.as_ref().and_then(|cluster| cluster.control.as_ref());
        // Where it is not, or takes nothing now, the connection is closed: the node tries again.
        if let Some(control) = control.and_then(|control| control.socket.as_ref()) {
            let _ = control.pass(NodeId::new(preamble.source), socket);
        }
    }

    /// Gives the control service a newer certificate.
    pub(crate) fn renew_control(&mut self) -> io::Result<()> {
        let Some(cluster) = &mut self.cluster else {
            return Ok(());
        };
        if let (Some(authority), Some(control)) = (&cluster.authority, &mut cluster.control)
            && let Some(socket) = &control.socket
            && control.certified.is_some_and(|at| at.elapsed().is_ok_and(|age| age > PROCESS_LIFETIME / 2))
        {
            let now = SystemTime::now();
            let certificate = authority.issue_control(now, PROCESS_LIFETIME).map_err(io::Error::other)?;
            socket.renew((&certificate).into())?;
            control.certified = Some(now);
        }
        Ok(())
    }
}
