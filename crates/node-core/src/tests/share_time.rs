//! FAIR-2 over time: jobs with endless tasks on one node, whose processes take simulated time.

use crate::tests::env::{Env, set};
use crate::{Effect, Event};
use std::collections::{BTreeMap, BTreeSet};
use trygon_ids::{JobId, WorkerId};

/// What one job does.
pub(crate) struct Program {
    pub(crate) weight: f64,
    /// How long each of its tasks takes.
    pub(crate) task_ms: u64,
    pub(crate) demand: Vec<(&'static str, f64)>,
    /// It has work from then on, and until then.
    pub(crate) from_ms: u64,
    pub(crate) until_ms: u64,
}

impl Program {
    pub(crate) fn new(weight: f64, task_ms: u64) -> Self {
        Self { weight, task_ms, demand: vec![("CPU", 1.0)], from_ms: 0, until_ms: u64::MAX }
    }
}

struct Running {
    program: usize,
    worker: WorkerId,
    until_ms: u64,
    is_revoked: bool,
}

/// A node and the programs that use it.
pub(crate) struct Story {
    env: Env,
    programs: Vec<Program>,
    running: BTreeMap<u64, Running>,
    starting: BTreeSet<(u64, WorkerId)>,
    /// Milliseconds of tasks that ran, by program.
    pub(crate) worked_ms: Vec<u64>,
    /// How often a lease was asked back.
    pub(crate) revoked: u64,
}

const START_MS: u64 = 30;

pub(crate) fn job(number: usize) -> JobId {
    JobId::new([number as u8 + 1, 0, 0, 0])
}

impl Story {
    pub(crate) fn new(resources: &[(&str, f64)], programs: Vec<Program>) -> Self {
        let mut env = Env::with(set(resources), |options| options.idle_worker_ms = 1_000_000);
        for (number, program) in programs.iter().enumerate() {
            env.step(Event::JobWeighted { job: job(number), weight: program.weight });
            env.step(Event::EnvironmentReady { environment: number as u32 + 1 });
        }
        let worked_ms = vec![0; programs.len()];
        Self { env, programs, running: BTreeMap::new(), starting: BTreeSet::new(), worked_ms, revoked: 0 }
    }

    fn owner(number: usize) -> u64 {
        200 + number as u64
    }

    fn begin(&mut self, number: usize) {
        let demand = set(&self.programs[number].demand);
        (self.env.job, self.env.environment) = (job(number), number as u32 + 1);
        self.env.request(Self::owner(number), 1, 1_000_000, demand);
    }

    fn end(&mut self, number: usize) {
        let owner = self.env.id(Self::owner(number));
        self.env.step(Event::LeaseCancelled { owner, request_id: 1 });
    }

    fn take(&mut self) {
        let now_ms = self.env.now_ms;
        for effect in self.env.take() {
            match effect {
                Effect::StartWorker { worker, .. } => {
                    self.starting.insert((now_ms + START_MS, worker));
                }
                Effect::Grant { owner, lease, worker, .. } => {
                    let program = usize::from(owner.as_bytes()[27]) - 200;
                    let until_ms = now_ms + self.programs[program].task_ms;
                    self.running.insert(lease, Running { program, worker, until_ms, is_revoked: false });
                }
                Effect::Revoke { lease, .. } => {
                    self.revoked += 1;
                    self.running.get_mut(&lease).expect("a lease that runs").is_revoked = true;
                }
                other => panic!("{other:?}"),
            }
        }
    }

    /// Lets time pass; returns what each program worked meanwhile, in hundredths of all that was worked.
    pub(crate) fn pass(&mut self, milliseconds: u64) -> Vec<f64> {
        let before = self.worked_ms.clone();
        let end_ms = self.env.now_ms + milliseconds;
        loop {
            self.take();
            let now_ms = self.env.now_ms;
            let ends = self.running.values().map(|running| running.until_ms);
            let starts = self.starting.iter().map(|(at_ms, _)| *at_ms);
            let turns = self.programs.iter().flat_map(|program| [program.from_ms, program.until_ms]);
            let turns = turns.filter(|at_ms| *at_ms > now_ms);
            let deadline = self.env.node.next_deadline_ms().map(|at_ms| at_ms.max(now_ms + 1));
            let next_ms = ends.chain(starts).chain(turns).chain(deadline).min().unwrap_or(end_ms).min(end_ms);
            let passed_ms = next_ms - now_ms;
            self.running.values().for_each(|running| self.worked_ms[running.program] += passed_ms);
            self.env.now_ms = next_ms;
            self.happen();
            if next_ms == end_ms {
                self.take();
                break;
            }
        }
        let worked: Vec<u64> = self.worked_ms.iter().zip(before).map(|(after, before)| after - before).collect();
        let all: u64 = worked.iter().sum();
        worked.into_iter().map(|worked| 100.0 * worked as f64 / all.max(1) as f64).collect()
    }

    fn happen(&mut self) {
        let now_ms = self.env.now_ms;
        for number in 0..self.programs.len() {
            if self.programs[number].from_ms == now_ms {
                self.begin(number);
            }
            if self.programs[number].until_ms == now_ms {
                self.end(number);
            }
        }
        while let Some((at_ms, worker)) = self.starting.first().copied().filter(|(at_ms, _)| *at_ms <= now_ms) {
            self.starting.remove(&(at_ms, worker));
            self.env.step(Event::WorkerReady { worker });
            self.take();
        }
        let over: Vec<u64> =
            self.running.iter().filter(|(_, running)| running.until_ms <= now_ms).map(|(lease, _)| *lease).collect();
        for lease in over {
            let running = self.running.get_mut(&lease).expect("a lease that runs");
            let program = &self.programs[running.program];
            if running.is_revoked || program.until_ms <= now_ms {
                let owner = Self::owner(running.program);
                self.running.remove(&lease);
                self.env.give_back(owner, lease);
                self.take();
            } else {
                running.until_ms = now_ms + program.task_ms;
            }
        }
        if self.env.node.next_deadline_ms().is_some_and(|at_ms| at_ms <= now_ms) {
            self.env.step(Event::Tick);
        }
    }

    /// Everybody starts who has work from the beginning.
    pub(crate) fn start(&mut self) {
        for number in 0..self.programs.len() {
            if self.programs[number].from_ms == 0 {
                self.begin(number);
            }
        }
    }

    /// Workers that run something now.
    pub(crate) fn busy(&self) -> BTreeSet<WorkerId> {
        self.running.values().map(|running| running.worker).collect()
    }
}
