//! On the head's machine: who renews the leases of nodes. The control service while it runs, the daemon in its place while it does not.

use crate::cluster::control_process::ControlProcess;
use crate::service::Service;
use std::os::fd::OwnedFd;
use std::time::SystemTime;
use trygon_cluster::{Limits, attest};
use trygon_control::ControlSocket;
use trygon_ids::NodeId;
use trygon_rpc::{Identity, Preamble};

impl Service {
    /// Leases are renewed by the control service that runs now; the network thread hands the connections on, whatever this loop does.
    pub(crate) fn open_lease_desk(&mut self) {
        let Some(cluster) = &mut self.cluster else {
            return;
        };
        let socket = cluster.control.as_ref().and_then(ControlProcess::socket).map(ControlSocket::try_clone);
        let Some(Ok(socket)) = socket else {
            return;
        };
        cluster.network.set_lease_desk(Some(Box::new(move |preamble: &Preamble, connection: OwnedFd| {
            // Where it takes nothing now, the connection is closed: the node tries again.
            let _ = socket.pass_lease(NodeId::new(preamble.source), &connection);
        })));
        cluster.attesting = None;
    }

    /// The control service does not run, and gives nobody up.
    pub(crate) fn attest_leases(&mut self) {
        let Some(cluster) = self.cluster.as_mut().filter(|cluster| cluster.attesting.is_none()) else {
            return;
        };
        let Some(authority) = &cluster.authority else {
            return;
        };
        let issued = authority.issue_control(SystemTime::now(), cluster.lifetimes.process());
        match issued.and_then(|certificate| Identity::new(&certificate)) {
            Ok(identity) => {
                let (desk, attesting) = attest(identity, Limits::default());
                cluster.network.set_lease_desk(Some(desk));
                cluster.attesting = Some(attesting);
            }
            Err(error) => self.log(&format!("leases are not renewed while the control service is away: {error}")),
        }
    }

    /// Nobody renews this node's lease. On the head's machine that is a control service that does not run though its process does: it is
    /// started again, before the leases of all nodes lapse.
    pub(crate) fn on_lease_unanswered(&mut self) {
        let control = self.cluster.as_ref().and_then(|cluster| cluster.control.as_ref());
        // One that begins may wait for its journal, and says so by itself when it cannot have it.
        if control.is_some_and(|control| control.has_begun) {
            self.log("the control service does not answer; it is started again");
            self.restart_control();
        }
    }
}
