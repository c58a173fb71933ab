//! Where the head of this node is.

use std::collections::VecDeque;
use trygon_control::Head;
use trygon_proto::v1::HeadToNode;

/// Where the head is.
#[derive(Debug)]
pub(crate) enum HeadPlace {
    /// In this process: the node is a cluster of its own.
    Here(Box<Head>),
}

/// The way to the head.
#[derive(Debug)]
pub(crate) struct HeadLink {
    pub(crate) place: HeadPlace,
    /// What it said and was not handled yet.
    pub(crate) said: VecDeque<HeadToNode>,
    /// What it said is being handled further up.
    pub(crate) is_handling: bool,
}

impl HeadLink {
    /// The head of a node that is a cluster of its own.
    pub(crate) fn here() -> Self {
        Self { place: HeadPlace::Here(Box::new(Head::new())), said: VecDeque::new(), is_handling: false }
    }

    /// When the head is to be called again, in microseconds.
    pub(crate) fn next_deadline_us(&self) -> Option<u64> {
        let HeadPlace::Here(head) = &self.place;
        head.next_deadline_us()
    }
}
