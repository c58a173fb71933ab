//! What comes from the network thread.

use crate::cluster::draining::Draining;
use crate::poller::Role;
use crate::service::Service;
use std::io;
use trygon_cluster::Incoming;
use trygon_rpc::{Preamble, Purpose};

use crate::cluster::state::NETWORK;

impl Service {
    /// Has the loop woken up by the network thread.
    pub(crate) fn watch_network(&self) -> io::Result<()> {
        match &self.cluster {
            Some(cluster) => Ok(self.poller.add(cluster.network.event_fd(), NETWORK, Role::Control)?),
            None => Ok(()),
        }
    }

    /// The network thread has something.
    pub(crate) fn on_network(&mut self) {
        let mut incoming = Vec::new();
        if let Some(cluster) = &self.cluster {
            cluster.network.receive(&mut incoming);
        }
        for message in incoming {
            match message {
                Incoming::FromHead(message) => self.on_head_says(*message),
                Incoming::HeadLost { reason } => self.on_head_lost(&reason),
                Incoming::HeadBack { connection } => self.on_head_back(connection),
                Incoming::LeaseUnanswered => self.on_lease_unanswered(),
                Incoming::HeadDown => self.on_head_down(),
                Incoming::LeaseLost { reason } => self.on_given_up(&reason, false),
                Incoming::FromNode { node, message } => self.on_node_message(node, *message),
                Incoming::NodeUnreachable { node, reason } => self.on_node_unreachable(node, &reason),
                Incoming::Accepted { preamble, socket, .. } => self.on_accepted(&preamble, socket),
                Incoming::Dialed { token, result } => self.on_dialed(token, result),
                Incoming::Joined(Ok(joined)) => self.log(&format!("node {} has joined", joined.node)),
                Incoming::Joined(Err(error)) => self.log(&format!("a machine did not join: {error}")),
            }
        }
    }

    fn on_accepted(&mut self, preamble: &Preamble, socket: std::os::fd::OwnedFd) {
        match preamble.purpose {
            Purpose::Control => self.pass_to_control(preamble, &socket),
            Purpose::Peer => self.on_peer_accepted(preamble, socket),
            Purpose::Object => self.on_object_stream(preamble, socket),
            // The network thread itself takes the others.
            Purpose::Join | Purpose::Node | Purpose::Lease => {}
        }
    }

    /// When this part of the daemon has something to do.
    pub(crate) fn cluster_deadline_ms(&self) -> Option<u64> {
        let cluster = self.cluster.as_ref()?;
        let pending = cluster.pending.values().map(|pending| pending.until_ms).min();
        let unreached = cluster.unreached.iter().map(|(at_ms, ..)| *at_ms).min();
        let questions = cluster.questions.iter().map(|(at_ms, ..)| *at_ms).min();
        let asks = cluster.early_asks.iter().map(|early| early.until_ms).min();
        let control = cluster.control.as_ref().and_then(|control| control.starts_ms);
        let starter = self.session.as_ref().and_then(|session| session.starter.as_ref());
        let starter = starter.map(|starter| starter.until_ms);
        let logs = cluster.log_room.retry_ms;
        let watched = cluster.watched.values().copied().min();
        let drain = cluster.draining.as_ref().and_then(Draining::deadline_ms);
        [
            pending,
            unreached,
            questions,
            asks,
            control,
            starter,
            logs,
            drain,
            watched,
            cluster.leaving.deadline_ms(),
            cluster.gives_up_ms,
            Some(cluster.certificates_ms),
        ]
        .into_iter()
        .flatten()
        .min()
    }

    /// Does what is due.
    pub(crate) fn on_cluster_deadline(&mut self) {
        if self.cluster.is_none() {
            return;
        }
        self.on_connections_deadline();
        self.on_unreached_deadline();
        self.on_questions_deadline();
        self.on_watch_deadline();
        self.on_early_asks_deadline();
        self.on_control_deadline();
        self.on_starter_deadline();
        self.on_head_given_up();
        self.on_certificates_deadline();
        self.on_logs_deadline();
        self.on_drain_deadline();
        self.on_leaving_deadline();
    }
}
