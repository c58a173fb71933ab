//! Any order of events keeps the laws (LEASE-1 and all others), and when everything ended nothing is held (LEDGER-1).

use crate::tests::env::{Env, set};
use crate::tests::groups;
use crate::{Effect, Event, StopReason, WorkerMemory};
use std::collections::{BTreeMap, BTreeSet};
use trygon_ids::{ActorId, JobId};

/// Splitmix: the same seed gives the same story.
struct Dice(u64);

impl Dice {
    fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut word = self.0;
        word = (word ^ (word >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (word ^ (word >> 31)) % limit
    }
}

#[derive(Default)]
struct World {
    alive: BTreeSet<u64>,
    leases: Vec<(u64, u64)>,
    /// Limits of memory that are in force, by worker.
    limits: BTreeMap<u64, u64>,
    /// The worker that was ended for memory and still lives.
    victim: Option<u64>,
    next_actor: u8,
    groups: Vec<u8>,
    next_group: u8,
}

impl World {
    /// What the machinery around the brain would do.
    fn take(&mut self, env: &mut Env) {
        let low = |bytes: &[u8]| u64::from(bytes[27]) + 256 * u64::from(bytes[26]);
        for effect in env.take() {
            match effect {
                Effect::StartWorker { worker, .. } => {
                    self.alive.insert(low(worker.as_bytes()));
                }
                Effect::Grant { owner, lease, .. } => self.leases.push((low(owner.as_bytes()), lease)),
                Effect::MemoryLimited { worker, lease, .. } => {
                    let before = self.limits.insert(low(worker.as_bytes()), lease);
                    assert_eq!(before, None, "MEM-1: a worker has one limit at a time");
                }
                Effect::MemoryUnlimited { worker, lease } => {
                    let before = self.limits.remove(&low(worker.as_bytes()));
                    assert_eq!(before, Some(lease), "MEM-1: only what is there is lifted");
                }
                Effect::StopWorker { worker, reason: StopReason::MemoryPressure } => {
                    let number = low(worker.as_bytes());
                    assert_eq!(self.victim.replace(number), None, "MEM-2: one at a time");
                    let is_leased = env.node.lease_views().iter().any(|lease| lease.worker == worker);
                    assert!(is_leased, "MEM-3: worker {number} has no lease");
                }
                _ => {}
            }
        }
    }

