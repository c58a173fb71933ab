//! One machine: the node that its daemon is at present, its clock, and the lives of actors that run there.

use crate::scale::answers;
use std::collections::BTreeMap;
use trygon_ids::{ActorId, NodeId, WorkerId};
use trygon_node_core::{OwnLease, OwnLeaseDefects};
use trygon_proto::v1::head_to_node::Body as ToNode;
use trygon_proto::v1::node_to_head::Body;
use trygon_proto::v1::{ActorPlaced, RegisterNode};

/// One life of an actor.
#[derive(Debug, Clone)]
pub(crate) struct Life {
    pub(crate) incarnation: u32,
    pub(crate) worker: WorkerId,
    /// It takes calls.
    pub(crate) is_begun: bool,
}

/// NODE-3: how long a machine holds on while nobody listens at the head's address.
pub(crate) const HOLDS_MS: u64 = 8_000;

pub(crate) struct Machine {
    place: usize,
    /// Counts the nodes that the daemon was.
    pub(crate) turn: u32,
    pub(crate) node: NodeId,
    pub(crate) number: u32,
    pub(crate) lease: OwnLease,
    pub(crate) stream: Option<u64>,
    pub(crate) lives: BTreeMap<ActorId, Life>,
    /// Whether the daemon runs: not for a moment after it was killed.
    pub(crate) is_up: bool,
    /// Nothing of the machine runs before.
    pub(crate) paused_until_ms: u64,
    /// Messages in either direction are lost before.
    pub(crate) deaf_until_ms: u64,
    pub(crate) mute_until_ms: u64,
    /// It looks for the head where that is not any more before.
    pub(crate) strays_until_ms: u64,
    /// Thousandths by which its clock is faster, and what it is ahead.
    pub(crate) faster: i64,
    pub(crate) ahead_ms: u64,
    workers: u64,
    defects: OwnLeaseDefects,
}

impl Machine {
    pub(crate) fn new(place: usize, faster: i64, defects: OwnLeaseDefects) -> Self {
        let mut machine = Self {
            place,
            turn: 0,
            node: NodeId::new([0; NodeId::LEN]),
            number: 0,
            lease: OwnLease::default(),
            stream: None,
            lives: BTreeMap::new(),
            is_up: true,
            paused_until_ms: 0,
            deaf_until_ms: 0,
            mute_until_ms: 0,
            strays_until_ms: 0,
            faster,
            ahead_ms: 0,
            workers: 0,
            defects,
        };
        machine.begin();
        machine
    }

    /// Everything of the old node is gone; the daemon is another one.
    pub(crate) fn begin(&mut self) {
        self.turn += 1;
        let mut bytes = [9; NodeId::LEN];
        bytes[..8].copy_from_slice(&(self.place as u64).to_be_bytes());
        bytes[8..12].copy_from_slice(&self.turn.to_be_bytes());
        self.node = NodeId::new(bytes);
        self.number = 0;
        self.lease = OwnLease::with_defects(self.defects);
        self.stream = None;
        self.lives.clear();
        self.is_up = true;
    }

    /// Its own clock.
    pub(crate) fn clock_ms(&self, now_ms: u64) -> u64 {
        let drift = now_ms as i64 * self.faster / 1_000;
        now_ms.saturating_add_signed(drift) + self.ahead_ms
    }

    pub(crate) fn is_frozen(&self, now_ms: u64) -> bool {
        self.paused_until_ms > now_ms
    }

    pub(crate) fn hears(&self, now_ms: u64) -> bool {
        self.deaf_until_ms <= now_ms
    }

    pub(crate) fn is_heard(&self, now_ms: u64) -> bool {
        self.mute_until_ms <= now_ms
    }

    pub(crate) fn registration(&self) -> Body {
        let actors = self.lives.iter().map(|(actor, life)| ActorPlaced {
            actor_id: actor.as_bytes().to_vec(),
            incarnation: life.incarnation,
            worker_id: life.worker.as_bytes().to_vec(),
            pid: 1,
        });
        let starting = self.lives.iter().filter(|(_, life)| !life.is_begun).map(|(actor, _)| actor.as_bytes().to_vec());
        let mut first = Machine::first(self.place);
        first[8..12].copy_from_slice(&1_u32.to_be_bytes());
        Body::Register(RegisterNode {
            node_id: self.node.as_bytes().to_vec(),
            address: format!("10.0.0.{}:6380", self.place + 1),
            hostname: format!("machine-{}", self.place),
            resources: [("CPU".to_owned(), 64.0)].into(),
            known_number: self.number,
            actors: actors.collect(),
            starting: starting.collect(),
            processes: self.lives.values().map(|life| life.worker.as_bytes().to_vec()).collect(),
            first_id: first.to_vec(),
            ..RegisterNode::default()
        })
    }

    fn first(place: usize) -> [u8; NodeId::LEN] {
        let mut bytes = [9; NodeId::LEN];
        bytes[..8].copy_from_slice(&(place as u64).to_be_bytes());
        bytes
    }

    /// What the head says. The answers, and the life that begins, if one does. `None`: the node is not of the cluster any more.
    pub(crate) fn hear(&mut self, body: ToNode, said: &mut Vec<Body>) -> Option<Option<ActorId>> {
        match body {
            ToNode::Registered(registered) => {
                self.number = registered.node_number;
                self.lease.hold(HOLDS_MS);
            }
            ToNode::GivenUp(_) => return None,
            ToNode::PlaceActor(place) => {
                let actor = place.actor.as_ref().and_then(|actor| answers::actor(&actor.actor_id));
                let actor = actor.filter(|actor| !self.lives.contains_key(actor));
                if let Some(actor) = actor {
                    let life = Life { incarnation: place.incarnation, worker: self.worker(), is_begun: false };
                    said.push(answers::placed(actor, life.incarnation, life.worker));
                    self.lives.insert(actor, life);
                }
            }
            ToNode::UnplaceActor(unplace) => {
                let actor = answers::actor(&unplace.actor_id);
                if let Some(life) = actor.and_then(|actor| self.lives.get(&actor)).filter(|life| !life.is_begun) {
                    let worker = life.worker;
                    self.end(worker, said);
                }
            }
            ToNode::StartActor(start) => {
                let actor = answers::actor(&start.actor_id);
                let is_meant = |life: &&mut Life| life.incarnation == start.incarnation;
                if let Some(life) = actor.and_then(|actor| self.lives.get_mut(&actor)).filter(is_meant) {
                    let is_first = !std::mem::replace(&mut life.is_begun, true);
                    said.push(answers::started(life.worker, start));
                    return Some(actor.filter(|_| is_first));
                }
            }
            ToNode::KillWorker(kill) => {
                if let Ok(worker) = WorkerId::from_bytes(&kill.worker_id) {
                    self.end(worker, said);
                }
            }
            _ => {}
        }
        Some(None)
    }

    fn end(&mut self, worker: WorkerId, said: &mut Vec<Body>) {
        let before = self.lives.len();
        self.lives.retain(|_, life| life.worker != worker);
        if self.lives.len() < before {
            said.push(answers::ended(worker));
        }
    }

    fn worker(&mut self) -> WorkerId {
        self.workers += 1;
        let mut bytes = [0; WorkerId::LEN];
        bytes[..20].copy_from_slice(&self.node.as_bytes()[..20]);
        bytes[20..].copy_from_slice(&self.workers.to_be_bytes());
        WorkerId::new(bytes)
    }
}
