//! The network as the daemon's loop sees it.

use std::io;
use std::os::fd::BorrowedFd;
use std::sync::Arc;
use std::thread::JoinHandle;

use tokio::sync::mpsc;
use trygon_rpc::{Bound, Listener};

use crate::kinds::start_thread;
use crate::message::{Incoming, Outgoing};
use crate::object_streams::ObjectStreams;
use crate::options::{LeaseDesk, Options};
use crate::shared::Shared;
use crate::supervisor::Supervisor;

/// Connections whose preamble was read and that the network thread has not seen yet; further ones are dropped.
const ENTERING: usize = 64;

/// The running network. Dropping it lets the last messages go, closes the port and ends all its threads.
#[derive(Debug)]
pub struct Network {
    shared: Arc<Shared>,
    listener: Option<Listener>,
    thread: Option<JoinHandle<()>>,
    lease_thread: Option<JoinHandle<()>>,
}

impl Network {
    /// Starts the network on a port that was bound.
    pub fn start(bound: Bound, mut options: Options) -> io::Result<Self> {
        let (join_desk, end_all) = (options.join_desk.take(), options.end_all.take());
        let shared = Arc::new(Shared::new(options)?);
        let (entering, accepted) = mpsc::channel(ENTERING);
        let thread = start_thread(Supervisor::run(shared.clone(), join_desk, accepted))?;
        // From here on an error drops the network, which ends the thread.
        let mut network = Self { shared, listener: None, thread: Some(thread), lease_thread: None };
        if let Some(end_all) = end_all {
            network.lease_thread = Some(crate::lease::start(network.shared.clone(), end_all)?);
        }
        network.listener = Some(bound.start(move |incoming| {
            // A network thread that is so far behind has no room for newcomers; they come again.
            let _ = entering.try_send(incoming);
        })?);
        Ok(network)
    }

    /// The port that others connect to.
    pub fn port(&self) -> u16 {
        self.listener.as_ref().map_or(0, Listener::port)
    }

    /// Readable when `receive` has something.
    pub fn event_fd(&self) -> BorrowedFd<'_> {
        self.shared.inbox.event_fd()
    }

    /// Moves everything that came to the end of `into`.
    pub fn receive(&self, into: &mut Vec<Incoming>) {
        self.shared.inbox.receive(into);
    }

    /// Sends, and never waits.
    pub fn send(&self, message: Outgoing) {
        self.shared.outbox.push(message);
    }

    /// From now on leases are renewed there, or nowhere: on the head's machine.
    pub fn set_lease_desk(&self, desk: Option<LeaseDesk>) {
        self.shared.set_lease_desk(desk);
    }

    /// The node is about to be taken up by the head: from now on it has a lease that can lapse.
    pub fn begin_lease(&self) {
        self.shared.lease.begin();
    }

    /// The head has said where it is itself: when that machine answers that nobody listens there, this node holds on to its lease, for so
    /// long at most (NODE-3).
    pub fn hold_lease(&self, head: std::net::SocketAddr, holds_ms: u64) {
        self.shared.lease.hold(head, holds_ms);
    }

    /// What opens streams for the bytes of objects, on any thread.
    pub fn object_streams(&self) -> ObjectStreams {
        ObjectStreams::new(self.shared.clone())
    }
}

impl Drop for Network {
    fn drop(&mut self) {
        self.listener = None;
        self.shared.lease.stop();
        self.shared.outbox.stop();
        if let Some(thread) = self.lease_thread.take() {
            let _ = thread.join();
        }
        if let Some(thread) = self.thread.take() {
            // A panic there has been printed already.
            let _ = thread.join();
        }
    }
}
