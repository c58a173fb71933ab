//! Connections between a process here and one of another node.
//!
//! Of two processes the one with the lower id has its daemon connect: two connections between the same two cannot come to be. The other
//! one's daemon asks for it. What a process must not hear before it is connected waits in `pending`.

use crate::cluster::nodes::incarnation;
use crate::cluster::pending::{Pending, Then};
use crate::service::Service;
use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};
use std::io;
use std::os::fd::OwnedFd;
use trygon_cluster::Outgoing;
use trygon_ids::{JobId, NodeId, WorkerId};
use trygon_proto::v1::node_to_node::Body;
use trygon_proto::v1::{ConnectProcesses, RemotePeerDied};
use trygon_rpc::Preamble;
use trygon_wire::Kind;
use trygon_wire::control::{
    ActorUpdate, ConnectPeer, LeaseGranted, LeaseRevoke, PeerConnected, PeerDied, TLS_CLIENT, TLS_SERVER,
};

/// A connection must be there after this, or it counts as broken.
const PATIENCE_MS: u64 = 10_000;

impl Service {
    /// Whether a process belongs to another node.
    pub(crate) fn is_elsewhere(&self, worker: WorkerId) -> bool {
        self.cluster.is_some() && self.number_of(worker) == u64::MAX
    }

    /// Tells an owner of a lease; it is connected with the worker first.
    pub(crate) fn send_granted(&mut self, owner: u64, worker: WorkerId, granted: LeaseGranted) {
        if self.is_elsewhere(worker) {
            let job = self.job_of(owner);
            return self.connect_then(owner, worker, job, Some(Then::Granted(granted)));
        }
        self.connect(owner, self.number_of(worker));
        self.send(owner, Kind::LeaseGranted, &granted);
    }

    /// Asks an owner for a lease, not before it knows of it.
    pub(crate) fn send_revoke(&mut self, owner: u64, lease_id: u64) {
        let revoke = LeaseRevoke { lease_id };
        if let Some(pending) = self.pending_of(owner, |pending| pending.holds_lease(lease_id)) {
            return pending.then.push(Then::Revoke(revoke));
        }
        self.send(owner, Kind::LeaseRevoke, &revoke);
    }

    /// Tells a process how an actor is. When the actor lives, the two are connected first.
    pub(crate) fn send_actor_update(&mut self, watcher: u64, update: ActorUpdate) {
        let actor = crate::translate::actor_id(&update.actor_id);
        let worker = crate::translate::worker_id(&update.worker_id);
        if !update.worker_id.is_empty() && self.is_elsewhere(worker) {
            // An actor's job is in its id.
            return self.connect_then(watcher, worker, actor.job_id(), Some(Then::Actor(update)));
        }
        if let Some(pending) = self.pending_of(watcher, |pending: &Pending| pending.holds_actor(actor)) {
            return pending.then.push(Then::Actor(update));
        }
        if !update.worker_id.is_empty() {
            self.connect(watcher, self.number_of(worker));
        }
        self.send(watcher, Kind::ActorUpdate, &update);
    }

    /// A process asks to be connected with one of another node.
    pub(crate) fn on_connect_far(&mut self, from: u64, other: WorkerId, message: ConnectPeer) {
        let Some(process) = self.processes.get(&from) else {
            return;
        };
        let Some(connection) = process.remote_peers.get(&other).copied() else {
            return self.connect_then(from, other, process.job, None);
        };
        let node = self.cluster.as_ref().and_then(|cluster| cluster.nodes.of_worker(other));
        let incarnation = incarnation(node.unwrap_or(NodeId::nil()), other);
        let worker_id = message.worker_id;
        let answer = PeerConnected { worker_id, incarnation, connection, already: true, ..PeerConnected::default() };
        self.send(from, Kind::PeerConnected, &answer);
    }

