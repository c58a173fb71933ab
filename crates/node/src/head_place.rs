//! Where the head of this node is.

use std::collections::VecDeque;
use trygon_control::{Head, Questions};
use trygon_ids::WorkerId;
use trygon_proto::v1::HeadToNode;
use trygon_proto::v1::to_process::Reply;

/// Where the head is.
#[derive(Debug)]
pub(crate) enum HeadPlace {
    /// In this process: the node is a cluster of its own.
    Here(Box<Head>),
    /// A process of its own, here or on another machine; the network thread has the way there. What was asked and not answered is kept.
    Remote(Questions),
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
        Self::at(HeadPlace::Here(Box::new(Head::new())))
    }

    /// A head that is another process.
    pub(crate) fn remote() -> Self {
        Self::at(HeadPlace::Remote(Questions::default()))
    }

    fn at(place: HeadPlace) -> Self {
        Self { place, said: VecDeque::new(), is_handling: false }
    }

    /// When the head is to be called again, in microseconds.
    pub(crate) fn next_deadline_us(&self) -> Option<u64> {
        match &self.place {
            HeadPlace::Here(head) => head.next_deadline_us(),
            HeadPlace::Remote(_) => None,
        }
    }

    /// The head has answered a process.
    pub(crate) fn note_answer(&mut self, to: WorkerId, reply: &Reply) {
        if let HeadPlace::Remote(questions) = &mut self.place {
            questions.note_answer(to, reply);
        }
    }
}
