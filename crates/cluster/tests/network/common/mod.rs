//! Networks of one cluster in one process, over loopback.
#![allow(dead_code)]

pub(crate) mod head;
pub(crate) mod proxy;

use std::collections::{BTreeMap, VecDeque};
use std::net::{Ipv4Addr, SocketAddr};
use std::time::{Duration, Instant, SystemTime};

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use trygon_cluster::{Incoming, JoinDesk, Limits, Network, Options, Outgoing};
use trygon_ids::NodeId;
use trygon_proto::v1::{GiveBackLease, NodeToNode, node_to_node};
use trygon_rpc::{Authority, Bound, Identity, NODE_LIFETIME, NodeCertificate, PROCESS_LIFETIME};

/// What every test waits at most for something that happens.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// Short times, so that tests of failures end soon.
pub(crate) fn quick() -> Limits {
    Limits {
        give_up: Duration::from_millis(1500),
        lapse: Duration::from_millis(2500),
        back_off: Duration::from_millis(200),
        connect: Duration::from_secs(5),
        ..Limits::default()
    }
}

pub(crate) fn node_id(number: u8) -> NodeId {
    NodeId::new([number; NodeId::LEN])
}

pub(crate) fn bound() -> Bound {
    Bound::bind(&[SocketAddr::from((Ipv4Addr::LOCALHOST, 0))]).unwrap()
}

pub(crate) fn certificate(authority: &Authority, node: NodeId) -> NodeCertificate {
    authority.issue_node(node, SystemTime::now(), NODE_LIFETIME).unwrap()
}

pub(crate) fn identity(certificate: &NodeCertificate) -> Identity {
    Identity::new(&certificate.issue_service(SystemTime::now(), PROCESS_LIFETIME).unwrap()).unwrap()
}

/// One node's network, with what came and was not looked at yet.
pub(crate) struct Node {
    pub(crate) id: NodeId,
    pub(crate) network: Network,
    received: VecDeque<Incoming>,
}

impl Node {
    pub(crate) fn start(authority: &Authority, number: u8, head: &str, limits: Limits) -> Self {
        Self::start_with(identity(&certificate(authority, node_id(number))), number, head, None, limits)
    }

    pub(crate) fn start_with(
        identity: Identity,
        number: u8,
        head: &str,
        join_desk: Option<JoinDesk>,
        limits: Limits,
    ) -> Self {
        let id = node_id(number);
        let options =
            Options { node_id: id, identity, head_address: head.to_owned(), join_desk, end_all: None, limits };
        Self { id, network: Network::start(bound(), options).unwrap(), received: VecDeque::new() }
    }

    pub(crate) fn address(&self) -> String {
        format!("127.0.0.1:{}", self.network.port())
    }

    pub(crate) fn tell(&self, to: NodeId, number: u64) {
        self.tell_message(to, numbered(number, 0));
    }

    pub(crate) fn tell_message(&self, to: NodeId, message: NodeToNode) {
        self.network.send(Outgoing::ToNode { node: to, message: Box::new(message) });
    }

    /// Waits for something that `wanted` takes; what it does not take is dropped.
    pub(crate) fn wait_for<T>(&mut self, what: &str, mut wanted: impl FnMut(Incoming) -> Option<T>) -> T {
        self.wait_within(PATIENCE, &mut wanted).unwrap_or_else(|| panic!("waited in vain for {what}"))
    }

    pub(crate) fn wait_within<T>(
        &mut self,
        within: Duration,
        mut wanted: impl FnMut(Incoming) -> Option<T>,
    ) -> Option<T> {
        let until = Instant::now() + within;
        loop {
            while let Some(incoming) = self.received.pop_front() {
                if let Some(found) = wanted(incoming) {
                    return Some(found);
                }
            }
            let left = until.checked_duration_since(Instant::now())?;
            let timeout = Timespec { tv_sec: left.as_secs() as i64, tv_nsec: left.subsec_nanos().into() };
            poll(&mut [PollFd::from_borrowed_fd(self.network.event_fd(), PollFlags::IN)], Some(&timeout)).unwrap();
            self.take();
        }
    }

    /// The next numbered message, and from whom.
    pub(crate) fn next_number(&mut self) -> (NodeId, u64) {
        self.wait_for("a message", |incoming| match incoming {
            Incoming::FromNode { node, message } => Some((node, number_of(&message))),
            Incoming::NodeUnreachable { node, reason } => panic!("{} is unreachable: {reason}", node.hex()),
            _ => None,
        })
    }

    /// All that came so far and fits the order in which it came.
    pub(crate) fn drain(&mut self) -> Vec<Incoming> {
        self.take();
        self.received.drain(..).collect()
    }

    fn take(&mut self) {
        let mut taken = Vec::new();
        self.network.receive(&mut taken);
        self.received.extend(taken);
    }
}

/// A message that carries a number and `padding` bytes.
pub(crate) fn numbered(number: u64, padding: usize) -> NodeToNode {
    let give_back = GiveBackLease { owner: vec![7; padding], lease_id: number, worker_exiting: false };
    NodeToNode { body: Some(node_to_node::Body::GiveBack(give_back)) }
}

pub(crate) fn number_of(message: &NodeToNode) -> u64 {
    match &message.body {
        Some(node_to_node::Body::GiveBack(give_back)) => give_back.lease_id,
        other => panic!("unexpected {other:?}"),
    }
}

/// Tells each node where all the others are.
pub(crate) fn introduce(nodes: &[&Node]) {
    let addresses: BTreeMap<NodeId, String> = nodes.iter().map(|node| (node.id, node.address())).collect();
    for node in nodes {
        node.network.send(Outgoing::Addresses(addresses.clone()));
    }
}

/// Nothing listens there.
pub(crate) const NO_HEAD: &str = "127.0.0.1:1";
