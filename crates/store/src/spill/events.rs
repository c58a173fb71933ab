//! What the threads say to the daemon's loop, and how the loop learns of it.

use crate::spill::disk_failure::DiskFailure;
use rustix::event::{EventfdFlags, eventfd};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::time::Duration;
use trygon_ids::ObjectId;
use trygon_store_core::{FilePart, ObjectLocation};

/// What a thread has to say.
#[derive(Debug)]
pub(crate) enum SpillEvent {
    /// Some of a file is written, and it goes on.
    Progress,
    /// A file is complete.
    Written { file: u64, size_bytes: u64, took: Duration },
    /// A file could not be written in any folder, and is not there.
    WriteFailed { file: u64, failures: Vec<DiskFailure> },
    /// An object was read into the room for its copy, or could not be.
    Restored {
        object: ObjectId,
        attempt: u64,
        location: ObjectLocation,
        part: FilePart,
        read: Result<Duration, String>,
    },
    /// An object could not be read to be sent.
    Unreadable { object: ObjectId, location: ObjectLocation, part: FilePart, reason: String },
}

/// The threads' end.
#[derive(Debug, Clone)]
pub(crate) struct SpillReporter {
    events: Sender<SpillEvent>,
    wake: Arc<OwnedFd>,
}

impl SpillReporter {
    /// False when the loop is gone.
    pub(crate) fn report(&self, event: SpillEvent) -> bool {
        let sent = self.events.send(event).is_ok();
        // A full counter wakes as well.
        let _ = rustix::io::write(&*self.wake, &1u64.to_ne_bytes());
        sent
    }
}

/// The loop's end.
#[derive(Debug)]
pub(crate) struct SpillEvents {
    events: Receiver<SpillEvent>,
    wake: Arc<OwnedFd>,
}

impl SpillEvents {
    pub(crate) fn new() -> std::io::Result<(Self, SpillReporter)> {
        let wake = Arc::new(eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?);
        let (sender, events) = channel();
        Ok((Self { events, wake: wake.clone() }, SpillReporter { events: sender, wake }))
    }

    /// Everything that was said since the last time.
    pub(crate) fn take(&self) -> Vec<SpillEvent> {
        let _ = rustix::io::read(&*self.wake, &mut [0u8; 8]);
        self.events.try_iter().collect()
    }

    /// Readable while something was said.
    pub(crate) fn as_fd(&self) -> BorrowedFd<'_> {
        self.wake.as_fd()
    }
}
