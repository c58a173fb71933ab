//! The world around the node: what was asked, what lives, what is held.

use crate::brains::node::order::Order;
use crate::random::Random;
use std::collections::{BTreeMap, BTreeSet};
use trygon_ids::{ActorId, JobId, PlacementGroupId, WorkerId};
use trygon_node_core::{
    Effect, EnvironmentId, Event, Labels, LeaseId, LeaseRequest, Node, NodeDefects, Options, QueuedView, StopReason,
};
use trygon_placement::Demand;
use trygon_resources::{Amount, ResourceSet};

/// Amounts by name.
pub(super) fn set(entries: &[(&str, f64)]) -> ResourceSet {
    let amount = |value: f64| Amount::from_f64(value).unwrap_or(Amount::ZERO);
    entries.iter().map(|(name, value)| ((*name).to_owned(), amount(*value))).collect()
}

/// Everything.
pub(super) struct World {
    pub(super) random: Random,
    pub(super) node: Node,
    pub(super) now_ms: u64,
    pub(super) events: u64,
    /// Workers that live, and what they run in.
    pub(super) workers: BTreeMap<WorkerId, EnvironmentId>,
    /// Leases that are held: their owners and workers.
    pub(super) leases: BTreeMap<LeaseId, (WorkerId, WorkerId)>,
    /// What requests are to run in.
    environments: BTreeMap<(WorkerId, u64), EnvironmentId>,
    /// Limits of memory that are in force.
    limits: BTreeMap<WorkerId, LeaseId>,
    /// The worker that was ended for memory and still lives.
    victim: Option<WorkerId>,
    /// Requests that their owners may still cancel.
    pub(super) requests: Vec<(WorkerId, u64)>,
    pub(super) actors: Vec<ActorId>,
    /// Groups that were wanted and not removed: how many bundles each has.
    pub(super) groups: BTreeMap<PlacementGroupId, usize>,
    pub(super) order: Order,
    pub(super) next_number: u64,
    /// With one job, with some that share, and with such as come and go (FAIR-2).
    pub(super) jobs: u64,
}

impl World {
    pub(super) fn new(seed: u64, defects: NodeDefects) -> Self {
        let mut node = Node::new(Options {
            resources: set(&[("CPU", 4.0), ("GPU", 2.0), ("memory", 1e3)]),
            node_id: "aa".to_owned(),
            labels: Labels::new(),
            prestart_workers: (seed % 3) as usize,
            idle_worker_ms: 1_000,
            max_workers: if seed.is_multiple_of(2) { 0 } else { 6 },
            max_parallel_starts: 8,
            environment: (seed % 2) as u32,
            worker_id_prefix: [1; 20],
        });
        node.set_defects(defects);
        Self {
            random: Random::new(seed),
            node,
            now_ms: 0,
            events: 0,
            workers: BTreeMap::new(),
            leases: BTreeMap::new(),
            environments: BTreeMap::new(),
            limits: BTreeMap::new(),
            victim: None,
            requests: Vec::new(),
            actors: Vec::new(),
            groups: BTreeMap::new(),
            order: Order::default(),
            next_number: 0,
            jobs: [1, 1, 2, 3][(seed % 4) as usize],
        }
    }

    pub(super) fn driver(&self) -> WorkerId {
        self.node.worker_id(0)
    }

    /// One event, and what the node makes of it.
    pub(super) fn step(&mut self, event: Event) -> Result<(), String> {
        self.events += 1;
        let before = self.order.before(&self.node);
        let mut effects = Vec::new();
        let described = format!("{event:?}");
        self.node.step(self.now_ms, event, &mut effects);
        let checked = self.node.sanity_check().and_then(|()| self.order.check(before, &self.node, &effects));
        for effect in effects {
            self.perform(effect)?;
        }
        checked
            .and_then(|()| self.check_groups())
            .map_err(|broken| format!("{broken}, at {} ms after {described}", self.now_ms))
    }

    pub(super) fn request(&mut self, request: LeaseRequest) -> Result<(), String> {
        let LeaseRequest { owner, job, request_id, count, depth, environment, .. } = request;
        self.environments.insert((owner, request_id), environment);
        self.requests.push((owner, request_id));
        let demand = Demand::parse(&request.resources);
        let request_id = Some(request_id);
        self.order.ask(QueuedView {
            owner,
            ticket: 0,
            request_id,
            job,
            demand,
            environment,
            here: count,
            rank: depth + 1,
        });
        self.step(Event::LeaseRequested(request))
    }

