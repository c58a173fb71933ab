//! Streams to other nodes, kept for a while between uses: a TLS handshake costs as much as a megabyte.

use crate::transfer::stream::{Dial, Stream};
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::io;
use std::time::{Duration, Instant};

/// Shorter than the other side waits for a request.
const KEPT_IDLE: Duration = Duration::from_secs(5);
/// A stream on which nothing moves for so long is broken.
pub(crate) const STALLED: Duration = Duration::from_secs(10);

/// A stream, and whether it was used before: then the other side may have closed it meanwhile, which says nothing about the node.
pub(crate) struct Connection {
    pub(crate) stream: Box<dyn Stream>,
    pub(crate) is_used: bool,
}

/// A stream, and since when nobody uses it.
type Idle = (Instant, Box<dyn Stream>);

/// The streams that nobody uses now.
pub(crate) struct Connections {
    dial: Dial,
    /// A lock, because each fetching thread takes and returns streams. Held for moments; nobody dials under it.
    idle: Mutex<BTreeMap<u32, Vec<Idle>>>,
}

impl std::fmt::Debug for Connections {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Connections").finish_non_exhaustive()
    }
}

impl Connections {
    pub(crate) fn new(dial: Dial) -> Self {
        Self { dial, idle: Mutex::new(BTreeMap::new()) }
    }

    /// A stream to this node: one that is kept, or a new one.
    pub(crate) fn take(&self, node: u32) -> io::Result<Connection> {
        let kept = self.idle.lock().get_mut(&node).and_then(Vec::pop);
        match kept.filter(|(since, _)| since.elapsed() < KEPT_IDLE) {
            Some((_, stream)) => Ok(Connection { stream, is_used: true }),
            None => self.dial(node),
        }
    }

    /// A new stream.
    pub(crate) fn dial(&self, node: u32) -> io::Result<Connection> {
        // The node may have started anew: what is kept leads nowhere.
        self.idle.lock().remove(&node);
        let stream = (self.dial)(node)?;
        stream.set_timeout(STALLED)?;
        Ok(Connection { stream, is_used: false })
    }

    /// Keeps a stream on which nothing is under way.
    pub(crate) fn keep(&self, node: u32, stream: Box<dyn Stream>) {
        self.idle.lock().entry(node).or_default().push((Instant::now(), stream));
    }

    /// Closes what was not used for a while.
    pub(crate) fn close_idle(&self) {
        let mut old = Vec::new();
        self.idle.lock().retain(|_, streams| {
            let (kept, closed) = streams.drain(..).partition(|(since, _)| since.elapsed() < KEPT_IDLE);
            *streams = kept;
            old.push(closed);
            !streams.is_empty()
        });
        drop::<Vec<Vec<_>>>(old);
    }
}
