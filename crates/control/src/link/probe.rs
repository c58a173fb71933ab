//! A link without a runtime, for the simulator.

use crate::link::{Link, LinkLimits, Outgoing};
use std::pin::Pin;
use std::task::{Context, Poll, Waker};
use tokio_stream::Stream as _;
use trygon_proto::v1::HeadToNode;

/// The head's end.
#[derive(Debug)]
pub struct ProbedLink(Link<HeadToNode>);

/// The node's end.
#[derive(Debug)]
pub struct ProbedStream(Outgoing<HeadToNode>);

/// What a node finds on its stream.
#[derive(Debug)]
pub enum Taken {
    /// A message.
    Message(Box<HeadToNode>),
    /// Nothing for the moment.
    Nothing,
    /// It has ended.
    End,
}

/// A link that takes so many messages and bytes at a time. `skips`: a planted defect (STREAM-2), it goes on without what it has no room for.
pub fn probe_link(messages: usize, size_bytes: usize, skips: bool) -> (ProbedLink, ProbedStream) {
    let (link, outgoing, _) = Link::new(LinkLimits { messages, size_bytes });
    (ProbedLink(if skips { link.skipping() } else { link }), ProbedStream(outgoing))
}

impl ProbedLink {
    /// Adds a message. False: the stream ends.
    pub fn send(&self, message: HeadToNode) -> bool {
        self.0.send(message)
    }
}

impl ProbedStream {
    /// The next message.
    pub fn take(&mut self) -> Taken {
        match Pin::new(&mut self.0).poll_next(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(Some(Ok(message))) => Taken::Message(Box::new(message)),
            Poll::Ready(Some(Err(_)) | None) => Taken::End,
            Poll::Pending => Taken::Nothing,
        }
    }
}