    fn pending_of(&mut self, number: u64, which: impl Fn(&Pending) -> bool) -> Option<&mut Pending> {
        let pending = &mut self.cluster.as_mut()?.pending;
        let mut of_process = pending.range_mut((number, WorkerId::nil())..).take_while(|((of, _), _)| *of == number);
        of_process.find(|(_, pending)| which(pending)).map(|(_, pending)| pending)
    }

    /// Connects a process here with one elsewhere, and then tells it something.
    pub(crate) fn connect_then(&mut self, number: u64, other: WorkerId, job: JobId, then: Option<Then>) {
        let now_ms = self.now_ms();
        let Some(process) = self.processes.get(&number) else {
            return;
        };
        if process.remote_peers.contains_key(&other) {
            return then.into_iter().for_each(|then| self.send_then(number, then));
        }
        let Some(cluster) = &mut self.cluster else {
            return;
        };
        let pending = cluster.pending.entry((number, other)).or_insert_with(|| Pending {
            job,
            connection: 0,
            is_begun: false,
            until_ms: now_ms + PATIENCE_MS,
            then: Vec::new(),
        });
        pending.then.extend(then);
        self.begin_connection(number, other);
    }

    /// Does what there is to do towards a connection, if its node is known.
    pub(crate) fn begin_connection(&mut self, number: u64, other: WorkerId) {
        let connection = self.next_connection;
        let (own, own_job) = (self.node.worker_id(number), self.job_of(number));
        let lost = self.processes.get(&number).and_then(|process| process.lost_connections.get(&other).copied());
        let lost = lost.unwrap_or(0);
        let Some(cluster) = &mut self.cluster else {
            return;
        };
        let Some(node) = cluster.nodes.of_worker(other) else {
            return;
        };
        let Some(pending) = cluster.pending.get_mut(&(number, other)).filter(|pending| !pending.is_begun) else {
            return;
        };
        pending.is_begun = true;
        if own < other {
            pending.connection = connection;
            self.next_connection += 1;
            let token = cluster.next_token;
            cluster.next_token += 1;
            cluster.dials.insert(token, (number, other));
            let address = cluster.nodes.get(node).map(|known| known.address.clone()).unwrap_or_default();
            let preamble = Preamble::between_processes(other, own, connection, own_job);
            cluster.network.send(Outgoing::Dial { token, address, preamble });
        } else {
            let message = ConnectProcesses {
                from: own.as_bytes().to_vec(),
                to: other.as_bytes().to_vec(),
                job_id: own_job.as_bytes().to_vec(),
                lost,
            };
            self.tell_node(node, Body::Connect(message));
        }
    }

    /// A process of another node asks for a connection with one here, which is this side's to make.
    pub(crate) fn on_connect_processes(&mut self, node: NodeId, message: &ConnectProcesses) {
        let (from, to) = (crate::translate::worker_id(&message.from), crate::translate::worker_id(&message.to));
        let number = self.number_of(to);
        let is_theirs = self.cluster.as_ref().is_some_and(|cluster| cluster.nodes.of_worker(from) == Some(node));
        if !is_theirs {
            return;
        }
        let Some(process) = self.processes.get_mut(&number) else {
            let death = Some(self.graveyard.cause(number));
            let died = PeerDied { worker_id: message.to.clone(), death, ..PeerDied::default() };
            let died = RemotePeerDied { to: message.from.clone(), died: Some(died) };
            return self.tell_node(node, Body::PeerDied(died));
        };
        match process.remote_peers.get(&from) {
            // Both asked at the same time: this side's is on its way there.
            Some(connection) if *connection != message.lost => return,
            _ => process.remote_peers.remove(&from),
        };
        let job = JobId::from_bytes(&message.job_id).unwrap_or(JobId::nil());
        self.connect_then(number, from, job, None);
    }

    /// The network thread has connected, or could not.
    pub(crate) fn on_dialed(&mut self, token: u64, result: io::Result<OwnedFd>) {
        let Some((number, other)) = self.cluster.as_mut().and_then(|cluster| cluster.dials.remove(&token)) else {
            return;
        };
        match result {
            Ok(socket) => self.finish_connection(number, other, TLS_CLIENT, Some(socket)),
            Err(_) => self.finish_connection(number, other, TLS_CLIENT, None),
        }
    }

