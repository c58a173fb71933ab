//! Several nodes under test and the wires between them: messages travel in order on each, as slowly as the test wants.

use crate::tests::env::set;
use crate::{Effect, Event, LeaseRequest, Node, Options, PLAIN, RemoteAsk};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use trygon_ids::{JobId, NodeId, WorkerId};
use trygon_placement::{Delta, NodeState};
use trygon_resources::ResourceSet;

/// A lease that an owner was told of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Granted {
    pub(crate) at: usize,
    pub(crate) owner: WorkerId,
    pub(crate) request_id: u64,
    pub(crate) lease: u64,
    pub(crate) worker: WorkerId,
}

pub(crate) struct Net {
    pub(crate) nodes: Vec<Node>,
    pub(crate) states: Vec<NodeState>,
    /// Nodes that were not killed.
    pub(crate) alive: BTreeSet<usize>,
    pub(crate) now_ms: u64,
    /// From one to another; what comes from the head has no sender.
    pub(crate) wires: BTreeMap<(Option<usize>, usize), VecDeque<Event>>,
    pub(crate) granted: Vec<Granted>,
    /// What owners were told besides grants.
    pub(crate) told: Vec<Effect>,
    /// Workers that are to become ready, and such that are to end.
    pub(crate) starting: Vec<(usize, WorkerId)>,
    pub(crate) ending: Vec<(usize, WorkerId)>,
    pub(crate) processes: Vec<BTreeSet<WorkerId>>,
    pub(crate) asks: u64,
    /// Whose the next requests are.
    pub(crate) job: JobId,
    /// The last messages that arrived.
    recent: VecDeque<String>,
}

pub(crate) fn id(number: usize) -> NodeId {
    NodeId::new([number as u8 + 1; NodeId::LEN])
}

impl Net {
    /// Nodes with these resources that know one another.
    pub(crate) fn new(resources: &[ResourceSet]) -> Self {
        let labels = |number: usize| crate::Labels::from([("zone".to_owned(), ["a", "b", "c"][number % 3].to_owned())]);
        let node = |number: usize, resources: &ResourceSet| {
            Node::new(Options {
                resources: resources.clone(),
                node_id: id(number).hex(),
                labels: labels(number),
                prestart_workers: 0,
                idle_worker_ms: 1_000_000,
                max_workers: 0,
                max_parallel_starts: 8,
                environment: PLAIN,
                worker_id_prefix: [number as u8 + 1; 20],
            })
        };
        let state = |number: usize, total: &ResourceSet| NodeState {
            node: id(number),
            number: number as u32 + 1,
            total: total.clone(),
            free: total.clone(),
            labels: labels(number),
            is_draining: false,
            queued: 0,
        };
        let mut net = Self {
            nodes: resources.iter().enumerate().map(|(number, total)| node(number, total)).collect(),
            states: resources.iter().enumerate().map(|(number, total)| state(number, total)).collect(),
            alive: (0..resources.len()).collect(),
            now_ms: 0,
            wires: BTreeMap::new(),
            granted: Vec::new(),
            told: Vec::new(),
            starting: Vec::new(),
            ending: Vec::new(),
            processes: vec![BTreeSet::new(); resources.len()],
            asks: 0,
            job: JobId::nil(),
            recent: VecDeque::new(),
        };
        for at in 0..resources.len() {
            net.step(at, Event::Numbered { number: at as u32 + 1 });
            let nodes = net.states.clone();
            net.step(at, Event::ClusterChanged(Delta { is_whole: true, nodes, gone: Vec::new() }));
        }
        net
    }

    /// Nodes with so many CPUs each.
    pub(crate) fn of_cpus(cpus: &[f64]) -> Self {
        Self::new(&cpus.iter().map(|cpus| set(&[("CPU", *cpus)])).collect::<Vec<_>>())
    }

    /// A driver of a node.
    pub(crate) fn driver(&self, at: usize) -> WorkerId {
        self.nodes[at].worker_id(0)
    }

