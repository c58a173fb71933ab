//! What ends between nodes: processes, connections between them, links, and nodes.
//!
//! A connection that breaks is not a death. Who loses one tells its daemon, which asks the other process's daemon: that knows whether the
//! process is dead, and why. A worker that runs tasks for an owner that it cannot reach is ended, so that the owner hears which task was
//! begun and gets what was written for it (OWN-8); others may be connected again.

use crate::process::Part;
use crate::recorder;
use crate::service::Service;
use std::collections::BTreeMap;
use trygon_ids::{NodeId, WorkerId};
use trygon_node_core::Event;
use trygon_proto::v1::node_to_node::Body;
use trygon_proto::v1::{ConnectionLost, HeldLeases, OwnersGone, RemotePeerDied};
use trygon_wire::Kind;
use trygon_wire::control::{Death, NodeLost, PeerDied, PeerLost, TLS_CLIENT};

/// A process whose connections are gone has ended after this, if that is why they are.
const LAST_BREATH_MS: u64 = 200;
/// The cause of death of a process that may live.
const CONNECTION: &str = "connection";
/// The cause of death of a process that broke the protocol.
const PROTOCOL: &str = "protocol";

impl Service {
    /// A process here lost its connection with one elsewhere.
    pub(crate) fn on_peer_lost(&mut self, from: u64, message: &PeerLost) {
        let other = crate::translate::worker_id(&message.worker_id);
        let number = self.number_of(other);
        let Some(process) = self.processes.get_mut(&from) else {
            return;
        };
        if process.peers.get(&number) == Some(&message.connection) {
            return self.end_broken(from, number, &message.reason);
        }
        if process.remote_peers.get(&other) != Some(&message.connection) {
            return;
        }
        let own = process.id;
        let Some(node) = self.cluster.as_ref().and_then(|cluster| cluster.nodes.of_worker(other)) else {
            let message = format!("its node is not in the cluster any more; {}", message.reason);
            return self.end_remote_peer(from, other, node_death(message));
        };
        let question = ConnectionLost {
            from: own.as_bytes().to_vec(),
            to: message.worker_id.clone(),
            connection: message.connection,
            reason: message.reason.clone(),
        };
        if let Some(cluster) = &mut self.cluster {
            cluster.losses.insert((from, other), message.reason.clone());
        }
        self.tell_node(node, Body::ConnectionLost(question));
    }

    /// Between two processes of this node a connection breaks only when one of them says what no process says. That one is ended, so that
    /// everybody hears of what it had begun; not a driver, but then the other cannot go on.
    fn end_broken(&mut self, from: u64, other: u64, reason: &str) {
        let is_worker = |number| self.processes.get(&number).is_some_and(|process| process.part == Part::Worker);
        let (ended, message) = match is_worker(other) {
            true => (other, format!("another process of its job has disconnected it: {reason}")),
            false => (from, format!("it has lost its connection with the driver: {reason}")),
        };
        let worker = self.node.worker_id(ended);
        self.kill_worker(worker, PROTOCOL, message);
    }

    /// A process elsewhere lost its connection with one here.
    pub(crate) fn on_connection_lost(&mut self, node: NodeId, message: &ConnectionLost) {
        let (from, to) = (crate::translate::worker_id(&message.from), crate::translate::worker_id(&message.to));
        let number = self.number_of(to);
        let Some(process) = self.processes.get_mut(&number) else {
            let death = self.graveyard.cause(number);
            return self.tell_of_death(node, from, unrecorded(message.to.clone(), death));
        };
        let is_current = process.remote_peers.get(&from) == Some(&message.connection);
        if is_current && self.node.is_leased_to(to, from) {
            // Its owner hears of its end, with what it left. Most connections break because a process ended: then it has its own cause.
            let message = format!("the connection with the owner of what it ran broke: {}", message.reason);
            let at_ms = self.now_ms() + LAST_BREATH_MS;
            if let Some(cluster) = &mut self.cluster {
                cluster.unreached.push((at_ms, to, message));
            }
            return;
        }
        if is_current && !self.node.foreign_leases(to, from).is_empty() {
            // The other side is the worker: it is ended by this question.
            let question = ConnectionLost { from: message.to.clone(), to: message.from.clone(), ..message.clone() };
            return self.tell_node(node, Body::ConnectionLost(question));
        }
        let at_ms = self.now_ms() + LAST_BREATH_MS;
        match self.cluster.as_mut().filter(|_| is_current) {
            // What an actor had begun and left is told with its own death only.
            Some(cluster) => cluster.questions.push((at_ms, node, message.clone())),
            None => self.tell_of_connection(node, message),
        }
    }