    /// A process of another node connects with one here. Who it is shows in the TLS handshake, which the process here does.
    pub(crate) fn on_peer_accepted(&mut self, preamble: &Preamble, socket: OwnedFd) {
        let (target, source) = (WorkerId::new(preamble.target), WorkerId::new(preamble.source));
        let number = self.number_of(target);
        let is_known = self.cluster.as_ref().is_some_and(|cluster| cluster.nodes.of_worker(source).is_some());
        // The connection is closed where nobody is meant: the other side asks its daemon why.
        let Some(process) = self.processes.get(&number).filter(|_| is_known && source < target) else {
            return;
        };
        if rustix::io::ioctl_fionbio(&socket, true).is_err() || process.remote_peers.contains_key(&source) {
            return;
        }
        let pending = self.cluster.as_mut().and_then(|cluster| cluster.pending.remove(&(number, source)));
        let then = pending.map(|pending| pending.then).unwrap_or_default();
        self.hand_over(number, source, preamble.connection, (TLS_SERVER, preamble.job), socket);
        then.into_iter().for_each(|then| self.send_then(number, then));
    }

    /// A connection that this side was to make is there, or will not be: then the process is given one that is closed already, so that it
    /// learns of the connection's end as of any other.
    pub(crate) fn finish_connection(&mut self, number: u64, other: WorkerId, tls: u32, socket: Option<OwnedFd>) {
        let Some(pending) = self.cluster.as_mut().and_then(|cluster| cluster.pending.remove(&(number, other))) else {
            return;
        };
        let connection = if pending.connection == 0 { self.take_connection() } else { pending.connection };
        if let Some(socket) = socket.or_else(closed_socket) {
            self.hand_over(number, other, connection, (tls, pending.job), socket);
        }
        pending.then.into_iter().for_each(|then| self.send_then(number, then));
    }

    fn take_connection(&mut self) -> u64 {
        self.next_connection += 1;
        self.next_connection - 1
    }

    fn hand_over(&mut self, number: u64, other: WorkerId, connection: u64, (tls, job): (u32, JobId), socket: OwnedFd) {
        let node = self.cluster.as_ref().and_then(|cluster| cluster.nodes.of_worker(other));
        let message = PeerConnected {
            worker_id: other.as_bytes().to_vec(),
            incarnation: incarnation(node.unwrap_or(NodeId::nil()), other),
            connection,
            already: false,
            tls,
            job_id: if job == self.job_of(number) { Vec::new() } else { job.as_bytes().to_vec() },
        };
        if let Some(process) = self.processes.get_mut(&number) {
            process.remote_peers.insert(other, connection);
        }
        self.send_with(number, Kind::PeerConnected, &message, vec![socket]);
        if let Some(node) = node {
            self.watch_link(node);
        }
    }

    fn send_then(&mut self, number: u64, then: Then) {
        match then {
            Then::Granted(message) => self.send(number, Kind::LeaseGranted, &message),
            Then::Revoke(message) => self.send(number, Kind::LeaseRevoke, &message),
            Then::Actor(message) => self.send(number, Kind::ActorUpdate, &message),
        }
    }

    /// Other nodes became known: what waits for them goes on.
    pub(crate) fn begin_connections(&mut self) {
        let waiting: Vec<(u64, WorkerId)> = match &self.cluster {
            Some(cluster) => {
                cluster.pending.iter().filter(|(_, pending)| !pending.is_begun).map(|(key, _)| *key).collect()
            }
            None => return,
        };
        waiting.into_iter().for_each(|(number, other)| self.begin_connection(number, other));
    }
}

/// One end of a connection whose other end is closed.
fn closed_socket() -> Option<OwnedFd> {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    socketpair(AddressFamily::UNIX, SocketType::STREAM, flags, None).ok().map(|(ours, _)| ours)
}
