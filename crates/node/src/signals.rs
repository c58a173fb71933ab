//! Signals that ask a daemon that stays to end: it says good-bye first.

use crate::poller::Role;
use crate::service::Service;
use crate::worker_pool::ZYGOTE;
use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};
use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};
use std::io;
use std::os::fd::OwnedFd;

/// The number in the poller of what tells of a signal. No process ever gets it.
pub(crate) const SIGNALS: u64 = ZYGOTE - 6;

/// Readable once one of them came.
pub(crate) fn signals() -> io::Result<OwnedFd> {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let (ours, theirs) = socketpair(AddressFamily::UNIX, SocketType::STREAM, flags, None)?;
    for signal in [SIGTERM, SIGINT, SIGHUP] {
        signal_hook::low_level::pipe::register(signal, std::os::unix::net::UnixStream::from(theirs.try_clone()?))?;
    }
    Ok(ours)
}

impl Service {
    /// Ends in order when one of them comes. They must be kept as long as the loop runs.
    pub(crate) fn watch_signals(&self, signals: &OwnedFd) -> io::Result<()> {
        Ok(self.poller.add(signals, SIGNALS, Role::Control)?)
    }
}
