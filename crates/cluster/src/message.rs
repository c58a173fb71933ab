//! What the daemon's loop and the network thread say to each other.

use std::collections::BTreeMap;
use std::io;
use std::net::SocketAddr;
use std::os::fd::OwnedFd;

use trygon_ids::NodeId;
use trygon_proto::v1::{HeadToNode, NodeToHead, NodeToNode};
use trygon_rpc::{Identity, Joined, Preamble, ServeJoinError};

/// From the loop to the network.
#[derive(Debug)]
pub enum Outgoing {
    /// To the head, in order. What is sent before a registration is dropped with it, and what was under way when the head went away may be
    /// lost: the loop says again behind the registration what must be heard.
    ToHead(Box<NodeToHead>),
    /// The answer to `Incoming::HeadBack`: takes the place of everything that waits for the head.
    Register {
        /// The number in `Incoming::HeadBack`; an answer to an earlier one is dropped.
        connection: u64,
        /// What this node has.
        message: Box<NodeToHead>,
    },
    /// To another node, in order; arrives once or is reported by `Incoming::NodeUnreachable`.
    ToNode {
        /// The other node.
        node: NodeId,
        /// What it is told.
        message: Box<NodeToNode>,
    },
    /// Connect and write the preamble; `Incoming::Dialed` brings the socket. TLS is spoken by whom it is given to.
    Dial {
        /// Given back in the answer.
        token: u64,
        /// `host:port`.
        address: String,
        /// The first bytes on the connection.
        preamble: Preamble,
    },
    /// Where every other node is, as `host:port`. The link to a node that is no longer there is closed, and what it had to say is dropped.
    Addresses(BTreeMap<NodeId, String>),
    /// Connections that begin from now on show this certificate.
    Renew(Identity),
}

/// From the network to the loop.
#[derive(Debug)]
pub enum Incoming {
    /// From the head, in order.
    FromHead(Box<HeadToNode>),
    /// The head cannot be reached, or not any more; it is tried for ever.
    HeadLost {
        /// What happened.
        reason: String,
    },
    /// A connection to the head stands and waits for `Outgoing::Register`.
    HeadBack {
        /// Given back in the answer.
        connection: u64,
    },
    /// The node's lease is over, for ever. What ran here is being ended; this node comes back as another one, if at all.
    LeaseLost {
        /// What happened.
        reason: String,
    },
    /// The head has not renewed this node's lease for a while, and the lease is not over yet. Said once for each silence.
    LeaseUnanswered,
    /// Nobody listens at the head's own address: what runs here goes on (NODE-3). Said once each time the head goes.
    HeadDown,
    /// From another node, in order.
    FromNode {
        /// The node, as its certificate says.
        node: NodeId,
        /// What it tells.
        message: Box<NodeToNode>,
    },
    /// Messages to this node or from it were lost: what was open between the two is over.
    NodeUnreachable {
        /// The other node.
        node: NodeId,
        /// What happened.
        reason: String,
    },
    /// Somebody connected for the head, for a process or for objects. TLS has not begun.
    Accepted {
        /// What it is for.
        preamble: Preamble,
        /// The connection.
        socket: OwnedFd,
        /// Where it comes from.
        address: SocketAddr,
    },
    /// The answer to `Outgoing::Dial`.
    Dialed {
        /// The one of the request.
        token: u64,
        /// The connection, the preamble written, in non-blocking mode.
        result: io::Result<OwnedFd>,
    },
    /// The head's own daemon let another machine into the cluster, or did not.
    Joined(Result<Joined, ServeJoinError>),
}
