//! What a node of a cluster has beyond a node that is alone.

use crate::cluster::control_process::ControlProcess;
use crate::cluster::draining::Draining;
use crate::cluster::early_ask::EarlyAsk;
use crate::cluster::leaving::Leaving;
use crate::cluster::lifetimes::Lifetimes;
use crate::cluster::log_room::LogRoom;
use crate::cluster::nodes::Nodes;
use crate::cluster::pending::Pending;
use crate::worker_pool::ZYGOTE;
use std::collections::BTreeMap;
use trygon_cluster::{Attesting, Network};
use trygon_ids::{NodeId, WorkerId};
use trygon_proto::v1::ConnectionLost;
use trygon_rpc::{Authority, NodeCertificate, NodeKey};
use trygon_store::transfer::TransferHandle;

/// The number of the network thread in the poller. No process ever gets it.
pub(crate) const NETWORK: u64 = ZYGOTE - 4;
/// The number of the control service in the poller.
pub(crate) const CONTROL: u64 = ZYGOTE - 5;

/// A node that waits for its head for ever holds on to what runs there for a day, for a head elsewhere waits as long for it.
const LONGEST_HOLD_MS: u64 = 24 * 3_600 * 1_000;

/// A node's place among others.
#[derive(Debug)]
pub(crate) struct Cluster {
    pub(crate) network: Network,
    /// Signs the certificates of the processes here.
    pub(crate) certificate: NodeCertificate,
    /// The key of the certificate that was asked for.
    pub(crate) next_key: Option<NodeKey>,
    /// Signs the certificates of nodes: on the head's machine.
    pub(crate) authority: Option<Authority>,
    /// The control service: on the head's machine.
    pub(crate) control: Option<ControlProcess>,
    /// Renews leases in its place while it does not run.
    pub(crate) attesting: Option<Attesting>,
    /// 0 until the head has said it.
    pub(crate) number: u32,
    /// Whether the head can be reached and knows this node.
    pub(crate) is_registered: bool,
    /// How long the head is waited for when it cannot be reached; 0 for ever.
    pub(crate) head_patience_ms: u64,
    /// When that is over, while it cannot be reached.
    pub(crate) gives_up_ms: Option<u64>,
    pub(crate) nodes: Nodes,
    /// Connections that processes here wait for, by the process here and the one elsewhere.
    pub(crate) pending: BTreeMap<(u64, WorkerId), Pending>,
    /// Connections that broke and about which the other node was asked, with what happened.
    pub(crate) losses: BTreeMap<(u64, WorkerId), String>,
    /// Workers that are ended at a time, because their owners cannot be reached, and the sentence.
    pub(crate) unreached: Vec<(u64, WorkerId, String)>,
    /// Nodes whose links are kept in use, and when they are used again.
    pub(crate) watched: BTreeMap<NodeId, u64>,
    /// Connections that another node asks about, answered at a time, when a process that has just ended is known to have.
    pub(crate) questions: Vec<(u64, NodeId, ConnectionLost)>,
    /// Connections that the network thread makes: whose they are.
    pub(crate) dials: BTreeMap<u64, (u64, WorkerId)>,
    pub(crate) next_token: u64,
    /// Fetches and serves objects, once the node has its number.
    pub(crate) transfers: Option<TransferHandle>,
    /// Leases that were asked for jobs that are not known here yet.
    pub(crate) early_asks: Vec<EarlyAsk>,
    /// It takes no new work.
    pub(crate) draining: Option<Draining>,
    /// Other nodes that take none.
    pub(crate) leaving: Leaving,
    /// How many lines go to drivers elsewhere.
    pub(crate) log_room: LogRoom,
    pub(crate) lifetimes: Lifetimes,
    /// When the certificates are looked at again.
    pub(crate) certificates_ms: u64,
}

impl Cluster {
    /// NODE-3: how long what runs here goes on while nobody listens at the head's address, at most. 0 on the head's own machine.
    pub(crate) fn holds_ms(&self) -> u64 {
        match (&self.control, self.head_patience_ms) {
            (Some(_), _) => 0,
            (None, 0) => LONGEST_HOLD_MS,
            (None, patience_ms) => patience_ms.min(LONGEST_HOLD_MS),
        }
    }
}
