//! Identifiers that are plain bytes, drawn from an injected source of entropy.

use crate::macros::byte_id;

/// A byte string of the wrong length was given for an identifier.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IdError {
    /// The identifier's type.
    pub kind: &'static str,
    /// The length it has.
    pub expected_len: usize,
    /// The length that was given.
    pub actual_len: usize,
}

impl std::fmt::Display for IdError {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{} takes {} bytes, got {}", self.kind, self.expected_len, self.actual_len)
    }
}

impl std::error::Error for IdError {}

byte_id!(
    /// One program that connected, 4 bytes.
    JobId, 4);
byte_id!(
    /// One machine's daemon, for one life of it, 28 bytes.
    NodeId, 28);
byte_id!(
    /// One driver or worker process, 28 bytes.
    WorkerId, 28);
byte_id!(
    /// One actor across its restarts: job 4, random 12.
    ActorId, 16);
byte_id!(
    /// One placement group: job 4, random 14.
    PlacementGroupId, 18);
byte_id!(
    /// The SHA-256 of a pickled function or class.
    FunctionHash, 32);

impl ActorId {
    /// The job that created the actor.
    pub fn job_id(&self) -> JobId {
        JobId::new([self.as_bytes()[0], self.as_bytes()[1], self.as_bytes()[2], self.as_bytes()[3]])
    }
}

impl PlacementGroupId {
    /// The job that created the group.
    pub fn job_id(&self) -> JobId {
        JobId::new([self.as_bytes()[0], self.as_bytes()[1], self.as_bytes()[2], self.as_bytes()[3]])
    }
}

/// The number of a segment's node stands above these bits.
const NODE_SHIFT: u32 = 40;
/// The name, among the amounts of a request, for "on the node with this number if it has room now". Owners know nodes by the numbers in
/// segments; daemons know which node it is.
pub const NEAR_NODE_NUMBER: &str = "near_node_number:";
/// How names begin, among the amounts of a request, that say where a program would rather have it.
pub const WISHES: [&str; 4] = ["soft_node_id:", "near_node_id:", "soft_labels:", "strategy:"];

/// A segment of shared memory, unique in the cluster.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SegmentId(pub u64);

impl SegmentId {
    /// The segment with this number of a node.
    pub const fn of_node(node_number: u64, number: u64) -> Self {
        Self(node_number << NODE_SHIFT | number)
    }

    /// The number of the node whose memory it is; 0 on a machine that is alone.
    pub const fn node_number(self) -> u64 {
        self.0 >> NODE_SHIFT
    }
}