    pub(crate) fn step(&mut self, at: usize, event: Event) {
        if !self.alive.contains(&at) {
            return;
        }
        let mut effects = Vec::new();
        self.nodes[at].step(self.now_ms, event.clone(), &mut effects);
        if let Err(broken) = self.nodes[at].sanity_check() {
            panic!("{broken}\nat {at} after {event:?}\n{:#?}", self.nodes[at]);
        }
        for effect in effects {
            self.perform(at, effect);
        }
    }

    pub(crate) fn request(&mut self, at: usize, request_id: u64, count: u32, resources: &[(&str, f64)]) {
        self.request_of(at, self.driver(at), request_id, count, resources);
    }

    pub(crate) fn request_of(
        &mut self,
        at: usize,
        owner: WorkerId,
        request_id: u64,
        count: u32,
        resources: &[(&str, f64)],
    ) {
        let (name, resources) = (format!("task{request_id}"), set(resources));
        let job = self.job;
        let request = LeaseRequest { owner, job, request_id, resources, count, depth: 0, name, environment: PLAIN };
        self.step(at, Event::LeaseRequested(request));
    }

    fn send(&mut self, from: usize, node: NodeId, event: Event) {
        if let Some(to) = (0..self.nodes.len()).find(|to| id(*to) == node).filter(|to| self.alive.contains(to)) {
            self.wires.entry((Some(from), to)).or_default().push_back(event);
        }
    }

    fn perform(&mut self, at: usize, effect: Effect) {
        let here = id(at);
        match effect {
            Effect::AskNode { node, owner, job, request_id, resources, count, depth, name, environment, may_wait } => {
                self.asks += 1;
                let request = LeaseRequest { owner, job, request_id, resources, count, depth, name, environment };
                self.send(at, node, Event::RemoteAsk(RemoteAsk { node: here, request, may_wait }));
            }
            Effect::CancelAsk { node, owner, request_id } => {
                self.send(at, node, Event::RemoteCancel { node: here, owner, request_id });
            }
            Effect::GrantRemote { node, owner, request_id, lease, worker, devices } => {
                self.send(at, node, Event::RemoteGranted { node: here, owner, request_id, lease, worker, devices });
            }
            Effect::DeclineAsk { node, owner, request_id, count, free } => {
                self.send(at, node, Event::RemoteDeclined { node: here, owner, request_id, count, free });
            }
            Effect::RefuseAsk { node, owner, request_id, refusal, message } => {
                self.send(at, node, Event::RemoteRefused { node: here, owner, request_id, refusal, message });
            }
            Effect::ForwardReturn { node, owner, lease, worker_exiting } => {
                self.send(at, node, Event::LeaseReturned { owner, lease, worker_exiting });
            }
            Effect::OwnerGone { node, owner } => self.send(at, node, Event::OwnersLost { owners: vec![owner] }),
            Effect::LoadChanged { total, free, .. } => {
                self.states[at] = NodeState { total, free, ..self.states[at].clone() };
                let delta = Delta { nodes: vec![self.states[at].clone()], ..Delta::default() };
                for to in self.alive.clone() {
                    let wire = self.wires.entry((None, to)).or_default();
                    wire.push_back(Event::ClusterChanged(delta.clone()));
                }
            }
            Effect::StartWorker { worker, .. } => {
                self.processes[at].insert(worker);
                self.starting.push((at, worker));
            }
            Effect::StopWorker { worker, .. } => self.ending.push((at, worker)),
            Effect::Grant { owner, request_id, lease, worker, .. } => {
                self.granted.push(Granted { at, owner, request_id, lease, worker });
            }
            other => self.told.push(other),
        }
    }

    /// The next message of one wire arrives. False when there is none.
    pub(crate) fn deliver(&mut self, wire: (Option<usize>, usize)) -> bool {
        let Some(event) = self.wires.get_mut(&wire).and_then(VecDeque::pop_front) else {
            return false;
        };
        self.recent.push_back(format!("{} {wire:?} {event:?}", self.now_ms));
        if self.recent.len() > 12 {
            self.recent.pop_front();
        }
        self.step(wire.1, event);
        true
    }

