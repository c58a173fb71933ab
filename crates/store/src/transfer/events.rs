//! What the threads say to the daemon's loop, and how the loop learns of it.

use crate::spill::SpilledBytes;
use crate::transfer::frames::Request;
use crate::transfer::progress::Progress;
use rustix::event::{EventfdFlags, eventfd};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, SyncSender, channel};
use trygon_ids::ObjectId;
use trygon_shm::SegmentBytes;
use trygon_store_core::{FetchEnd, ObjectLocation, Source};

/// What of this node a transfer reads; it stays for it as long as it can.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reads {
    /// An object that a process of this node wrote.
    Object,
    /// A copy, of this number.
    Copy(u64),
    /// A file.
    File,
}

/// What a sender is told to do.
#[derive(Debug)]
pub(crate) enum Served {
    /// Send from here.
    Data {
        mapping: Arc<dyn SegmentBytes>,
        /// The chunks that are here, when the copy is not complete.
        progress: Option<Arc<Progress>>,
        reads: Reads,
    },
    /// Send from a file.
    File(SpilledBytes),
    Redirect(Source),
    Gone,
    Refused,
}

/// A request for bytes, and where its answer goes.
#[derive(Debug)]
pub(crate) struct Asked {
    pub(crate) request: Request,
    pub(crate) answer: SyncSender<Served>,
}

/// What a thread has to say.
#[derive(Debug)]
pub(crate) enum Event {
    /// A fetch has ended; nothing writes to its memory any more.
    Fetched { object: ObjectId, end: FetchEnd },
    /// Another node wants bytes.
    Asked(Asked),
    /// They were sent: whether the object is still there.
    Sent { object: ObjectId, location: ObjectLocation, reads: Reads, to_node: u32, answer: SyncSender<bool> },
    /// They could not be sent.
    Abandoned { object: ObjectId, reads: Reads, to_node: u32 },
    /// The owner of an object here, a process of another node, needs it no more.
    Freed { object: ObjectId, location: ObjectLocation },
}

/// The threads' end.
#[derive(Debug, Clone)]
pub(crate) struct Reporter {
    events: Sender<Event>,
    wake: Arc<OwnedFd>,
}

impl Reporter {
    /// False when the loop is gone. At most one event of each thread waits, so the queue is bounded by their number.
    pub(crate) fn report(&self, event: Event) -> bool {
        let sent = self.events.send(event).is_ok();
        // A full counter wakes as well.
        let _ = rustix::io::write(&*self.wake, &1u64.to_ne_bytes());
        sent
    }
}

/// The loop's end.
#[derive(Debug)]
pub(crate) struct Events {
    events: Receiver<Event>,
    wake: Arc<OwnedFd>,
}

impl Events {
    pub(crate) fn new() -> std::io::Result<(Self, Reporter)> {
        let wake = Arc::new(eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?);
        let (sender, events) = channel();
        Ok((Self { events, wake: wake.clone() }, Reporter { events: sender, wake }))
    }

    /// Everything that was said since the last time.
    pub(crate) fn take(&self) -> Vec<Event> {
        let _ = rustix::io::read(&*self.wake, &mut [0u8; 8]);
        self.events.try_iter().collect()
    }

    /// Readable while something was said.
    pub(crate) fn as_fd(&self) -> BorrowedFd<'_> {
        self.wake.as_fd()
    }
}
