//! What a node is told: a queue that is bounded in messages and bytes, between the thread that decides and the node's stream.
//!
//! A node that does not read is cut off, so that it costs the others nothing; it comes back and registers (STREAM-2).

pub(crate) mod probe;
#[cfg(test)]
mod tests;

use parking_lot::Mutex;
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Poll};
use tokio::sync::{mpsc, watch};
use tokio_stream::Stream;
use tonic::Status;

/// How much may wait for one node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct LinkLimits {
    pub(crate) messages: usize,
    pub(crate) size_bytes: usize,
}

impl Default for LinkLimits {
    fn default() -> Self {
        Self { messages: 65_536, size_bytes: 256 << 20 }
    }
}

/// Where messages go in. Dropping it ends the stream.
#[derive(Debug)]
pub(crate) struct Link<O> {
    sender: mpsc::Sender<O>,
    shared: Arc<Shared>,
    limits: LinkLimits,
    /// A planted defect (STREAM-2): what there is no room for is left out.
    skips: bool,
    /// Dropped with the link: whoever reads from the node hears of the end by this.
    _end: watch::Sender<()>,
}

#[derive(Debug, Default)]
struct Shared {
    queued_bytes: AtomicUsize,
    /// How the stream ends, once it was said. Held for a moment only.
    last: Mutex<Option<Status>>,
}

/// The messages for one node, as its stream takes them.
#[derive(Debug)]
pub(crate) struct Outgoing<O> {
    receiver: mpsc::Receiver<O>,
    shared: Arc<Shared>,
}

/// Hears of a link's end.
#[derive(Debug, Clone)]
pub(crate) struct LinkEnd(watch::Receiver<()>);

impl LinkEnd {
    /// Waits for it.
    pub(crate) async fn wait(&mut self) {
        // Nothing is ever sent: the error is the end.
        while self.0.changed().await.is_ok() {}
    }
}

impl<O: prost::Message> Link<O> {
    /// A link and its other end.
    pub(crate) fn new(limits: LinkLimits) -> (Self, Outgoing<O>, LinkEnd) {
        let (sender, receiver) = mpsc::channel(limits.messages);
        let (end, heard) = watch::channel(());
        let shared = Arc::new(Shared::default());
        let outgoing = Outgoing { receiver, shared: shared.clone() };
        (Self { sender, shared, limits, skips: false, _end: end }, outgoing, LinkEnd(heard))
    }

    /// With a planted defect.
    pub(crate) fn skipping(self) -> Self {
        Self { skips: true, ..self }
    }

    /// Adds a message. False: too much waits or the stream is gone, and the link is to be dropped.
    pub(crate) fn send(&self, message: O) -> bool {
        let size_bytes = message.encoded_len();
        let queued_bytes = self.shared.queued_bytes.fetch_add(size_bytes, Ordering::Relaxed) + size_bytes;
        // One message may be as large as it wants: what is bounded is what waits behind it.
        let has_room = queued_bytes <= self.limits.size_bytes || queued_bytes == size_bytes;
        if has_room && self.sender.try_send(message).is_ok() {
            return true;
        }
        if self.skips {
            return true;
        }
        self.end(Status::resource_exhausted(
            "the node did not read what the head told it; it is connected anew and told everything again",
        ));
        false
    }

    /// Says how the stream is to end; the first word counts.
    pub(crate) fn end(&self, status: Status) {
        self.shared.last.lock().get_or_insert(status);
    }
}

impl<O: prost::Message> Stream for Outgoing<O> {
    type Item = Result<O, Status>;

    fn poll_next(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.receiver.poll_recv(context).map(|message| match message {
            Some(message) => {
                self.shared.queued_bytes.fetch_sub(message.encoded_len(), Ordering::Relaxed);
                Some(Ok(message))
            }
            None => self.shared.last.lock().take().map(Err),
        })
    }
}