    /// Both processes live as far as is known: they are not connected any more, and hear it.
    fn tell_of_connection(&mut self, node: NodeId, message: &ConnectionLost) {
        let (from, to) = (crate::translate::worker_id(&message.from), crate::translate::worker_id(&message.to));
        let death = connection_death(&message.reason);
        self.tell_of_death(node, from, unrecorded(message.to.clone(), death.clone()));
        let number = self.number_of(to);
        let connection = self.processes.get(&number).and_then(|process| process.remote_peers.get(&from));
        if connection == Some(&message.connection) {
            self.end_remote_peer(number, from, death);
        }
    }

    /// Connections whose processes have not ended meanwhile. Of those that have, the other node was told.
    pub(crate) fn on_questions_deadline(&mut self) {
        let now_ms = self.now_ms();
        let Some(cluster) = &mut self.cluster else {
            return;
        };
        let (due, others) =
            std::mem::take(&mut cluster.questions).into_iter().partition(|(at_ms, ..)| *at_ms <= now_ms);
        cluster.questions = others;
        let due: Vec<(u64, NodeId, ConnectionLost)> = due;
        for (_, node, message) in due {
            if self.processes.contains_key(&self.number_of(crate::translate::worker_id(&message.to))) {
                self.tell_of_connection(node, &message);
            }
        }
    }

    fn tell_of_death(&mut self, node: NodeId, to: WorkerId, died: PeerDied) {
        self.tell_node(node, Body::PeerDied(RemotePeerDied { to: to.as_bytes().to_vec(), died: Some(died) }));
    }

    /// A process of another node is dead, or not connected any more.
    pub(crate) fn on_remote_peer_died(&mut self, node: NodeId, message: RemotePeerDied) {
        let Some(died) = message.died else {
            return;
        };
        let other = crate::translate::worker_id(&died.worker_id);
        let is_theirs = self.cluster.as_ref().is_some_and(|cluster| cluster.nodes.of_worker(other) == Some(node));
        if !is_theirs {
            return;
        }
        let number = self.number_of(crate::translate::worker_id(&message.to));
        let is_dead = died.death.as_ref().is_none_or(|death| death.kind != CONNECTION);
        self.tell_remote_death(number, other, &died);
        if is_dead {
            self.on_foreign_death(None, &[other]);
            self.node_step(Event::OwnersLost { owners: vec![other] });
        }
    }

    /// Tells a process here that one elsewhere is not connected any more.
    fn end_remote_peer(&mut self, number: u64, other: WorkerId, death: Death) {
        self.tell_remote_death(number, other, &unrecorded(other.as_bytes().to_vec(), death));
    }

    fn tell_remote_death(&mut self, number: u64, other: WorkerId, died: &PeerDied) {
        // Who waits for the connection gets one that is closed, and what came with it, before the news.
        self.finish_connection(number, other, TLS_CLIENT, None);
        if let Some(cluster) = &mut self.cluster {
            cluster.losses.remove(&(number, other));
        }
        let own = self.node.worker_id(number);
        let is_alive = died.death.as_ref().is_some_and(|death| death.kind == CONNECTION);
        if let Some(process) = self.processes.get_mut(&number) {
            let connection = process.remote_peers.remove(&other);
            if let Some(connection) = connection.filter(|_| is_alive) {
                process.lost_connections.insert(other, connection);
            }
            self.send(number, Kind::PeerDied, died);
        }
        for lease in self.node.foreign_leases(own, other) {
            self.node_step(Event::LeaseReturned { owner: own, lease, worker_exiting: true });
        }
    }

    /// OWN-8 for peers on other nodes of a process here that is dead.
    pub(crate) fn tell_remote_peers(
        &mut self,
        worker: WorkerId,
        peers: &BTreeMap<WorkerId, u64>,
        record: &[u8],
        death: &Death,
    ) {
        for (peer, connection) in peers {
            let Some(node) = self.cluster.as_ref().and_then(|cluster| cluster.nodes.of_worker(*peer)) else {
                continue;
            };
            self.tell_of_death(node, *peer, recorder::last_words(worker, *connection, record, death));
        }
        let number = self.number_of(worker);
        if let Some(cluster) = &mut self.cluster {
            cluster.pending.retain(|(of, _), _| *of != number);
            cluster.losses.retain(|(of, _), _| *of != number);
        }
    }

    /// Owners of another node are dead.
    pub(crate) fn on_owners_gone(&mut self, node: NodeId, message: &OwnersGone) {
        let of_node = |owner: &WorkerId| {
            self.cluster.as_ref().is_some_and(|cluster| cluster.nodes.of_worker(*owner) == Some(node))
        };
        let owners: Vec<WorkerId> =
            message.owners.iter().map(|owner| crate::translate::worker_id(owner)).filter(of_node).collect();
        self.on_foreign_death(None, &owners);
        self.node_step(Event::OwnersLost { owners });
    }

