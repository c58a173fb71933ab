//! Owners, what they run, and time.

use crate::random::Random;
use std::collections::{BTreeMap, BTreeSet};
use trygon_ids::{JobId, WorkerId};
use trygon_node_core::{Effect, Event, Labels, LeaseId, LeaseRequest, Node, NodeDefects, Options, PLAIN};
use trygon_resources::{Amount, ResourceSet};

/// How long a large request may wait: it is overtaken for 200 ms, then every lease of what is held for it ends within 30 ms; three take
/// turns, and what was held for too short a time is held again, for longer.
const MOST_MS: u64 = 4_500;
/// How long a run is.
const END_MS: u64 = 9_000;

/// What is to happen.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Next {
    /// A task of a lease ends.
    Ended(LeaseId),
    /// A worker that was started is ready.
    Ready(WorkerId),
    /// Somebody asks for most of the node.
    Large,
    Tick,
}

/// A lease that an owner holds.
#[derive(Debug)]
struct Held {
    owner: WorkerId,
    worker: WorkerId,
    request_id: u64,
    is_wanted_back: bool,
}

/// Everything.
pub(super) struct World {
    random: Random,
    node: Node,
    now_ms: u64,
    cpus: u64,
    events: u64,
    next: BTreeMap<(u64, u64), Next>,
    sequence: u64,
    /// When the next tick is planned.
    tick_ms: u64,
    owners: Vec<WorkerId>,
    leases: BTreeMap<LeaseId, Held>,
    next_request: u64,
    /// Requests for much, and since when they wait.
    large: BTreeMap<u64, u64>,
    /// Tasks of tasks: the worker that waits for each.
    children: BTreeMap<u64, WorkerId>,
    waits: BTreeSet<WorkerId>,
}

fn cpus(count: u64) -> ResourceSet {
    [("CPU".to_owned(), Amount::whole(count as i64))].into_iter().collect()
}

impl World {
    pub(super) fn new(seed: u64, defects: NodeDefects) -> Self {
        let mut random = Random::new(seed);
        let count = 3 + random.below(6);
        let mut node = Node::new(Options {
            resources: cpus(count),
            node_id: "aa".to_owned(),
            labels: Labels::new(),
            prestart_workers: count as usize,
            idle_worker_ms: 1_000_000,
            max_workers: 0,
            max_parallel_starts: 4,
            environment: PLAIN,
            worker_id_prefix: [1; 20],
        });
        node.set_defects(defects);
        let owners = (0..2 + random.below(4)).map(|_| node.take_number()).collect::<Vec<u64>>();
        let owners = owners.into_iter().map(|number| node.worker_id(number)).collect();
        Self {
            random,
            node,
            now_ms: 0,
            cpus: count,
            events: 0,
            next: BTreeMap::new(),
            sequence: 0,
            tick_ms: u64::MAX,
            owners,
            leases: BTreeMap::new(),
            next_request: 0,
            large: BTreeMap::new(),
            children: BTreeMap::new(),
            waits: BTreeSet::new(),
        }
    }

    fn plan(&mut self, delay_ms: u64, next: Next) {
        self.sequence += 1;
        self.next.insert((self.now_ms + delay_ms, self.sequence), next);
    }

    pub(super) fn run(mut self) -> Result<u64, String> {
        self.step(Event::Start)?;
        for owner in self.owners.clone() {
            self.ask(owner, 1, 2, 0)?;
        }
        for _ in 0..1 + self.random.below(3) {
            let delay_ms = self.random.below(END_MS / 2);
            self.plan(delay_ms, Next::Large);
        }
        while let Some(((time_ms, _), next)) = self.next.pop_first() {
            self.now_ms = time_ms;
            if time_ms > END_MS {
                break;
            }
            self.happen(next)?;
            if let Some((request, since_ms)) = self.large.iter().find(|(_, since_ms)| time_ms - *since_ms > MOST_MS) {
                return Err(format!(
                    "FAIR-1: request {request}, which could be met, waits since {since_ms} ms at {time_ms} ms"
                ));
            }
        }
        Ok(self.events)
    }

