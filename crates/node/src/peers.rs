//! Connections between two processes: made here, one end to each side.

use crate::service::Service;
use crate::translate::worker_id;
use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};
use trygon_wire::Kind;
use trygon_wire::control::{ConnectPeer, PeerConnected, PeerDied};

impl Service {
    /// A process asks to be connected with another.
    pub(crate) fn on_connect_peer(&mut self, from: u64, message: ConnectPeer) {
        let worker = worker_id(&message.worker_id);
        if self.is_elsewhere(worker) {
            return self.on_connect_far(from, worker, message);
        }
        let other = self.number_of(worker);
        let Some(process) = self.processes.get(&other).filter(|_| other != from) else {
            let death = Some(self.graveyard.cause(other));
            self.send(from, Kind::PeerDied, &PeerDied { worker_id: message.worker_id, death, ..PeerDied::default() });
            return;
        };
        if let Some(connection) = process.peers.get(&from) {
            let incarnation = process.incarnation.to_vec();
            let connection = *connection;
            let answer = PeerConnected {
                worker_id: message.worker_id,
                incarnation,
                connection,
                already: true,
                ..PeerConnected::default()
            };
            self.send(from, Kind::PeerConnected, &answer);
            return;
        }
        self.connect(from, other);
    }

    /// Connects two processes unless they are. A process is not connected with itself.
    pub(crate) fn connect(&mut self, left: u64, right: u64) {
        let known = self.processes.get(&left).is_none_or(|process| process.peers.contains_key(&right));
        if left == right || known || !self.processes.contains_key(&right) {
            return;
        }
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let (left_end, right_end) = match socketpair(AddressFamily::UNIX, SocketType::STREAM, flags, None) {
            Ok(ends) => ends,
            Err(error) => {
                return self.say(format!("two processes could not be connected: {error}"));
            }
        };
        let connection = self.next_connection;
        self.next_connection += 1;
        for (number, other, end) in [(left, right, left_end), (right, left, right_end)] {
            let Some(peer) = self.processes.get(&other) else {
                continue;
            };
            let (id, incarnation) = (peer.id.as_bytes().to_vec(), peer.incarnation.to_vec());
            let message = PeerConnected { worker_id: id, incarnation, connection, ..PeerConnected::default() };
            self.send_with(number, Kind::PeerConnected, &message, vec![end]);
            if let Some(process) = self.processes.get_mut(&number) {
                process.peers.insert(other, connection);
            }
        }
    }
}
