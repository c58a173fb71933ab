//! The control service of a head: a child of its daemon, started again when it ends.

use crate::cluster::control_process::ControlProcess;
use crate::cluster::state::CONTROL;
use crate::poller::Role;
use crate::service::Service;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use trygon_control::Report;
use trygon_ids::NodeId;
use trygon_rpc::Preamble;

impl Service {
    /// Starts the control service if it is to be started now.
    pub(crate) fn on_control_deadline(&mut self) {
        let now_ms = self.now_ms();
        let folder = self.session.as_ref().map(|session| session.folder.clone()).unwrap_or_default();
        let control = self.cluster.as_ref().and_then(|cluster| cluster.control.as_ref());
        if control.and_then(|control| control.starts_ms).is_none_or(|starts_ms| starts_ms > now_ms) {
            return;
        }
        self.attest_leases();
        let Some(cluster) = &mut self.cluster else {
            return;
        };
        let (Some(control), Some(authority)) = (&mut cluster.control, &cluster.authority) else {
            return;
        };
        control.starts_ms = None;
        let started = control.start(authority, &folder).and_then(|()| match control.socket() {
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
        control.map_or(0, ControlProcess::pid)
    }

    pub(crate) fn restart_control(&mut self) {
        let now_ms = self.now_ms();
        self.attest_leases();
        if let Some(control) = self.cluster.as_mut().and_then(|cluster| cluster.control.as_mut()) {
            control.start_later(now_ms);
        }
    }

    /// The control service says something, or is gone.
    pub(crate) fn on_control_socket(&mut self) {
        loop {
            let control = self.cluster.as_ref().and_then(|cluster| cluster.control.as_ref());
            let Some(socket) = control.and_then(|control| control.socket()) else {
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
                        control.is_ready();
                    }
                    self.open_lease_desk();
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
        if let Some(control) = control.and_then(|control| control.socket()) {
            let _ = control.pass(NodeId::new(preamble.source), socket);
        }
    }

    /// Gives the control service a newer certificate.
    pub(crate) fn renew_control(&mut self) -> io::Result<()> {
        let Some(cluster) = &mut self.cluster else {
            return Ok(());
        };
        match (&cluster.authority, &mut cluster.control) {
            (Some(authority), Some(control)) => control.renew(authority),
            _ => Ok(()),
        }
    }
}