    /// Lets everything arrive, workers become ready and end, and time pass until nothing is to be done.
    pub(crate) fn settle(&mut self) {
        for _ in 0..2_000 {
            for (at, worker) in std::mem::take(&mut self.starting) {
                self.step(at, Event::WorkerReady { worker });
            }
            for (at, worker) in std::mem::take(&mut self.ending) {
                self.die(at, worker);
            }
            let wires: Vec<_> = self.wires.keys().copied().collect();
            let moved = wires.into_iter().filter(|wire| self.deliver(*wire)).count();
            if moved > 0 || !self.starting.is_empty() {
                continue;
            }
            // Leases in use stay: whoever waits for them has nothing to look at before they come back.
            let deadlines: Vec<(u64, usize)> = (0..self.nodes.len())
                .filter(|at| self.alive.contains(at))
                .filter_map(|at| Some((self.nodes[at].next_deadline_ms()?, at)))
                .collect();
            let Some((at_ms, at)) = deadlines.into_iter().min().filter(|(at_ms, _)| *at_ms < self.now_ms + 5_000)
            else {
                return;
            };
            self.now_ms = self.now_ms.max(at_ms);
            self.step(at, Event::Tick);
        }
        panic!("it never comes to rest at {}: {:?} {:#?}", self.now_ms, self.recent, self.nodes);
    }

    pub(crate) fn die(&mut self, at: usize, process: WorkerId) {
        self.processes[at].remove(&process);
        self.starting.retain(|(_, worker)| *worker != process);
        self.granted.retain(|granted| granted.owner != process);
        self.step(at, Event::ProcessDied { process });
    }

    pub(crate) fn give_back(&mut self, granted: Granted) {
        self.granted.retain(|other| *other != granted);
        let Granted { at, owner, lease, .. } = granted;
        self.step(at, Event::LeaseReturned { owner, lease, worker_exiting: false });
    }

    /// Where the workers of a request's leases are, by number of node.
    pub(crate) fn places(&self, request_id: u64) -> Vec<usize> {
        let of_it = self.granted.iter().filter(|granted| granted.request_id == request_id);
        let mut places: Vec<usize> = of_it.map(|granted| usize::from(granted.worker.as_bytes()[0]) - 1).collect();
        places.sort_unstable();
        places
    }

    /// Nothing is held, asked or waited for anywhere.
    pub(crate) fn assert_empty(&self) {
        for at in &self.alive {
            let node = &self.nodes[*at];
            assert_eq!(node.waiting_leases(), 0, "at {at}");
            assert_eq!(node.asked_leases(), 0, "at {at}");
            assert_eq!(node.foreign_lease_count(), 0, "at {at}");
            assert_eq!(node.free(), node.total(), "at {at}");
            assert!(node.view().iter().all(|seat| seat.pending().is_empty()), "at {at}");
        }
    }

    /// A node ends without a word; the head tells the others.
    pub(crate) fn kill(&mut self, at: usize) {
        self.alive.remove(&at);
        self.granted.retain(|granted| granted.at != at);
        self.starting.retain(|(other, _)| *other != at);
        self.ending.retain(|(other, _)| *other != at);
        self.wires.retain(|(from, to), _| *from != Some(at) && *to != at);
        for to in self.alive.clone() {
            self.wires.entry((None, to)).or_default().push_back(Event::NodeLost { node: id(at) });
        }
    }

    /// The connection of two nodes breaks, and is made again.
    pub(crate) fn cut(&mut self, left: usize, right: usize) {
        self.wires.remove(&(Some(left), right));
        self.wires.remove(&(Some(right), left));
        // Nobody writes to a broken connection: nothing is asked until it is there again.
        self.step(left, Event::LinkLost { node: id(right) });
        self.step(right, Event::LinkLost { node: id(left) });
        for (from, to) in [(left, right), (right, left)] {
            let leases = self.nodes[from].leases_from(id(to));
            self.wires.entry((Some(from), to)).or_default().push_front(Event::LinkUp { node: id(from), leases });
        }
    }
}
