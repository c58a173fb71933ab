//! The nodes: their deciding code, and workers that are ready at once.

use crate::scale::answers;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use trygon_control::resource_set;
use trygon_ids::{ActorId, JobId, NodeId, WorkerId};
use trygon_node_core::{Effect, Event, LeaseId, LeaseRequest, Node, Options, PLAIN, RemoteAsk};
use trygon_placement::{Delta, NodeState};
use trygon_proto::v1::View;
use trygon_proto::v1::head_to_node::Body as ToNode;
use trygon_proto::v1::node_to_head::Body;
use trygon_resources::{Amount, ResourceSet};

/// Nodes that are told of the others.
const TOLD: usize = 16;

/// The id of a node.
pub(crate) fn node_id(number: usize) -> NodeId {
    let mut bytes = [7; NodeId::LEN];
    bytes[..8].copy_from_slice(&(number as u64).to_be_bytes());
    NodeId::new(bytes)
}

fn number_of(node: NodeId) -> usize {
    let mut bytes = [0; 8];
    bytes.copy_from_slice(&node.as_bytes()[..8]);
    u64::from_be_bytes(bytes) as usize
}

/// All nodes.
pub(crate) struct Machines {
    pub(crate) now_ms: u64,
    nodes: Vec<Option<Node>>,
    /// What they say to the head.
    said: VecDeque<(NodeId, Body)>,
    /// What one says to another, and what follows from itself.
    events: VecDeque<(usize, Event)>,
    deadlines: BTreeSet<(u64, usize)>,
    deadline_of: Vec<Option<u64>>,
    /// The workers of actors.
    pub(crate) workers: BTreeMap<ActorId, WorkerId>,
    /// Leases that owners hold: who granted it, and whose it is.
    granted: Vec<(usize, WorkerId, LeaseId)>,
    /// Actors whose constructors are done.
    pub(crate) started: usize,
    /// Groups that the driver's node was told are created and not removed.
    pub(crate) groups: usize,
    known_groups: BTreeSet<Vec<u8>>,
}

impl Machines {
    pub(crate) fn new(count: usize) -> Self {
        let resources: ResourceSet =
            [("CPU".to_owned(), Amount::whole(16)), ("memory".to_owned(), Amount::whole(64_000_000_000))]
                .into_iter()
                .collect();
        let node = |number: usize| {
            let mut worker_id_prefix = [0; 20];
            worker_id_prefix.copy_from_slice(&node_id(number).as_bytes()[..20]);
            Some(Node::new(Options {
                resources: resources.clone(),
                node_id: node_id(number).hex(),
                labels: trygon_node_core::Labels::new(),
                prestart_workers: 0,
                idle_worker_ms: u64::MAX / 4,
                max_workers: 0,
                max_parallel_starts: 64,
                environment: PLAIN,
                worker_id_prefix,
            }))
        };
        Self {
            now_ms: 0,
            nodes: (0..count).map(node).collect(),
            said: VecDeque::new(),
            events: VecDeque::new(),
            deadlines: BTreeSet::new(),
            deadline_of: vec![None; count],
            workers: BTreeMap::new(),
            granted: Vec::new(),
            started: 0,
            groups: 0,
            known_groups: BTreeSet::new(),
        }
    }

    pub(crate) fn len(&self) -> usize {
        self.nodes.len()
    }

    pub(crate) fn waiting(&self) -> usize {
        self.nodes.iter().flatten().map(|node| node.waiting_leases() as usize).sum()
    }

    pub(crate) fn lose(&mut self, number: usize) {
        self.nodes[number] = None;
        if let Some(at_ms) = self.deadline_of[number].take() {
            self.deadlines.remove(&(at_ms, number));
        }
    }

    pub(crate) fn next_deadline_ms(&self) -> Option<u64> {
        self.deadlines.first().map(|(at_ms, _)| *at_ms)
    }

    /// Nodes whose time has come look at themselves.
    pub(crate) fn tick(&mut self) {
        while let Some((_, number)) = self.deadlines.first().copied().filter(|(at_ms, _)| *at_ms <= self.now_ms) {
            self.deadlines.pop_first();
            self.deadline_of[number] = None;
            self.step(number, Event::Tick);
            // A deadline that stays in the past is looked at a millisecond later.
        }
        self.run();
    }

    fn step(&mut self, number: usize, event: Event) {
        let Some(node) = self.nodes[number].as_mut() else {
            return;
        };
        let mut effects = Vec::new();
        node.step(self.now_ms, event, &mut effects);
        let deadline = node.next_deadline_ms().map(|at_ms| at_ms.max(self.now_ms + 1));
        if deadline != self.deadline_of[number] {
            if let Some(at_ms) = self.deadline_of[number] {
                self.deadlines.remove(&(at_ms, number));
            }
            self.deadline_of[number] = deadline;
            self.deadlines.extend(deadline.map(|at_ms| (at_ms, number)));
        }
        for effect in effects {
            self.perform(number, effect);
        }
    }

    fn run(&mut self) {
        while let Some((number, event)) = self.events.pop_front() {
            self.step(number, event);
        }
    }

    pub(crate) fn take_said(&mut self, said: &mut VecDeque<(NodeId, Body)>) {
        self.run();
        said.append(&mut self.said);
    }

    fn send(&mut self, to: NodeId, event: Event) {
        self.events.push_back((number_of(to), event));
    }

