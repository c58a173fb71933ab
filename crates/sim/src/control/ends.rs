//! The ends of streams.

use std::collections::VecDeque;
use trygon_control::ProbedLink;
use trygon_proto::v1::NodeToHead;

/// The head's end of the stream on which it tells a node something.
pub(super) struct HeadEnd {
    pub(super) stream: u64,
    pub(super) link: ProbedLink,
}

/// A stream that its node has left.
pub(super) struct OldStream {
    pub(super) stream: u64,
    pub(super) number: u64,
    /// What the head has not read of it; its end follows.
    pub(super) said: VecDeque<NodeToHead>,
}
