//! What connections with processes of other machines have beside those of this one.

use crate::link::out_buffer::{Flushed, OutBuffer};
use crate::link::tls::{Scratch, TlsLink};
use rustix::fd::BorrowedFd;
use trygon_shm::unacknowledged_bytes;
use trygon_worker_core::PeerIndex;

/// What a connection with another machine's process has beside its socket.
#[derive(Debug)]
pub(crate) struct Remote {
    pub(super) tls: TlsLink,
    /// When the handshake has failed if it is not over.
    pub(super) handshake_until_ns: u64,
    /// Something was written that was not known to be acknowledged yet.
    pub(super) may_be_underway: bool,
}

impl Remote {
    pub(super) fn is_written(&self) -> bool {
        self.tls.is_written()
    }

    pub(super) fn flush(&mut self, socket: BorrowedFd<'_>, out: &mut OutBuffer, scratch: &mut Scratch) -> Flushed {
        self.may_be_underway = true;
        self.tls.flush(socket, out, scratch)
    }

    /// Whether the other machine has everything that was written.
    pub(super) fn is_acknowledged(&mut self, socket: BorrowedFd<'_>) -> bool {
        // A socket that cannot be asked is at its end.
        self.may_be_underway = self.may_be_underway && unacknowledged_bytes(socket).is_ok_and(|bytes| bytes > 0);
        !self.may_be_underway
    }
}

/// What all connections with other machines share.
#[derive(Debug, Default)]
pub(crate) struct Remotes {
    scratch: Option<Box<Scratch>>,
    /// Connections whose other side is not known yet.
    pub(super) handshaking: Vec<PeerIndex>,
    /// Connections that broke, and how, until the daemon is told.
    pub(super) lost: Vec<(PeerIndex, String)>,
    /// Everything is written, but other machines have yet to say that they have it; until then the flight recorder keeps the replies.
    pub(super) is_underway: bool,
}

impl Remotes {
    /// Whether there was ever one.
    pub(super) fn are_there(&self) -> bool {
        self.scratch.is_some()
    }

    pub(super) fn scratch(&mut self) -> &mut Scratch {
        self.scratch.get_or_insert_with(|| Box::new(Scratch::new()))
    }
}
