//! The way into a cluster: as the head of a new one, or by joining one.

use crate::cluster::certificates::own_identity;
use crate::cluster::control_process::ControlProcess;
use crate::cluster::leaving::Leaving;
use crate::cluster::lifetimes::Lifetimes;
use crate::cluster::nodes::Nodes;
use crate::cluster::state::Cluster;
use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};
use trygon_cluster::{JoinDesk, Limits, Network, Options};
use trygon_ids::NodeId;
use trygon_rpc::{Authority, Bound, ClusterKey, NodeCertificate, Versions, join};
use trygon_wire::control::StartDaemon;

/// The version of what machines say to each other.
const PROTOCOL: u32 = 1;
/// How long the head may take to answer somebody who joins.
const JOIN_LIMIT: Duration = Duration::from_secs(10);
/// The journal of a head's control service, in the session's folder.
const JOURNAL: &str = "control";

/// What a node enters with.
#[derive(Debug)]
pub(crate) struct Entrance<'a> {
    pub(crate) start: &'a StartDaemon,
    pub(crate) node_id: NodeId,
    pub(crate) folder: &'a Path,
}

impl Entrance<'_> {
    /// Opens the node's port and connects with the head. The error is for whoever started the node.
    pub(crate) fn enter(&self) -> Result<(Cluster, SocketAddr), String> {
        let ip = self.ip()?;
        let port = u16::try_from(self.start.port).map_err(|_| "--port must be below 65536".to_owned())?;
        let bound = Bound::bind(&self.addresses(ip, port)).map_err(|error| error.to_string())?;
        let address = SocketAddr::new(ip, bound.port());
        let credentials = if self.start.head_address.is_empty() { self.found(address) } else { self.join() }?;
        let identity =
            own_identity(&credentials.certificate, credentials.lifetimes).map_err(|error| error.to_string())?;
        let head_address = match &credentials.control {
            None => self.start.head_address.clone(),
            Some(_) => SocketAddr::new(loopback(ip), address.port()).to_string(),
        };
        let network = Network::start(
            bound,
            Options {
                node_id: self.node_id,
                identity,
                head_address,
                join_desk: credentials.join_desk,
                end_all: Some(Box::new(trygon_processes::kill_descendants)),
                limits: Limits::default(),
            },
        );
        let cluster = Cluster {
            network: network.map_err(|error| format!("the network cannot be started: {error}"))?,
            certificate: credentials.certificate,
            next_key: None,
            authority: credentials.authority,
            control: credentials.control,
            attesting: None,
            number: 0,
            is_registered: false,
            head_patience_ms: u64::from(self.start.head_patience_s) * 1_000,
            gives_up_ms: None,
            nodes: Nodes::default(),
            pending: BTreeMap::new(),
            losses: BTreeMap::new(),
            unreached: Vec::new(),
            questions: Vec::new(),
            dials: BTreeMap::new(),
            next_token: 1,
            transfers: None,
            early_asks: Vec::new(),
            lifetimes: credentials.lifetimes,
            certificates_ms: 0,
            watched: BTreeMap::new(),
            draining: None,
            leaving: Leaving::default(),
            log_room: crate::cluster::log_room::LogRoom::default(),
        };
        Ok((cluster, address))
    }

    fn ip(&self) -> Result<IpAddr, String> {
        let text = &self.start.ip;
        text.parse().map_err(|_| format!("--node-ip-address must be an address, not {text:?}"))
    }

    /// The node's own address, and for the head's daemon the loopback, by which it speaks with itself.
    fn addresses(&self, ip: IpAddr, port: u16) -> Vec<SocketAddr> {
        let mut addresses = vec![SocketAddr::new(ip, port)];
        if self.start.head_address.is_empty() && !ip.is_loopback() && !ip.is_unspecified() {
            addresses.push(SocketAddr::new(loopback(ip), port));
        }
        addresses
    }

    fn versions(&self) -> Versions {
        Versions {
            trygon: crate::about::VERSION.to_owned(),
            protocol: PROTOCOL,
            python: self.start.python_version.clone(),
        }
    }

    /// A new cluster, or one whose authority is kept.
    fn found(&self, address: SocketAddr) -> Result<Credentials, String> {
        let folder = Path::new(&self.start.key_file).parent().map(PathBuf::from).unwrap_or_default();
        let now = SystemTime::now();
        let lifetimes = Lifetimes::of_seconds(self.start.certificate_lifetime_s);
        let open = || Authority::open_or_create(&folder, now).map_err(|error| error.to_string());
        let (authority, key) = open()?;
        let (for_joining, _) = open()?;
        let certificate = authority.issue_node(self.node_id, now, lifetimes.node).map_err(|error| error.to_string())?;
        let join_desk = JoinDesk { authority: for_joining, key, versions: self.versions(), lifetime: lifetimes.node };
        // Clusters that share a Redis server are told apart by what no two of them share.
        let cluster = authority.fingerprint().iter().take(8).map(|byte| format!("{byte:02x}")).collect();
        let journal = format!("file:{}", self.folder.join(JOURNAL).display());
        let storage = if self.start.storage.is_empty() { journal } else { self.start.storage.clone() };
        Ok(Credentials {
            certificate,
            lifetimes,
            authority: Some(authority),
            join_desk: Some(join_desk),
            control: Some(ControlProcess::new(storage, address.to_string(), cluster, lifetimes)),
        })
    }

    /// A certificate from the head, for whoever knows the key.
    fn join(&self) -> Result<Credentials, String> {
        let key = self.key()?;
        let (address, now) = (&self.start.head_address, SystemTime::now());
        let joined = join(address, &key, self.node_id, &self.versions(), now, JOIN_LIMIT);
        let certificate = joined.map_err(|error| error.to_string())?;
        // The head's choice shows in what it gave.
        let seconds = certificate.validity().seconds_left(now);
        let lifetimes = Lifetimes::of_seconds(u32::try_from(seconds).unwrap_or(0));
        Ok(Credentials { certificate, lifetimes, authority: None, join_desk: None, control: None })
    }

    fn key(&self) -> Result<ClusterKey, String> {
        if !self.start.key_text.is_empty() {
            return ClusterKey::from_text(&self.start.key_text).map_err(|error| format!("TRYGON_CLUSTER_KEY: {error}"));
        }
        let path = Path::new(&self.start.key_file);
        if self.start.key_file.is_empty() {
            return Err(format!(
                "the cluster's key is needed to join {}: copy the file that `trygon start --head` names to this machine and give \
                 it with --token-file, or put its text into TRYGON_CLUSTER_KEY",
                self.start.head_address
            ));
        }
        ClusterKey::from_file(path).map_err(|error| error.to_string())
    }
}

/// What a node proves with who it is, and what only the head's machine has.
struct Credentials {
    certificate: NodeCertificate,
    lifetimes: Lifetimes,
    authority: Option<Authority>,
    join_desk: Option<JoinDesk>,
    control: Option<ControlProcess>,
}

fn loopback(ip: IpAddr) -> IpAddr {
    if ip.is_loopback() { ip } else { IpAddr::V4(Ipv4Addr::LOCALHOST) }
}
