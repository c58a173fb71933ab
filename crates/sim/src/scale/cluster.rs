//! The head, the queue of what it is told, and the programs that ask.

use crate::scale::nodes::{Machines, node_id};
use std::collections::VecDeque;
use trygon_control::{Head, Out};
use trygon_ids::{ActorId, NodeId, PlacementGroupId, WorkerId};
use trygon_proto::control::{
    Bundle, CreateActor, CreatePlacementGroup, RemovePlacementGroup, StateQuery, WatchPlacementGroup,
};
use trygon_proto::v1::from_process::Request;
use trygon_proto::v1::node_to_head::Body;
use trygon_proto::v1::{FromProcess, HeadToNode, NodeToHead, RegisterNode, head_to_node};

/// Groups whose bundles are reserved at a time: a quarter of all CPUs is never exceeded.
const STRATEGIES: [&str; 4] = ["PACK", "SPREAD", "STRICT_PACK", "STRICT_SPREAD"];

/// Everything.
pub(crate) struct Cluster {
    head: Head,
    machines: Machines,
    now_us: u64,
    head_s: f64,
    messages: usize,
    told: usize,
    views: usize,
    answer: String,
    next_group: u64,
}

impl Cluster {
    pub(crate) fn new(count: usize) -> Self {
        Self {
            head: Head::new(),
            machines: Machines::new(count),
            now_us: 1,
            head_s: 0.0,
            messages: 0,
            told: 0,
            views: 0,
            answer: String::new(),
            next_group: 0,
        }
    }

    pub(crate) fn head_s(&self) -> f64 {
        self.head_s
    }

    /// Messages to the head, from it, and nodes described in these.
    pub(crate) fn counts(&self) -> (usize, usize, usize) {
        (self.messages, self.told, self.views)
    }

    pub(crate) fn alive(&self) -> usize {
        self.head.members().len()
    }

    pub(crate) fn started(&self) -> usize {
        self.machines.started
    }

    pub(crate) fn created_groups(&self) -> usize {
        self.machines.groups
    }

    pub(crate) fn waiting(&self) -> usize {
        self.machines.waiting()
    }

    pub(crate) fn check(&self) -> Result<(), String> {
        self.head.sanity_check()
    }

    fn hear(&mut self, from: NodeId, body: Body) {
        let message = NodeToHead { body: Some(body), ..NodeToHead::default() };
        let mut out = Out::new();
        self.now_us += 1;
        let began = cpu_s();
        self.head.apply(self.now_us, from, message, &mut out);
        self.head_s += cpu_s() - began;
        self.messages += 1;
        self.tell(out);
    }

    fn tick(&mut self) {
        let mut out = Out::new();
        let began = cpu_s();
        self.head.tick(self.now_us, &mut out);
        self.head_s += cpu_s() - began;
        self.tell(out);
    }

    fn tell(&mut self, out: Out) {
        for (to, HeadToNode { body }) in out {
            self.told += 1;
            match body {
                Some(head_to_node::Body::View(view)) => {
                    self.views += view.nodes.len();
                    self.machines.hear_view(to, view);
                }
                Some(head_to_node::Body::ToProcess(message)) => {
                    if let Some(trygon_proto::v1::to_process::Reply::State(state)) = message.reply {
                        self.answer = state.json;
                    }
                }
                Some(body) => self.machines.hear(to, body),
                None => {}
            }
        }
    }

    /// Until nobody has anything to say at this moment.
    fn settle(&mut self) {
        let mut said: VecDeque<(NodeId, Body)> = VecDeque::new();
        loop {
            self.machines.now_ms = self.now_us / 1_000;
            self.machines.take_said(&mut said);
            if said.is_empty() {
                return;
            }
            for (from, body) in said.drain(..) {
                self.hear(from, body);
            }
        }
    }

    /// Time passes.
    pub(crate) fn pass(&mut self, delay_us: u64) {
        let until_us = self.now_us + delay_us;
        self.settle();
        loop {
            let head = self.head.next_deadline_us();
            let machine = self.machines.next_deadline_ms().map(|at_ms| at_ms * 1_000);
            let Some(at_us) = head.into_iter().chain(machine).min().filter(|at_us| *at_us <= until_us) else {
                break;
            };
            self.now_us = self.now_us.max(at_us);
            self.machines.now_ms = self.now_us / 1_000;
            if head.is_some_and(|at_us| at_us <= self.now_us) {
                self.tick();
            }
            self.machines.tick();
            self.settle();
        }
        self.now_us = self.now_us.max(until_us);
    }

    pub(crate) fn register_all(&mut self) {
        for number in 0..self.machines.len() {
            let resources = [("CPU".to_owned(), 16.0), ("memory".to_owned(), 64e9)].into();
            let register = RegisterNode {
                node_id: node_id(number).as_bytes().to_vec(),
                address: format!("10.{}.{}.{}:6380", number >> 16, (number >> 8) & 255, number & 255),
                hostname: format!("node-{number}"),
                resources,
                ..RegisterNode::default()
            };
            self.hear(node_id(number), Body::Register(register));
        }
        self.settle();
    }

    /// A request of the driver on the first node.
    fn ask(&mut self, request: Request) {
        let worker_id = driver().as_bytes().to_vec();
        let message = FromProcess { worker_id, job_id: vec![1, 0, 0, 0], request: Some(request) };
        self.hear(node_id(0), Body::FromProcess(message));
    }

