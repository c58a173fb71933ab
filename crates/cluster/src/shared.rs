//! What every task of the network thread knows.

use std::collections::BTreeMap;
use std::os::fd::OwnedFd;
use std::sync::atomic::{AtomicU64, Ordering};

use parking_lot::Mutex;
use tokio::sync::Notify;
use trygon_ids::NodeId;
use trygon_rpc::{Identity, Preamble, Purpose};

use crate::inbox::Inbox;
use crate::lease_state::LeaseState;
use crate::message::Incoming;
use crate::options::{LeaseDesk, Limits};
use crate::outbox::Outbox;

pub(crate) struct Shared {
    pub(crate) node_id: NodeId,
    pub(crate) head_address: String,
    pub(crate) limits: Limits,
    pub(crate) inbox: Inbox,
    pub(crate) outbox: Outbox,
    pub(crate) lease: LeaseState,
    identity: Mutex<Identity>,
    lease_desk: Mutex<Option<LeaseDesk>>,
    addresses: Mutex<BTreeMap<NodeId, String>>,
    addresses_changed: Notify,
    sessions: AtomicU64,
}

impl Shared {
    pub(crate) fn new(options: crate::Options) -> std::io::Result<Self> {
        Ok(Self {
            node_id: options.node_id,
            head_address: options.head_address,
            inbox: Inbox::new(options.limits.inbox_bytes)?,
            limits: options.limits,
            outbox: Outbox::default(),
            lease: LeaseState::default(),
            identity: Mutex::new(options.identity),
            lease_desk: Mutex::new(None),
            addresses: Mutex::default(),
            addresses_changed: Notify::new(),
            sessions: AtomicU64::new(0),
        })
    }

    pub(crate) fn identity(&self) -> Identity {
        self.identity.lock().clone()
    }

    pub(crate) fn renew(&self, identity: Identity) {
        *self.identity.lock() = identity;
    }

    pub(crate) fn set_lease_desk(&self, desk: Option<LeaseDesk>) {
        *self.lease_desk.lock() = desk;
    }

    /// A node wants to renew its lease. Where nobody renews leases the connection is closed, and the node comes again.
    pub(crate) fn serve_lease(&self, preamble: &Preamble, socket: OwnedFd) {
        if let Some(desk) = &*self.lease_desk.lock() {
            desk(preamble, socket);
        }
    }

    pub(crate) fn set_addresses(&self, addresses: BTreeMap<NodeId, String>) {
        *self.addresses.lock() = addresses;
        self.addresses_changed.notify_waiters();
    }

    pub(crate) fn address(&self, node: &NodeId) -> Option<String> {
        self.addresses.lock().get(node).cloned()
    }

    /// The node's address, as soon as it is known.
    pub(crate) async fn known_address(&self, node: &NodeId) -> String {
        loop {
            let changed = self.addresses_changed.notified();
            if let Some(address) = self.address(node) {
                return address;
            }
            changed.await;
        }
    }

    /// Whether a machine may join under this id, on the head's machine. The first 20 bytes of a node's id stand in the names of its
    /// processes: a machine with those of another one could speak for its processes.
    pub(crate) fn admit(&self, newcomer: &NodeId) -> Result<(), String> {
        let addresses = self.addresses.lock();
        let taken = addresses
            .keys()
            .chain([&self.node_id])
            .any(|node| node != newcomer && node.as_bytes()[..20] == newcomer.as_bytes()[..20]);
        if taken {
            Err("the node's id begins as that of another node: start the node again".to_owned())
        } else {
            Ok(())
        }
    }

    /// Numbers sessions: a later one has a higher number, so that the other side can tell which is the present one.
    pub(crate) fn next_session(&self) -> u64 {
        self.sessions.fetch_add(1, Ordering::Relaxed) + 1
    }

    /// A number that differs from node to node: those that lost one another at once do not come back at once.
    pub(crate) fn seed(&self) -> u64 {
        self.node_id.as_bytes().iter().fold(0, |seed: u64, byte| seed.rotate_left(8) ^ u64::from(*byte))
    }

    /// What this node says first on a connection to another daemon.
    pub(crate) fn preamble(&self, purpose: Purpose, target: &NodeId) -> Preamble {
        Preamble::between_nodes(purpose, *target, self.node_id, 0)
    }

    pub(crate) fn report_unreachable(&self, node: NodeId, reason: String) {
        self.inbox.put(Incoming::NodeUnreachable { node, reason }, 0);
    }
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Shared").field("node_id", &self.node_id).finish_non_exhaustive()
    }
}