    fn perform(&mut self, number: usize, effect: Effect) {
        let node = node_id(number);
        match effect {
            Effect::StartWorker { worker, .. } => self.events.push_back((number, Event::WorkerReady { worker })),
            Effect::StopWorker { worker, .. } => self.end_worker(number, worker),
            Effect::Grant { owner, lease, .. } => self.granted.push((number, owner, lease)),
            Effect::AskNode {
                node: to,
                owner,
                job,
                request_id,
                resources,
                count,
                depth,
                name,
                environment,
                may_wait,
            } => {
                let request = LeaseRequest { owner, job, request_id, resources, count, depth, name, environment };
                self.send(to, Event::RemoteAsk(RemoteAsk { node, request, may_wait }));
            }
            Effect::CancelAsk { node: to, owner, request_id } => {
                self.send(to, Event::RemoteCancel { node, owner, request_id });
            }
            Effect::GrantRemote { node: to, owner, request_id, lease, worker, devices } => {
                self.send(to, Event::RemoteGranted { node, owner, request_id, lease, worker, devices });
            }
            Effect::DeclineAsk { node: to, owner, request_id, count, free } => {
                self.send(to, Event::RemoteDeclined { node, owner, request_id, count, free });
            }
            Effect::RefuseAsk { node: to, owner, request_id, refusal, message } => {
                self.send(to, Event::RemoteRefused { node, owner, request_id, refusal, message });
            }
            Effect::ForwardReturn { node: to, owner, lease, worker_exiting } => {
                self.send(to, Event::LeaseReturned { owner, lease, worker_exiting });
            }
            Effect::ActorPlaced { actor, incarnation, worker, .. } => {
                self.workers.insert(actor, worker);
                self.said.push_back((node, answers::placed(actor, incarnation, worker)));
            }
            effect => self.said.extend(answers::of_effect(effect).map(|body| (node, body))),
        }
    }

    fn end_worker(&mut self, number: usize, worker: WorkerId) {
        self.events.push_back((number, Event::ProcessDied { process: worker }));
        self.said.push_back((node_id(number), answers::ended(worker)));
    }

    pub(crate) fn hear_view(&mut self, to: NodeId, view: View) {
        if number_of(to) >= TOLD {
            return;
        }
        let mut delta = Delta { is_whole: view.is_whole, ..Delta::default() };
        for node in view.nodes {
            let Ok(id) = NodeId::from_bytes(&node.node_id) else {
                continue;
            };
            if node.state == "dead" {
                delta.gone.push(id);
                continue;
            }
            delta.nodes.push(NodeState {
                node: id,
                number: node.node_number,
                total: resource_set(&node.total),
                free: resource_set(&node.free),
                labels: node.labels.into_iter().collect(),
                is_draining: node.state == "draining",
                queued: u64::from(node.waiting),
            });
        }
        self.events.push_back((number_of(to), Event::ClusterChanged(delta)));
    }

    pub(crate) fn hear(&mut self, to: NodeId, body: ToNode) {
        let number = number_of(to);
        match body {
            ToNode::StartActor(start) => {
                self.started += 1;
                if let Some(worker) = answers::actor(&start.actor_id).and_then(|actor| self.workers.get(&actor)) {
                    self.said.push_back((to, answers::started(*worker, start)));
                }
            }
            ToNode::KillWorker(kill) => {
                if let Ok(worker) = WorkerId::from_bytes(&kill.worker_id) {
                    self.end_worker(number, worker);
                }
            }
            ToNode::GroupNews(news) if number == 0 => {
                if news.state == "created" && self.known_groups.insert(news.group_id.clone()) {
                    self.groups += 1;
                } else if news.state == "removed" && self.known_groups.remove(&news.group_id) {
                    self.groups -= 1;
                }
            }
            body => self.events.extend(answers::event(body).map(|event| (number, event))),
        }
    }

    /// A driver of each node asks for so many leases of one CPU.
    pub(crate) fn ask_for_tasks(&mut self, each: u32) {
        let resources: ResourceSet = [("CPU".to_owned(), Amount::whole(1))].into_iter().collect();
        for number in 0..self.nodes.len() {
            let Some(node) = self.nodes[number].as_ref() else {
                continue;
            };
            let request = LeaseRequest {
                owner: node.worker_id(0),
                job: JobId::new([1, 0, 0, 0]),
                request_id: 1,
                resources: resources.clone(),
                count: each,
                depth: 0,
                name: "work".to_owned(),
                environment: PLAIN,
            };
            self.events.push_back((number, Event::LeaseRequested(request)));
        }
    }

    /// Drivers that know of other nodes want no more: what gets room is for those who ask the head.
    pub(crate) fn want_no_more(&mut self) {
        for number in 0..self.nodes.len().min(TOLD) {
            if let Some(owner) = self.nodes[number].as_ref().map(|node| node.worker_id(0)) {
                self.events.push_back((number, Event::LeaseCancelled { owner, request_id: 1 }));
            }
        }
    }

    /// Everything that a node's driver asked for ends, and it wants no more.
    pub(crate) fn end_tasks(&mut self, number: usize) {
        let Some(owner) = self.nodes[number].as_ref().map(|node| node.worker_id(0)) else {
            return;
        };
        self.events.push_back((number, Event::LeaseCancelled { owner, request_id: 1 }));
        let is_its = |(_, holder, _): &mut (usize, WorkerId, LeaseId)| *holder == owner;
        for (_, owner, lease) in self.granted.extract_if(.., is_its) {
            self.events.push_back((number, Event::LeaseReturned { owner, lease, worker_exiting: false }));
        }
    }
}
