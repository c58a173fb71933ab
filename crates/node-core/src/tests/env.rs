//! A node under test: every effect must be taken, and the laws hold after every event.

use crate::{ActorRequest, Effect, EnvironmentId, Event, LeaseRequest, Node, Options, PLAIN};
use trygon_ids::{ActorId, JobId, WorkerId};
use trygon_resources::{Amount, ResourceSet};

pub(crate) const DRIVER: u64 = 0;

pub(crate) fn set(entries: &[(&str, f64)]) -> ResourceSet {
    let amount = |value: f64| Amount::from_f64(value).expect("an amount");
    entries.iter().map(|(name, value)| ((*name).to_owned(), amount(*value))).collect()
}

pub(crate) fn cpus(count: f64) -> ResourceSet {
    set(&[("CPU", count)])
}

pub(crate) struct Env {
    pub(crate) node: Node,
    pub(crate) now_ms: u64,
    /// What the next requests ask for.
    pub(crate) environment: EnvironmentId,
    /// Whose they are.
    pub(crate) job: JobId,
    effects: Vec<Effect>,
}

impl Env {
    pub(crate) fn with(resources: ResourceSet, change: impl FnOnce(&mut Options)) -> Self {
        let mut options = Options {
            resources,
            node_id: "aa".to_owned(),
            labels: crate::Labels::from([("zone".to_owned(), "a".to_owned())]),
            prestart_workers: 0,
            idle_worker_ms: 1_000,
            max_workers: 0,
            max_parallel_starts: 8,
            environment: PLAIN,
            worker_id_prefix: [1; 20],
        };
        change(&mut options);
        Self { node: Node::new(options), now_ms: 0, environment: PLAIN, job: JobId::nil(), effects: Vec::new() }
    }

    pub(crate) fn new(cpu_count: f64) -> Self {
        Self::with(cpus(cpu_count), |_| {})
    }

    pub(crate) fn id(&self, number: u64) -> WorkerId {
        self.node.worker_id(number)
    }

    pub(crate) fn number_of(&self, worker: WorkerId) -> u64 {
        u64::from(worker.as_bytes()[27])
    }

    pub(crate) fn step(&mut self, event: Event) {
        self.node.step(self.now_ms, event.clone(), &mut self.effects);
        if let Err(broken) = self.node.sanity_check() {
            panic!("{broken}\nafter {event:?}\n{:#?}", self.node);
        }
    }

    pub(crate) fn take(&mut self) -> Vec<Effect> {
        std::mem::take(&mut self.effects)
    }

    /// Takes all effects, which must be starts; returns the numbers.
    pub(crate) fn take_starts(&mut self) -> Vec<u64> {
        let number = |effect| match effect {
            Effect::StartWorker { worker, .. } => u64::from(worker.as_bytes()[27]),
            other => panic!("{other:?} is no start"),
        };
        self.take().into_iter().map(number).collect()
    }

    pub(crate) fn ready(&mut self, number: u64) {
        self.step(Event::WorkerReady { worker: self.id(number) });
    }

    pub(crate) fn request(&mut self, owner: u64, request_id: u64, count: u32, resources: ResourceSet) {
        self.request_at(owner, request_id, count, resources, 0);
    }

    pub(crate) fn request_at(&mut self, owner: u64, request_id: u64, count: u32, resources: ResourceSet, depth: u32) {
        let owner = self.id(owner);
        let name = format!("task{request_id}");
        let environment = self.environment;
        let job = self.job;
        let request = LeaseRequest { owner, job, request_id, resources, count, depth, name, environment };
        self.step(Event::LeaseRequested(request));
    }

    pub(crate) fn actor(&mut self, owner: u64, byte: u8, placement: ResourceSet, lifetime: ResourceSet) {
        let owner = self.id(owner);
        let actor = ActorId::new([byte; 16]);
        let name = "Actor".to_owned();
        self.step(Event::ActorWanted(ActorRequest {
            actor,
            incarnation: 0,
            owner,
            placement,
            lifetime,
            depth: 0,
            name,
            environment: self.environment,
        }));
    }

    pub(crate) fn give_back(&mut self, owner: u64, lease: u64) {
        self.step(Event::LeaseReturned { owner: self.id(owner), lease, worker_exiting: false });
    }

    pub(crate) fn die(&mut self, number: u64) {
        self.step(Event::ProcessDied { process: self.id(number) });
    }

    /// Takes all effects, which must be grants; returns (owner, request, lease, worker).
    pub(crate) fn take_grants(&mut self) -> Vec<(u64, u64, u64, u64)> {
        let grant = |effect| match effect {
            Effect::Grant { owner, request_id, lease, worker, .. } => {
                (u64::from(owner.as_bytes()[27]), request_id, lease, u64::from(worker.as_bytes()[27]))
            }
            other => panic!("{other:?} is no grant"),
        };
        self.take().into_iter().map(grant).collect()
    }
}

impl Drop for Env {
    fn drop(&mut self) {
        if !std::thread::panicking() {
            assert!(self.effects.is_empty(), "nobody took {:?}", self.effects);
        }
    }
}
