//! Nodes that hold bundles and run actors as real ones do, behind links that delay and break.

use super::{Body, Cluster, ToNode, amounts, node, worker};
use crate::head::Out;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use trygon_ids::WorkerId;
use trygon_proto::control::{ActorStarted, Death};
use trygon_proto::v1::from_process::Request;
use trygon_proto::v1::{
    ActorPlaced, BundlesPrepared, FromProcess, HeldBundle, Load, NodeToHead, PrepareBundles, ProcessEnded, RegisterNode,
};

/// A bundle: the group and its place in it.
pub(super) type Place = (Vec<u8>, u32);

/// One node. Bundles and actors take one CPU each.
#[derive(Debug, Default)]
pub(super) struct Machine {
    pub(super) cpus: usize,
    pub(super) is_connected: bool,
    /// The head gave it up while it held something.
    pub(super) is_suspect: bool,
    /// The head has told it so: NODE-1.
    is_given_up: bool,
    known_number: u32,
    /// The attempt of each bundle, and whether it may be used.
    pub(super) held: BTreeMap<Place, (u32, bool)>,
    /// Actors that wait for a worker, with their lives.
    queue: VecDeque<(Vec<u8>, u32)>,
    /// The actor of each worker, its life, and whether it is known to run.
    pub(super) workers: BTreeMap<WorkerId, (Vec<u8>, u32, bool)>,
    next_worker: u64,
    reported: Option<usize>,
    pub(super) to_head: VecDeque<Body>,
    pub(super) to_node: VecDeque<ToNode>,
}

impl Machine {
    pub(super) fn free(&self) -> usize {
        self.cpus - self.held.len() - self.workers.len()
    }

    fn say(&mut self, body: Body) {
        if self.is_connected {
            self.to_head.push_back(body);
        }
    }

    /// Finds workers for actors while there is room, and reports.
    pub(super) fn act(&mut self, number: u8) {
        while self.free() > 0
            && let Some((actor_id, incarnation)) = self.queue.pop_front()
        {
            self.next_worker += 1;
            let worker = worker(number, 100 + self.next_worker);
            self.workers.insert(worker, (actor_id.clone(), incarnation, false));
            let worker_id = worker.as_bytes().to_vec();
            self.say(Body::ActorPlaced(ActorPlaced { actor_id, incarnation, worker_id, pid: 1 }));
        }
        let free = self.free();
        if self.reported != Some(free) && self.is_connected {
            self.reported = Some(free);
            self.say(Body::Load(Load { free: cpus(free), ..Load::default() }));
        }
    }

    pub(super) fn hear(&mut self, message: ToNode) {
        match message {
            ToNode::Registered(registered) => self.known_number = registered.node_number,
            ToNode::GivenUp(_) => self.is_given_up = true,
            ToNode::PlaceActor(place) => {
                let actor = place.actor.expect("an actor");
                self.queue.push_back((actor.actor_id, place.incarnation));
            }
            ToNode::UnplaceActor(unplace) => self.queue.retain(|(actor, _)| *actor != unplace.actor_id),
            ToNode::StartActor(start) => {
                let is_its = |(_, (actor, life, _)): &(&WorkerId, &(Vec<u8>, u32, bool))| {
                    *actor == start.actor_id && *life == start.incarnation
                };
                let worker = self.workers.iter().find(is_its).map(|(worker, _)| *worker);
                if let Some(worker) = worker {
                    self.tell_started(worker);
                }
            }
            ToNode::ActorRunning(running) => {
                if let Some(worker) = self.workers.get_mut(&WorkerId::from_bytes(&running.worker_id).expect("an id")) {
                    worker.2 = true;
                }
            }
            ToNode::KillWorker(kill) => self.end(WorkerId::from_bytes(&kill.worker_id).expect("an id")),
            ToNode::PrepareBundles(prepare) => self.prepare(prepare),
            ToNode::CommitBundles(commit) => {
                let of_it = |place: &Place, attempt: u32| place.0 == commit.group_id && attempt == commit.attempt;
                self.held.iter_mut().filter(|(place, held)| of_it(place, held.0)).for_each(|(_, held)| held.1 = true);
            }
            ToNode::ReleaseGroup(release) => self.held.retain(|(group, _), (attempt, _)| {
                *group != release.group_id || (release.attempt != 0 && *attempt != release.attempt)
            }),
            _ => {}
        }
    }