    /// GROUP-1: all bundles of a group, or none.
    fn check_groups(&self) -> Result<(), String> {
        let mut held: BTreeMap<PlacementGroupId, usize> = BTreeMap::new();
        for bundle in self.node.bundle_views() {
            *held.entry(bundle.group).or_default() += 1;
        }
        for (group, count) in held {
            let wanted = self.groups.get(&group).copied().unwrap_or(0);
            if wanted != count {
                return Err(format!("GROUP-1: {count} bundles of a group are held, and it has {wanted}"));
            }
        }
        Ok(())
    }

    fn perform(&mut self, effect: Effect) -> Result<(), String> {
        match effect {
            Effect::StartWorker { worker, environment } => {
                self.workers.insert(worker, environment);
            }
            Effect::Grant { owner, request_id, lease, worker, .. } => {
                self.take_worker(owner, lease, worker)?;
                let wanted = self.environments.get(&(owner, request_id)).copied();
                if self.workers.get(&worker).copied() != wanted {
                    return Err(format!(
                        "ENV-1: lease {lease} wants environment {wanted:?}, and its worker runs in another"
                    ));
                }
            }
            Effect::MemoryLimited { worker, lease, .. } => {
                if let Some(before) = self.limits.insert(worker, lease) {
                    return Err(format!("MEM-1: a worker with the limit of lease {before} gets another"));
                }
            }
            Effect::MemoryUnlimited { worker, lease } => {
                let before = self.limits.remove(&worker);
                if before != Some(lease) {
                    return Err(format!("MEM-1: the limit of lease {lease} is lifted, and {before:?} is in force"));
                }
            }
            Effect::StopWorker { worker, reason: StopReason::MemoryPressure } => {
                if self.victim.replace(worker).is_some() {
                    return Err("MEM-2: two workers are ended for memory at a time".to_owned());
                }
                if !self.node.lease_views().iter().any(|lease| lease.worker == worker) {
                    return Err("MEM-3: a worker is ended for memory that has no lease".to_owned());
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// LEASE-1: a worker that has a lease gets no other.
    fn take_worker(&mut self, owner: WorkerId, lease: LeaseId, worker: WorkerId) -> Result<(), String> {
        let held = self.node.lease_views();
        self.leases.retain(|id, _| held.iter().any(|view| view.lease == *id));
        if let Some((other, _)) = self.leases.iter().find(|(_, (_, holder))| *holder == worker) {
            return Err(format!("LEASE-1: the worker of lease {other} got lease {lease} too"));
        }
        self.leases.insert(lease, (owner, worker));
        Ok(())
    }

    pub(super) fn die(&mut self, process: WorkerId) -> Result<(), String> {
        self.workers.remove(&process);
        self.victim.take_if(|victim| *victim == process);
        self.step(Event::ProcessDied { process })
    }

    /// Everything that was asked for is taken back, then every process ends: nothing is held.
    pub(super) fn end(&mut self) -> Result<(), String> {
        for (owner, request_id) in std::mem::take(&mut self.requests) {
            self.step(Event::LeaseCancelled { owner, request_id })?;
        }
        for actor in std::mem::take(&mut self.actors) {
            self.step(Event::ActorUnwanted { actor })?;
        }
        while let Some((group, _)) = self.groups.pop_first() {
            self.step(Event::GroupRemoved { group })?;
        }
        let living: BTreeSet<WorkerId> = self.workers.keys().copied().chain([self.driver()]).collect();
        for process in living {
            self.die(process)?;
        }
        if !self.limits.is_empty() {
            return Err(format!("MEM-1: limits outlive their leases: {:?}", self.limits));
        }
        if self.node.waiting_leases() > 0 {
            return Err("LEASE-4: requests wait at the end".to_owned());
        }
        if self.node.free() != self.node.total() {
            return Err(format!("LEDGER-1: free is {:?} at the end", self.node.free()));
        }
        Ok(())
    }

    pub(super) fn job(&mut self) -> JobId {
        JobId::new([self.random.below(self.jobs) as u8, 0, 0, 0])
    }
}
