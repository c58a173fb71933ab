//! The network thread's main task: hands what the loop sends to the links, and what comes to the port to whom it is for.

use std::collections::BTreeMap;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use parking_lot::Mutex;
use prost::Message;
use tokio::sync::mpsc;
use tokio::time::{sleep, timeout};
use trygon_ids::NodeId;
use trygon_proto::v1::{NodeToHead, NodeToNode};
use trygon_rpc::Preamble;

use crate::accept::Door;
use crate::connection::dial;
use crate::head::HeadLink;
use crate::kinds::start_task;
use crate::link::Link;
use crate::message::{Incoming, Outgoing};
use crate::options::JoinDesk;
use crate::sessions::Sessions;
use crate::shared::Shared;

/// How often a network that stops looks whether its last messages have gone.
const FAREWELL_STEP: Duration = Duration::from_millis(5);

pub(crate) struct Supervisor {
    shared: Arc<Shared>,
    sessions: Arc<Mutex<Sessions>>,
    head: HeadLink,
    links: BTreeMap<NodeId, Link>,
    door: Door,
}

impl Supervisor {
    /// Runs until the outbox is stopped.
    pub(crate) async fn run(
        shared: Arc<Shared>,
        join_desk: Option<JoinDesk>,
        mut accepted: mpsc::Receiver<trygon_rpc::Incoming>,
    ) {
        let sessions = Arc::new(Mutex::new(Sessions::default()));
        let door = Door::new(shared.clone(), sessions.clone(), join_desk);
        let head = HeadLink::start(&shared);
        let mut supervisor = Self { shared: shared.clone(), sessions, head, links: BTreeMap::new(), door };
        let mut batch = Vec::new();
        loop {
            tokio::select! {
                is_running = shared.outbox.take(&mut batch) => {
                    batch.drain(..).for_each(|message| supervisor.send(message));
                    if !is_running {
                        break;
                    }
                }
                Some(incoming) = accepted.recv() => supervisor.door.enter(incoming),
            }
        }
        supervisor.say_farewell().await;
    }

    fn send(&mut self, message: Outgoing) {
        match message {
            Outgoing::ToHead(message) => self.tell_head(&message),
            Outgoing::Register { connection, message } => {
                self.head.register(connection, Bytes::from(message.encode_to_vec()));
            }
            Outgoing::ToNode { node, message } => self.tell_node(node, &message),
            Outgoing::Dial { token, address, preamble } => self.dial(token, address, preamble),
            Outgoing::Addresses(addresses) => {
                self.links.retain(|node, _| addresses.contains_key(node));
                self.sessions.lock().keep(|node| addresses.contains_key(node));
                self.shared.set_addresses(addresses);
            }
            Outgoing::Renew(identity) => self.shared.renew(identity),
        }
    }

    fn tell_head(&mut self, message: &NodeToHead) {
        let limits = &self.shared.limits;
        let message = Bytes::from(message.encode_to_vec());
        let too_long = message.len() > limits.message_bytes;
        if too_long || self.head.push(message) > limits.queue_bytes {
            let reason = format!("the head did not take {} bytes that wait for it", limits.queue_bytes);
            let reason = if too_long { "a message for the head is too long".to_owned() } else { reason };
            self.head = HeadLink::start(&self.shared);
            self.shared.inbox.put(Incoming::HeadLost { reason }, 0);
        }
    }

    fn tell_node(&mut self, node: NodeId, message: &NodeToNode) {
        let limits = &self.shared.limits;
        let link = self.links.entry(node).or_insert_with(|| Link::start(&self.shared, node));
        let message = Bytes::from(message.encode_to_vec());
        let too_long = message.len() > limits.message_bytes;
        if too_long || link.push(message) > limits.queue_bytes {
            let reason = format!("it did not take {} bytes that wait for it", limits.queue_bytes);
            let reason = if too_long { "a message for it is too long".to_owned() } else { reason };
            self.links.remove(&node);
            self.shared.report_unreachable(node, reason);
        }
    }

    fn dial(&self, token: u64, address: String, preamble: Preamble) {
        let shared = self.shared.clone();
        start_task(async move {
            let dialled = dial(&address, &preamble, shared.limits.connect).await;
            let result = dialled.and_then(|stream| stream.into_std()).map(OwnedFd::from);
            shared.inbox.put(Incoming::Dialed { token, result }, 0);
        });
    }

    /// Lets the last messages go, for a moment.
    async fn say_farewell(self) {
        self.head.close();
        self.links.values().for_each(Link::close);
        let gone = async {
            while !(self.head.is_closed() && self.links.values().all(Link::is_empty)) {
                sleep(FAREWELL_STEP).await;
            }
        };
        // What takes longer is lost, as if the node had been killed.
        let _ = timeout(self.shared.limits.farewell, gone).await;
    }
}
