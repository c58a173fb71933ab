//! The names that stand in certificates: who somebody is, as a DNS name, and whom one expects.
//!
//! A process's name ends in the name of its node, so that the constraint in a node's certificate lets it vouch for its own processes only.

use trygon_ids::{JobId, NodeId, WorkerId};

/// The name of the cluster's control service, which only the authority itself may give.
const CONTROL: &str = "control.trygon";
const NODE_SUFFIX: &str = ".node.trygon";
const WORKER_SUFFIX: &str = ".worker.trygon";

/// How many bytes of a worker's id are the first bytes of its node's id.
pub(crate) const NODE_PART_BYTES: usize = 20;

/// Who somebody is, as their certificate says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PeerName {
    /// The control service.
    Control,
    /// A machine's daemon.
    Node(NodeId),
    /// A driver or worker process of one job.
    Worker(WorkerId, JobId),
}

/// Whom one side of a connection accepts on the other side.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Expected {
    /// The control service.
    Control,
    /// One machine's daemon.
    Node(NodeId),
    /// Any machine's daemon of this cluster.
    AnyNode,
    /// One process of one job.
    Worker(WorkerId, JobId),
}

impl PeerName {
    /// The DNS name that stands in the certificate.
    pub fn dns(&self) -> String {
        match self {
            Self::Control => CONTROL.to_owned(),
            Self::Node(node) => node_domain(node),
            Self::Worker(worker, job) => {
                let (node, number) = worker.as_bytes().split_at(NODE_PART_BYTES);
                format!("w{}.{}.{}{WORKER_SUFFIX}", hex(number), job.hex(), hex(node))
            }
        }
    }

    /// Reads a name; exactly what `dns` writes is accepted.
    pub fn parse(dns: &str) -> Option<Self> {
        let name = if dns == CONTROL {
            Self::Control
        } else if let Some(node) = dns.strip_suffix(NODE_SUFFIX) {
            Self::Node(NodeId::new(from_hex(node)?))
        } else {
            let mut labels = dns.strip_suffix(WORKER_SUFFIX)?.strip_prefix('w')?.splitn(3, '.');
            let number: [u8; 8] = from_hex(labels.next()?)?;
            let job = JobId::new(from_hex(labels.next()?)?);
            let node: [u8; NODE_PART_BYTES] = from_hex(labels.next()?)?;
            let mut worker = [0; WorkerId::LEN];
            worker[..NODE_PART_BYTES].copy_from_slice(&node);
            worker[NODE_PART_BYTES..].copy_from_slice(&number);
            Self::Worker(WorkerId::new(worker), job)
        };
        // Upper-case digits would make two spellings of one name.
        (name.dns() == dns).then_some(name)
    }
}

impl std::fmt::Display for PeerName {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Control => formatter.write_str("the control service"),
            Self::Node(node) => write!(formatter, "node {node}"),
            Self::Worker(worker, job) => write!(formatter, "process {worker} of job {job}"),
        }
    }
}

impl Expected {
    /// Whether `name` is whom this side accepts.
    pub fn accepts(&self, name: &PeerName) -> bool {
        match (self, name) {
            (Self::Control, PeerName::Control) | (Self::AnyNode, PeerName::Node(_)) => true,
            (Self::Node(expected), PeerName::Node(node)) => expected == node,
            (Self::Worker(expected, expected_job), PeerName::Worker(worker, job)) => {
                expected == worker && expected_job == job
            }
            _ => false,
        }
    }
}

impl std::fmt::Display for Expected {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Control => PeerName::Control.fmt(formatter),
            Self::Node(node) => PeerName::Node(*node).fmt(formatter),
            Self::AnyNode => formatter.write_str("a node of this cluster"),
            Self::Worker(worker, job) => PeerName::Worker(*worker, *job).fmt(formatter),
        }
    }
}

/// The name of a node, which is also the domain of names that it may give to itself.
pub(crate) fn node_domain(node: &NodeId) -> String {
    format!("{}{NODE_SUFFIX}", node.hex())
}

/// The domain of the names of a node's processes.
pub(crate) fn worker_domain(node: &NodeId) -> String {
    format!("{}{WORKER_SUFFIX}", hex(&node.as_bytes()[..NODE_PART_BYTES]))
}

/// Whether `worker` is a process of `node`.
pub(crate) fn is_process_of(worker: &WorkerId, node: &NodeId) -> bool {
    worker.as_bytes()[..NODE_PART_BYTES] == node.as_bytes()[..NODE_PART_BYTES]
}

/// Lower-case hexadecimal.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Reads exactly `LEN` bytes of hexadecimal.
pub(crate) fn from_hex<const LEN: usize>(text: &str) -> Option<[u8; LEN]> {
    if text.len() != LEN * 2 || !text.bytes().all(|byte| byte.is_ascii_hexdigit()) {
        return None;
    }
    let mut bytes = [0; LEN];
    for (byte, digits) in bytes.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
        *byte = u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()?;
    }
    Some(bytes)
}

#[cfg(test)]
mod tests;
