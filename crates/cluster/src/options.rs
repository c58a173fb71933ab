//! What the network is started with.

use std::os::fd::OwnedFd;
use std::time::Duration;

use crate::lease_state::EndAll;
use trygon_ids::NodeId;
use trygon_rpc::{Authority, ClusterKey, Identity, Preamble, Versions};

/// Hands a connection on which a node wants to renew its lease to whoever renews leases. Called on the network thread; must not block.
pub type LeaseDesk = Box<dyn Fn(&Preamble, OwnedFd) + Send>;

/// Bytes and times that the network keeps to.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Unacknowledged bytes to one node, or unsent ones to the head; above it the link is cut.
    pub queue_bytes: usize,
    /// Bytes that wait for the loop; above it nothing more is read from other machines.
    pub inbox_bytes: usize,
    /// The largest message that is taken or sent.
    pub message_bytes: usize,
    /// How long a broken link to a node is tried again.
    pub give_up: Duration,
    /// How long a node may be quiet after its link broke before it counts as unreachable from here: longer than `give_up`.
    pub lapse: Duration,
    /// The longest wait between two attempts.
    pub back_off: Duration,
    /// How long connecting, or a handshake, may take.
    pub connect: Duration,
    /// A connection that is silent is asked for a sign of life this often.
    pub keep_alive: Duration,
    /// A connection that gives no sign of life for this long is broken.
    pub dead_after: Duration,
    /// A link to a node without messages is closed after this time.
    pub idle: Duration,
    /// How long the last messages may take when the network stops.
    pub farewell: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            queue_bytes: 64 << 20,
            inbox_bytes: 16 << 20,
            message_bytes: 64 << 20,
            give_up: Duration::from_secs(10),
            lapse: Duration::from_secs(15),
            back_off: Duration::from_secs(1),
            connect: Duration::from_secs(5),
            keep_alive: Duration::from_secs(1),
            dead_after: Duration::from_secs(3),
            idle: Duration::from_secs(300),
            farewell: Duration::from_millis(500),
        }
    }
}

/// What the network is started with.
pub struct Options {
    /// This node.
    pub node_id: NodeId,
    /// Its certificate.
    pub identity: Identity,
    /// Where the head's port is, `host:port`; on the head's own machine that of this node itself.
    pub head_address: String,
    /// What lets other machines join: on the head's own machine.
    pub join_desk: Option<JoinDesk>,
    /// Ends everything that runs on the node, when its lease is over.
    pub end_all: Option<EndAll>,
    /// Bytes and times.
    pub limits: Limits,
}

/// What lets other machines join.
#[derive(Debug)]
pub struct JoinDesk {
    /// Signs the certificates of nodes.
    pub authority: Authority,
    /// Whoever proves to know it may join.
    pub key: ClusterKey,
    /// What runs here, and must run there.
    pub versions: Versions,
    /// How long a node's certificate is valid.
    pub lifetime: Duration,
}