    /// Messages to or from a node were lost. The node may live.
    pub(crate) fn on_node_unreachable(&mut self, node: NodeId, reason: &str) {
        let Some(cluster) = &self.cluster else {
            return;
        };
        if cluster.nodes.get(node).is_none() {
            return;
        }
        let of_node = |other: &WorkerId| cluster.nodes.of_worker(*other) == Some(node);
        let pending: Vec<_> = cluster.pending.keys().filter(|(_, other)| of_node(other)).copied().collect();
        let losses: Vec<_> = cluster.losses.iter().filter(|((_, other), _)| of_node(other)).collect();
        let losses: Vec<_> = losses.into_iter().map(|(key, reason)| (*key, reason.clone())).collect();
        // Connections on which nobody has said anything since look whole for as long as the machine's patience lasts.
        let silent: Vec<(u64, WorkerId)> = (self.processes.iter())
            .flat_map(|(number, process)| process.remote_peers.keys().map(|other| (*number, *other)))
            .filter(|(_, other)| of_node(other))
            .collect();
        if let Some(cluster) = &mut self.cluster {
            cluster.watched.remove(&node);
        }
        self.log(&format!("node {node} cannot be reached: {reason}"));
        self.node_step(Event::LinkLost { node });
        for (number, other) in pending {
            self.finish_connection(number, other, TLS_CLIENT, None);
        }
        for ((number, other), reason) in losses {
            self.end_remote_peer(number, other, connection_death(&reason));
        }
        for (number, other) in silent {
            self.end_remote_peer(number, other, connection_death(&format!("its node cannot be reached: {reason}")));
        }
        self.tell_held_leases(node);
    }

    fn tell_held_leases(&mut self, node: NodeId) {
        let leases = self.node.leases_from(node);
        self.tell_node(node, Body::Held(HeldLeases { leases }));
    }

    /// A node is dead: with it its processes, and what they owned or held here.
    pub(crate) fn on_node_dead(&mut self, node: NodeId, reason: &str) {
        let Some(cluster) = &mut self.cluster else {
            return;
        };
        let is_theirs = |nodes: &crate::cluster::nodes::Nodes, other: WorkerId| nodes.of_worker(other) == Some(node);
        let mut lost: Vec<(u64, WorkerId)> =
            cluster.pending.keys().copied().filter(|(_, other)| is_theirs(&cluster.nodes, *other)).collect();
        for (number, process) in &self.processes {
            let theirs = process.remote_peers.keys().filter(|other| is_theirs(&cluster.nodes, **other));
            lost.extend(theirs.map(|other| (*number, *other)));
        }
        let Some(known) = cluster.nodes.remove(node) else {
            return;
        };
        cluster.leaving.note(node, false, 0);
        self.log(&format!("node {node} at {} is dead: {reason}", known.address));
        let message = format!("it lay on node {node} at {}, which is dead: {reason}", known.address);
        let notice = NodeLost { node_number: known.number, message };
        let numbers: Vec<u64> = self.processes.keys().copied().collect();
        for number in numbers {
            // Before the news of its processes: what is sent elsewhere because of them is not to look for anything there.
            self.send(number, Kind::NodeLost, &notice);
        }
        let death = node_death(format!("its node {node} at {} is dead: {reason}", known.address));
        for (number, other) in lost {
            self.end_remote_peer(number, other, death.clone());
        }
        self.on_foreign_death(Some(known.number), &[]);
        self.node_step(Event::NodeLost { node });
    }

    /// Workers whose owners cannot be reached are ended, if they have not ended by themselves.
    pub(crate) fn on_unreached_deadline(&mut self) {
        let now_ms = self.now_ms();
        let Some(cluster) = &mut self.cluster else {
            return;
        };
        let (due, others) =
            std::mem::take(&mut cluster.unreached).into_iter().partition(|(at_ms, ..)| *at_ms <= now_ms);
        cluster.unreached = others;
        let due: Vec<(u64, WorkerId, String)> = due;
        for (_, worker, message) in due {
            self.kill_worker(worker, CONNECTION, message);
        }
    }

    /// Connections that did not come to be in time.
    pub(crate) fn on_connections_deadline(&mut self) {
        let now_ms = self.now_ms();
        let Some(cluster) = &self.cluster else {
            return;
        };
        let over: Vec<(u64, WorkerId)> =
            cluster.pending.iter().filter(|(_, pending)| pending.until_ms <= now_ms).map(|(key, _)| *key).collect();
        for (number, other) in over {
            self.finish_connection(number, other, TLS_CLIENT, None);
        }
    }
}

/// The end of a process, or of the connection with it, of whose record nothing is known here.
fn unrecorded(worker_id: Vec<u8>, death: Death) -> PeerDied {
    PeerDied { worker_id, death: Some(death), unrecorded: true, ..PeerDied::default() }
}

fn node_death(message: String) -> Death {
    Death { kind: "node".to_owned(), message, ..Death::default() }
}

fn connection_death(reason: &str) -> Death {
    Death {
        kind: CONNECTION.to_owned(),
        message: format!("the connection with it broke: {reason}"),
        ..Death::default()
    }
}