    fn any(&self, dice: &mut Dice) -> u64 {
        let alive: Vec<u64> = self.alive.iter().copied().collect();
        if alive.is_empty() { 0 } else { alive[dice.below(alive.len() as u64) as usize] }
    }
}

fn fill_memory(env: &mut Env, world: &World, dice: &mut Dice) {
    let used = |number: &u64| WorkerMemory {
        worker: env.id(*number),
        used_bytes: dice.below(1000),
        is_retriable: dice.below(2) == 0,
    };
    let workers = world.alive.iter().map(used).collect();
    env.step(Event::MemoryPressure { excess_bytes: dice.below(500), workers });
}

fn one_event(env: &mut Env, world: &mut World, dice: &mut Dice) {
    let shapes = [
        set(&[("CPU", 1.0)]),
        set(&[("CPU", 2.5), ("memory", 300.0)]),
        set(&[("GPU", 0.5)]),
        set(&[]),
        set(&[("CPU", 1.0), ("GPU", 1.0)]),
    ];
    let mut shape = shapes[dice.below(5) as usize].clone();
    if !world.groups.is_empty() && dice.below(3) == 0 {
        let group = groups::id(world.groups[dice.below(world.groups.len() as u64) as usize]);
        let bundle = [None, Some(0), Some(1)][dice.below(3) as usize];
        shape = shape
            .iter()
            .flat_map(|(name, amount)| {
                groups::inside(group, bundle, name, amount.as_f64())
                    .iter()
                    .map(|(name, amount)| (name.to_owned(), amount))
                    .collect::<Vec<_>>()
            })
            .collect();
    }
    let process = world.any(dice);
    let worker = env.id(process);
    env.now_ms += dice.below(300);
    env.environment = dice.below(3) as u32;
    env.job = JobId::new([dice.below(3) as u8, 0, 0, 0]);
    match dice.below(21) {
        20 => fill_memory(env, world, dice),
        0 | 1 => env.request_at(process, dice.below(5), dice.below(4) as u32, shape, dice.below(3) as u32),
        2 => env.request(0, dice.below(5), 1, shape),
        3 => env.step(Event::LeaseCancelled { owner: worker, request_id: dice.below(5) }),
        4 | 5 if !world.leases.is_empty() => {
            let (owner, lease) = world.leases.swap_remove(dice.below(world.leases.len() as u64) as usize);
            env.step(Event::LeaseReturned { owner: env.id(owner), lease, worker_exiting: dice.below(4) == 0 });
        }
        6 => env.step(Event::Blocked { worker, depth: 0 }),
        7 => env.step(Event::Unblocked { worker }),
        8 if process != 0 => {
            world.alive.remove(&process);
            world.victim.take_if(|victim| *victim == process);
            env.die(process);
        }
        9 => {
            world.next_actor = world.next_actor.wrapping_add(1);
            env.actor(process, world.next_actor, shape.clone(), if dice.below(2) == 0 { shape } else { set(&[]) });
        }
        10 => env.step(Event::ActorUnwanted { actor: ActorId::new([world.next_actor; 16]) }),
        11 => env.step(Event::ActorRunning { worker }),
        12 => env.step(if dice.below(3) == 0 { Event::WorkerExiting { worker } } else { Event::Tick }),
        15 => env.step(Event::EnvironmentReady { environment: 1 + dice.below(2) as u32 }),
        16 => {
            let environment = 1 + dice.below(2) as u32;
            env.step(Event::EnvironmentFailed { environment, message: "it cannot be made".to_owned() });
        }
        13 if process != 0 => env.step(Event::WorkerOwns { worker, owns: dice.below(2) == 0 }),
        17 | 18 if world.next_group < 200 => {
            world.next_group += 1;
            world.groups.push(world.next_group);
            let bundles = [set(&[("CPU", 1.0)]), set(&[("CPU", 1.5), ("GPU", 0.5)]), set(&[("GPU", 1.0)])];
            groups::want(env, groups::id(world.next_group), &bundles[..1 + dice.below(3) as usize], dice.below(8) == 0);
        }
        19 if !world.groups.is_empty() => {
            let group = world.groups.swap_remove(dice.below(world.groups.len() as u64) as usize);
            env.step(Event::GroupRemoved { group: groups::id(group) });
        }
        _ => env.step(Event::WorkerReady { worker }),
    }
}

#[test]
fn any_order_of_events_keeps_the_laws_and_leaves_nothing_held() {
    for seed in 0..150 {
        let mut dice = Dice(seed);
        let mut world = World::default();
        let mut env = Env::with(set(&[("CPU", 4.0), ("GPU", 2.0), ("memory", 1e3)]), |options| {
            options.prestart_workers = (seed % 3) as usize;
            options.environment = (seed % 2) as u32;
            options.max_workers = if seed % 2 == 0 { 0 } else { 6 };
        });
        env.step(Event::Start);
        // With one job, with three that share, and with such as come and go (FAIR-2).
        for number in 0..seed % 4 {
            env.step(Event::JobWeighted { job: JobId::new([number as u8, 0, 0, 0]), weight: 1.0 + number as f64 });
        }
        for number in 0..200 {
            world.take(&mut env);
            if seed % 4 > 1 && number % 40 == 39 {
                let weight = if number % 80 == 79 { 2.0 } else { 0.0 };
                env.step(Event::JobWeighted { job: JobId::new([2, 0, 0, 0]), weight });
            }
            one_event(&mut env, &mut world, &mut dice);
        }
        // The end of the job: everything that was asked for is taken back, then every process ends.
        for process in world.alive.clone().into_iter().chain([0]) {
            for request_id in 0..5 {
                env.step(Event::LeaseCancelled { owner: env.id(process), request_id });
            }
        }
        for actor in 0..=255 {
            env.step(Event::ActorUnwanted { actor: ActorId::new([actor; 16]) });
        }
        for group in std::mem::take(&mut world.groups) {
            env.step(Event::GroupRemoved { group: groups::id(group) });
        }
        world.take(&mut env);
        for process in world.alive.clone().into_iter().chain([0]) {
            env.die(process);
        }
        world.take(&mut env);
        assert!(world.limits.is_empty(), "seed {seed}: MEM-1: {:?} outlived their leases", world.limits);
        assert_eq!(env.node.waiting_leases(), 0, "seed {seed}");
        assert_eq!(env.node.free(), env.node.total(), "seed {seed}");
        env.take();
    }
}