    fn tell_started(&mut self, worker: WorkerId) {
        let (actor_id, incarnation, _) = self.workers[&worker].clone();
        let request = Some(Request::ActorStarted(ActorStarted { actor_id, incarnation, error: Vec::new() }));
        let worker_id = worker.as_bytes().to_vec();
        self.say(Body::FromProcess(FromProcess { worker_id, job_id: vec![1, 0, 0, 0], request }));
    }

    pub(super) fn end(&mut self, worker: WorkerId) {
        if self.workers.remove(&worker).is_some() {
            let death = Some(Death { kind: "exit".to_owned(), ..Death::default() });
            self.say(Body::ProcessEnded(ProcessEnded { worker_id: worker.as_bytes().to_vec(), death }));
        }
    }

    /// As `crates/node-core/src/on_bundles.rs` does it.
    fn prepare(&mut self, message: PrepareBundles) {
        let place = |index: u32| (message.group_id.clone(), index);
        let indices = || message.bundles.iter().map(|bundle| bundle.index);
        let missing = indices().filter(|index| !self.held.contains_key(&place(*index))).count();
        let ok = missing <= self.free();
        if ok {
            for index in indices() {
                self.held.entry(place(index)).or_insert((0, false)).0 = message.attempt;
            }
        }
        let (group_id, attempt, free) = (message.group_id.clone(), message.attempt, cpus(self.free()));
        self.say(Body::BundlesPrepared(BundlesPrepared { group_id, attempt, ok, free }));
    }

    /// What was on its way is lost.
    pub(super) fn disconnect(&mut self) {
        self.is_connected = false;
        self.to_head.clear();
        self.to_node.clear();
    }

    pub(super) fn connect(&mut self, number: u8) {
        self.is_connected = true;
        self.reported = None;
        let placed = |(worker, (actor, life, _)): (&WorkerId, &(Vec<u8>, u32, bool))| ActorPlaced {
            actor_id: actor.clone(),
            incarnation: *life,
            worker_id: worker.as_bytes().to_vec(),
            pid: 1,
        };
        let bundle = |((group_id, index), (attempt, is_committed)): (&Place, &(u32, bool))| HeldBundle {
            group_id: group_id.clone(),
            index: *index,
            attempt: *attempt,
            is_committed: *is_committed,
        };
        let starting = self.workers.values().filter(|worker| !worker.2).map(|(actor, ..)| actor.clone());
        let mut processes: Vec<Vec<u8>> = self.workers.keys().map(|worker| worker.as_bytes().to_vec()).collect();
        processes.push(worker(number, 1).as_bytes().to_vec());
        self.say(Body::Register(RegisterNode {
            node_id: node(number).as_bytes().to_vec(),
            address: format!("10.0.0.{number}:6380"),
            resources: cpus(self.cpus),
            known_number: self.known_number,
            actors: self.workers.iter().map(placed).collect(),
            bundles: self.held.iter().map(bundle).collect(),
            starting: starting.collect(),
            processes,
            ..RegisterNode::default()
        }));
        let unheard: Vec<WorkerId> = self.workers.iter().filter(|(_, worker)| !worker.2).map(|(id, _)| *id).collect();
        unheard.into_iter().for_each(|worker| self.tell_started(worker));
    }
}

fn cpus(count: usize) -> std::collections::BTreeMap<String, f64> {
    if count == 0 { amounts(&[]) } else { amounts(&[("CPU", count as f64)]) }
}

/// The head and its nodes.
pub(super) struct World {
    pub(super) cluster: Cluster,
    pub(super) machines: BTreeMap<u8, Machine>,
    random: u64,
    /// The last machine that took the place of another one.
    substitute: u8,
}

impl World {
    pub(super) fn new(seed: u64) -> Self {
        let random = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
        let mut world = Self { cluster: Cluster::new(), machines: BTreeMap::new(), random, substitute: 200 };
        let count = 2 + world.below(4) as u8;
        (1..=count).for_each(|number| world.add(number));
        world
    }