    pub(crate) fn create_actors(&mut self, count: usize) {
        for number in 0..count {
            let mut actor = [1; ActorId::LEN];
            actor[..8].copy_from_slice(&(number as u64).to_be_bytes());
            self.ask(Request::CreateActor(CreateActor {
                actor_id: actor.to_vec(),
                class_name: "Counter".to_owned(),
                placement_resources: [("CPU".to_owned(), 1.0)].into(),
                max_restarts: -1,
                ..CreateActor::default()
            }));
            if number % 256 == 255 {
                self.settle();
            }
        }
        self.pass(1_000_000);
    }

    fn group(number: u64) -> Vec<u8> {
        let mut group = [1; PlacementGroupId::LEN];
        group[..8].copy_from_slice(&number.to_be_bytes());
        group.to_vec()
    }

    fn create_group(&mut self, number: u64) {
        let bundle = Bundle { resources: [("CPU".to_owned(), 0.25)].into() };
        let create = CreatePlacementGroup {
            group_id: Self::group(number),
            strategy: STRATEGIES[number as usize % 4].to_owned(),
            bundles: vec![bundle; 4],
            ..CreatePlacementGroup::default()
        };
        self.ask(Request::CreateGroup(create));
        self.ask(Request::WatchGroup(WatchPlacementGroup { group_id: Self::group(number) }));
    }

    pub(crate) fn create_groups(&mut self, count: usize) {
        for number in 0..count as u64 {
            self.create_group(number);
            if number % 64 == 63 {
                self.settle();
            }
        }
        self.pass(1_000_000);
    }

    pub(crate) fn remove_groups(&mut self, count: usize) {
        for number in 0..count as u64 {
            self.ask(Request::RemoveGroup(RemovePlacementGroup { group_id: Self::group(number) }));
            if number % 64 == 63 {
                self.settle();
            }
        }
        self.pass(1_000_000);
        self.next_group = count as u64;
    }

    pub(crate) fn create_and_remove_groups(&mut self, count: usize) {
        for _ in 0..count {
            self.next_group += 1;
            self.create_group(self.next_group);
            self.settle();
            self.ask(Request::RemoveGroup(RemovePlacementGroup { group_id: Self::group(self.next_group) }));
            self.settle();
        }
        self.pass(1_000_000);
    }

    /// Fills every CPU, and lets so many wait besides.
    pub(crate) fn ask_for_tasks(&mut self, waiting: usize) {
        let each = 16 + waiting.div_ceil(self.machines.len());
        self.machines.ask_for_tasks(each as u32);
        self.pass(500_000);
    }

    pub(crate) fn ask_demand(&mut self) -> String {
        self.ask(Request::StateQuery(StateQuery { request_id: 1, what: "demand".to_owned(), argument: String::new() }));
        std::mem::take(&mut self.answer)
    }

    /// All CPUs are in use: the actors wait on some nodes, until other ones have room. True when all started.
    pub(crate) fn create_waiting_actors(&mut self, count: usize) -> bool {
        let before = self.machines.started;
        for number in 0..count {
            let mut actor = [2; ActorId::LEN];
            actor[..8].copy_from_slice(&(number as u64).to_be_bytes());
            self.ask(Request::CreateActor(CreateActor {
                actor_id: actor.to_vec(),
                class_name: "Late".to_owned(),
                placement_resources: [("CPU".to_owned(), 1.0)].into(),
                max_restarts: -1,
                ..CreateActor::default()
            }));
        }
        self.pass(500_000);
        // The tasks of one node end; nobody waits for a task there.
        self.machines.want_no_more();
        self.pass(100_000);
        self.machines.end_tasks(self.machines.len() - 1);
        self.pass(3_000_000);
        self.machines.started == before + count
    }

    pub(crate) fn lose_nodes(&mut self, count: usize) {
        let last = self.machines.len() - 2;
        for number in 0..count {
            let mut out = Out::new();
            let began = cpu_s();
            self.machines.lose(last - number);
            self.head.on_node_lost(self.now_us, node_id(last - number), "it was unplugged", &mut out);
            self.head_s += cpu_s() - began;
            self.tell(out);
            self.settle();
        }
        self.pass(1_000_000);
    }

    pub(crate) fn restart_head(&mut self) -> bool {
        let began = cpu_s();
        let Ok(snapshot) = self.head.snapshot() else { return false };
        let Ok(restored) = Head::restore(&snapshot.bytes, Vec::new()) else { return false };
        println!("  the snapshot has {} KiB", snapshot.bytes.len() / 1024);
        let is_same = restored.snapshot().is_ok_and(|again| again == snapshot);
        self.head = restored;
        self.head_s += cpu_s() - began;
        is_same
    }
}

/// The driver, on the first node.
fn driver() -> WorkerId {
    let mut bytes = [0; WorkerId::LEN];
    bytes[..20].copy_from_slice(&node_id(0).as_bytes()[..20]);
    WorkerId::new(bytes)
}

/// What this thread has used of a processor: others that use the machine do not count.
pub(crate) fn cpu_s() -> f64 {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    time.tv_sec as f64 + time.tv_nsec as f64 * 1e-9
}