    fn happen(&mut self, next: Next) -> Result<(), String> {
        match next {
            Next::Ready(worker) => self.step(Event::WorkerReady { worker }),
            Next::Tick => {
                self.tick_ms = u64::MAX;
                self.step(Event::Tick)
            }
            Next::Large => {
                let owner = self.owners[self.random.below(self.owners.len() as u64) as usize];
                let count = 2 + self.random.below(self.cpus - 1);
                self.large.insert(self.next_request + 1, self.now_ms);
                self.ask(owner, count, 1, 0)
            }
            Next::Ended(lease) => self.on_ended(lease),
        }
    }

    fn ask(&mut self, owner: WorkerId, size: u64, count: u32, depth: u32) -> Result<(), String> {
        self.next_request += 1;
        let (request_id, job) = (self.next_request, JobId::nil());
        let (resources, name) = (cpus(size), format!("task{request_id}"));
        let request = LeaseRequest { owner, job, request_id, resources, count, depth, name, environment: PLAIN };
        self.step(Event::LeaseRequested(request))
    }

    /// A task ended: its owner runs the next one on the same lease, unless that is wanted back.
    fn on_ended(&mut self, lease: LeaseId) -> Result<(), String> {
        let is_child = self.leases.get(&lease).is_some_and(|held| self.children.contains_key(&held.request_id));
        let Some(held) = self.leases.get(&lease) else { return Ok(()) };
        let (owner, worker) = (held.owner, held.worker);
        if self.waits.contains(&worker) {
            // It goes on when what it waits for has ended.
            return Ok(());
        }
        if !is_child && self.random.percent(10) {
            self.waits.insert(worker);
            self.step(Event::Blocked { worker, depth: 0 })?;
            self.children.insert(self.next_request + 1, worker);
            return self.ask(worker, 1, 1, 1);
        }
        let is_small = self.leases.get(&lease).is_some_and(|held| !held.is_wanted_back);
        if is_small && !is_child && !self.random.percent(3) {
            self.run_task(lease);
            return Ok(());
        }
        let request_id = self.leases.remove(&lease).map_or(0, |held| held.request_id);
        self.step(Event::LeaseReturned { owner, lease, worker_exiting: false })?;
        if let Some(parent) = self.children.remove(&request_id) {
            self.waits.remove(&parent);
            self.step(Event::Unblocked { worker: parent })?;
            let of_parent = self.leases.iter().find(|(_, held)| held.worker == parent).map(|(lease, _)| *lease);
            of_parent.into_iter().for_each(|lease| self.run_task(lease));
        }
        Ok(())
    }

    fn run_task(&mut self, lease: LeaseId) {
        let length_ms = 1 + self.random.below(30);
        self.plan(length_ms, Next::Ended(lease));
    }

    fn step(&mut self, event: Event) -> Result<(), String> {
        self.events += 1;
        let mut effects = Vec::new();
        self.node.step(self.now_ms, event, &mut effects);
        self.node.sanity_check()?;
        for effect in effects {
            match effect {
                Effect::StartWorker { worker, .. } => {
                    let delay_ms = 1 + self.random.below(5);
                    self.plan(delay_ms, Next::Ready(worker));
                }
                Effect::Revoke { lease, .. } => {
                    self.leases.get_mut(&lease).into_iter().for_each(|held| held.is_wanted_back = true);
                }
                Effect::Grant { owner, request_id, lease, worker, .. } => {
                    let is_large = self.large.remove(&request_id).is_some();
                    self.leases.insert(lease, Held { owner, worker, request_id, is_wanted_back: is_large });
                    self.run_task(lease);
                    if !is_large && !self.children.contains_key(&request_id) {
                        // There is always more to do.
                        self.ask(owner, 1, 1, 0)?;
                    }
                }
                _ => {}
            }
        }
        if let Some(deadline_ms) = self.node.next_deadline_ms().filter(|deadline_ms| *deadline_ms < self.tick_ms) {
            self.tick_ms = deadline_ms.max(self.now_ms + 1);
            self.plan(self.tick_ms - self.now_ms, Next::Tick);
        }
        Ok(())
    }
}
