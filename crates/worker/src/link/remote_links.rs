//! Connections with processes of other machines: how they begin, what comes over them, and how they break.

use crate::link::out_buffer::OutBuffer;
use crate::link::peer::Links;
use crate::link::remote::Remote;
use crate::link::tls::TlsLink;
use rustix::fd::{AsFd, OwnedFd};
use rustix::io::Errno;
use rustix::net::{RecvFlags, recv, sockopt};
use trygon_ids::WorkerId;
use trygon_worker_core::PeerIndex;

impl Links {
    /// Adds a connection with a process of another machine, which is secured from its next byte on.
    pub(crate) fn add_remote(
        &mut self,
        worker: WorkerId,
        connection: u64,
        socket: OwnedFd,
        tls: TlsLink,
        handshake_until_ns: u64,
    ) -> PeerIndex {
        // Frames are written when somebody waits for them: holding one back for the next helps nobody. Without it all is slower, not wrong.
        let _ = sockopt::set_tcp_nodelay(&socket, true);
        self.remotes.scratch();
        let index = self.add_link(
            worker,
            connection,
            socket,
            Some(Box::new(Remote { tls, handshake_until_ns, may_be_underway: false })),
        );
        self.remotes.handshaking.push(index);
        self.mark_dirty(index);
        index
    }

    /// Whether the connection is with another machine and what was written there may still be underway.
    pub(crate) fn may_bring_more(&self, index: PeerIndex) -> bool {
        let peer = &self.peers[index.0];
        peer.is_open() && peer.remote.as_ref().is_some_and(|remote| !remote.tls.is_handshaking())
    }

    /// Reads once. True when something came, be it a part of a record.
    pub(super) fn receive_remote(&mut self, index: PeerIndex) -> bool {
        let peer = &mut self.peers[index.0];
        let (Some(socket), Some(remote)) = (&peer.socket, &mut peer.remote) else { return false };
        let scratch = self.remotes.scratch();
        let received = recv(socket.as_fd(), remote.tls.room(scratch), RecvFlags::DONTWAIT);
        let reason = match received {
            Ok((0, _)) => "the other side has closed the connection".to_owned(),
            Ok((count, _)) => {
                let was_handshaking = remote.tls.is_handshaking();
                let opened = remote.tls.open(scratch, count, &mut peer.reader);
                let is_known = !remote.tls.is_handshaking();
                if opened.is_ok() {
                    if was_handshaking && is_known {
                        self.remotes.handshaking.retain(|other| *other != index);
                    }
                    // Its answer, or the frames that waited for the handshake.
                    if !remote.tls.is_written() || (was_handshaking && is_known) {
                        self.mark_dirty(index);
                    }
                    return true;
                }
                // The other side learns why, if it still listens.
                let _ = remote.tls.flush(socket.as_fd(), &mut OutBuffer::default(), scratch);
                opened.err().map_or_else(String::new, |error| error.to_string())
            }
            Err(Errno::AGAIN | Errno::INTR) => return false,
            Err(error) => error.to_string(),
        };
        self.lose(index, reason);
        false
    }

    /// The connection is of no use any more. The daemon is told, and says what becomes of the process; until then its tasks stay where they are.
    pub(crate) fn lose(&mut self, index: PeerIndex, reason: String) {
        let peer = self.peer(index);
        if peer.socket.take().is_none() {
            return;
        }
        peer.out.clear();
        peer.never_secured = peer.remote.take().is_some_and(|remote| remote.tls.is_handshaking());
        self.remotes.handshaking.retain(|other| *other != index);
        self.remotes.lost.push((index, reason));
    }

    /// Gives up handshakes that take too long. True while some go on.
    pub(crate) fn expire_handshakes(&mut self, now_ns: u64) -> bool {
        let is_late = |index: &PeerIndex| {
            let remote = &self.peers[index.0].remote;
            remote.as_ref().is_some_and(|remote| now_ns >= remote.handshake_until_ns)
        };
        let late: Vec<PeerIndex> = self.remotes.handshaking.iter().copied().filter(is_late).collect();
        for index in late {
            self.lose(index, "the other side did not prove who it is in time".to_owned());
        }
        !self.remotes.handshaking.is_empty()
    }

    /// The next connection that broke, and how.
    pub(crate) fn take_lost(&mut self) -> Option<(PeerIndex, String)> {
        self.remotes.lost.pop()
    }
}
