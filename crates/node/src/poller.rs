//! Which descriptors are ready, and whose they are.

use rustix::event::epoll::{self, EventData, EventFlags};
use std::os::fd::{AsFd, OwnedFd};
use std::time::Duration;

/// What a descriptor of a process is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    /// Its control socket.
    Control,
    /// What it prints.
    Output,
    /// What it prints to its error stream.
    Errors,
    /// Readable when the process ended.
    Ended,
}

/// A descriptor that is ready.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Ready {
    pub(crate) number: u64,
    pub(crate) role: Role,
    pub(crate) readable: bool,
    pub(crate) writable: bool,
}

/// The epoll instance.
pub(crate) struct Poller {
    epoll: OwnedFd,
    events: Vec<epoll::Event>,
}

impl std::fmt::Debug for Poller {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Poller").field("epoll", &self.epoll).finish_non_exhaustive()
    }
}

impl Poller {
    /// A poller that watches nothing.
    pub(crate) fn new() -> rustix::io::Result<Self> {
        Ok(Self { epoll: epoll::create(epoll::CreateFlags::CLOEXEC)?, events: Vec::with_capacity(128) })
    }

    /// Watches a descriptor until it is closed.
    pub(crate) fn add(&self, descriptor: impl AsFd, number: u64, role: Role) -> rustix::io::Result<()> {
        epoll::add(&self.epoll, descriptor, token(number, role), EventFlags::IN)
    }

    /// Starts or stops watching for room to write.
    pub(crate) fn watch_room(&self, descriptor: impl AsFd, number: u64, role: Role, watch: bool) {
        let flags = if watch { EventFlags::IN | EventFlags::OUT } else { EventFlags::IN };
        // Fails only for a descriptor that is not watched any more.
        let _ = epoll::modify(&self.epoll, descriptor, token(number, role), flags);
    }

    /// Stops watching a descriptor.
    pub(crate) fn remove(&self, descriptor: impl AsFd) {
        let _ = epoll::delete(&self.epoll, descriptor);
    }

    /// Waits until something is ready or the time is over.
    pub(crate) fn wait(&mut self, timeout: Option<Duration>, ready: &mut Vec<Ready>) {
        ready.clear();
        self.events.clear();
        let timeout = timeout.and_then(|timeout| rustix::event::Timespec::try_from(timeout).ok());
        // An interrupted wait is a wait that found nothing.
        let _ = epoll::wait(&self.epoll, rustix::buffer::spare_capacity(&mut self.events), timeout.as_ref());
        ready.extend(self.events.iter().map(|event| {
            let (data, flags) = (event.data.u64(), event.flags);
            let closed = flags.intersects(EventFlags::HUP | EventFlags::ERR);
            Ready {
                number: data >> 2,
                role: [Role::Control, Role::Output, Role::Errors, Role::Ended][(data & 3) as usize],
                readable: closed || flags.contains(EventFlags::IN),
                writable: flags.contains(EventFlags::OUT),
            }
        }));
    }
}

fn token(number: u64, role: Role) -> EventData {
    EventData::new_u64(number << 2 | role as u64)
}