    pub(super) fn add(&mut self, number: u8) {
        let mut machine = Machine { cpus: 1 + self.below(4) as usize, ..Machine::default() };
        machine.connect(number);
        self.machines.insert(number, machine);
    }

    pub(super) fn below(&mut self, bound: u64) -> u64 {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        self.random % bound
    }

    pub(super) fn any(&mut self) -> u8 {
        let numbers: Vec<u8> = self.machines.keys().copied().collect();
        numbers[self.below(numbers.len() as u64) as usize]
    }

    pub(super) fn send(&mut self, out: Out) {
        for (to, message) in out {
            let machine = self.machines.get_mut(&to.as_bytes()[0]).filter(|machine| machine.is_connected);
            if let Some(machine) = machine {
                machine.to_node.push_back(message.body.expect("a body"));
            }
        }
    }

    /// The head hears the next word of a node.
    pub(super) fn deliver_to_head(&mut self, number: u8) -> bool {
        let Some(body) = self.machines.get_mut(&number).and_then(|machine| machine.to_head.pop_front()) else {
            return false;
        };
        self.say(number, body);
        true
    }

    pub(super) fn say(&mut self, number: u8, body: Body) {
        let mut out = Out::new();
        self.cluster.now_us += 10;
        let now_us = self.cluster.now_us;
        self.cluster.head.apply(
            now_us,
            node(number),
            NodeToHead { body: Some(body), ..NodeToHead::default() },
            &mut out,
        );
        self.send(out);
    }

    pub(super) fn deliver_to_node(&mut self, number: u8) -> bool {
        let Some(machine) = self.machines.get_mut(&number) else {
            return false;
        };
        let message = machine.to_node.pop_front();
        let is_any = message.is_some();
        message.into_iter().for_each(|message| machine.hear(message));
        if machine.is_given_up {
            self.replace(number);
        }
        is_any
    }

    /// A node that was given up has ended what it had, and its daemon is another node.
    pub(super) fn replace(&mut self, number: u8) {
        self.machines.remove(&number);
        if self.substitute < 250 {
            self.substitute += 1;
            self.add(self.substitute);
        }
    }

    /// Time passes, at least until the head wants to be called.
    pub(super) fn pass(&mut self, delay_us: u64) {
        self.cluster.now_us += delay_us;
        let (now_us, mut out) = (self.cluster.now_us, Out::new());
        if self.cluster.head.next_deadline_us().is_some_and(|at_us| at_us <= now_us) {
            self.cluster.head.tick(now_us, &mut out);
        }
        self.send(out);
    }

    /// The head is started again, from what it had kept.
    pub(super) fn restart_head(&mut self) {
        self.cluster.restart();
    }

    /// Connects everybody, and goes on until nothing more happens.
    pub(super) fn settle(&mut self) {
        for (number, machine) in self.machines.iter_mut().filter(|(_, machine)| !machine.is_connected) {
            machine.connect(*number);
        }
        for _ in 0..2_000 {
            let numbers: Vec<u8> = self.machines.keys().copied().collect();
            let mut is_any = false;
            for number in numbers {
                while self.deliver_to_node(number) || self.deliver_to_head(number) {
                    is_any = true;
                }
                if let Some(machine) = self.machines.get_mut(&number) {
                    machine.act(number);
                    is_any |= !machine.to_head.is_empty();
                }
            }
            let deadline_us = self.cluster.head.next_deadline_us();
            if let Some(at_us) = deadline_us {
                self.pass(at_us.saturating_sub(self.cluster.now_us));
                is_any = true;
            }
            if !is_any {
                return;
            }
        }
        panic!("it never comes to rest");
    }

    /// GROUP-4: no bundle may be used on two nodes.
    pub(super) fn check_bundles(&self) {
        let mut used: BTreeSet<&Place> = BTreeSet::new();
        for machine in self.machines.values().filter(|machine| !machine.is_suspect) {
            for (place, _) in machine.held.iter().filter(|(_, (_, is_committed))| *is_committed) {
                assert!(used.insert(place), "GROUP-4: {place:?} may be used on two nodes");
            }
        }
    }
}
