//! Processes of other machines: connecting with them, and losing them.

use crate::engine::Engine;
use crate::known_death::KnownDeath;
use crate::link::HANDSHAKE_LIMIT_NS;
use rustix::fd::OwnedFd;
use trygon_ids::{JobId, WorkerId};
use trygon_wire::control::{PeerConnected, PeerDied, PeerLost, TLS_NONE};
use trygon_wire::{FrameError, Kind};
use trygon_worker_core::PeerIndex;

/// What a dead process wrote may take this long after the news of its death.
const LAST_BYTES_LIMIT_NS: u64 = 1_000_000_000;
/// A cause of death after which nothing more comes: the whole machine is gone.
const NODE: &str = "node";

impl Engine {
    /// Adds a connection as the daemon describes it. One that cannot be secured is lost from the start.
    pub(crate) fn add_peer(
        &mut self,
        worker: WorkerId,
        message: &PeerConnected,
        socket: OwnedFd,
    ) -> Result<PeerIndex, FrameError> {
        if message.tls == TLS_NONE {
            return Ok(self.links.add(worker, message.connection, socket));
        }
        let job = match message.job_id.as_slice() {
            [] => self.core.identity().job,
            bytes => JobId::from_bytes(bytes).map_err(|_| FrameError::Malformed("job id"))?,
        };
        Ok(match self.credentials.secure(message.tls, worker, job) {
            Ok(tls) => {
                let until_ns = self.clock.now_ns() + HANDSHAKE_LIMIT_NS;
                self.links.add_remote(worker, message.connection, socket, tls, until_ns)
            }
            Err(reason) => {
                let index = self.links.add(worker, message.connection, socket);
                self.links.lose(index, reason);
                index
            }
        })
    }

    /// Tells the daemon of connections that broke.
    pub(crate) fn tell_lost(&mut self) {
        while let Some((index, reason)) = self.links.take_lost() {
            let peer = self.links.peer(index);
            let (worker_id, connection) = (peer.worker.as_bytes().to_vec(), peer.connection);
            self.control.send(Kind::PeerLost, &PeerLost { worker_id, connection, reason });
        }
    }

    /// Whether a death is to wait because more of what the process wrote may come. What the daemon says next waits with it, for it may say
    /// what follows from the death.
    pub(crate) fn postpones_death(&mut self, index: PeerIndex, message: &PeerDied) -> bool {
        let is_sudden = message.death.as_ref().is_none_or(|death| death.kind != NODE);
        let postpones = is_sudden && self.links.may_bring_more(index);
        if postpones {
            let (worker, until_ns) = (self.links.peer(index).worker, self.clock.now_ns() + LAST_BYTES_LIMIT_NS);
            self.known_death = Some(KnownDeath { worker, index, message: message.clone(), until_ns });
        }
        postpones
    }

    /// The death that waits no longer, or whether one still does.
    pub(crate) fn take_death(&mut self) -> Result<Option<(WorkerId, PeerDied)>, StillWaits> {
        match &self.known_death {
            None => Ok(None),
            Some(known) if self.links.may_bring_more(known.index) && self.clock.now_ns() < known.until_ns => {
                Err(StillWaits)
            }
            Some(_) => Ok(self.known_death.take().map(|known| (known.worker, known.message))),
        }
    }

    /// Looks after what a time limit is set for. True while there is such a thing.
    pub(crate) fn look_after_remotes(&mut self) -> bool {
        if self.known_death.is_some() {
            self.handle_control_frames();
        }
        let now_ns = self.clock.now_ns();
        self.links.expire_handshakes(now_ns) || self.known_death.is_some()
    }
}

/// The daemon's next words have to wait.
#[derive(Debug)]
pub(crate) struct StillWaits;

#[cfg(test)]
mod tests;
