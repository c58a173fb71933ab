//! Limits of memory, and who goes when the node's memory is nearly full (MEM-1, MEM-2, MEM-3).

use crate::tests::env::{DRIVER, Env, set};
use crate::{Effect, Event, MemoryCharge, StopReason, WorkerMemory};

const MIB: u64 = 1 << 20;

/// A node with `tasks` leased workers, numbered from 1, and after them `actors`.
fn busy(tasks: u32, actors: u8) -> Env {
    let mut env = Env::with(set(&[("CPU", 100.0), ("memory", 1e12)]), |_| {});
    env.request(DRIVER, 1, tasks, set(&[("CPU", 1.0)]));
    for actor in 0..actors {
        env.actor(DRIVER, actor + 1, set(&[("CPU", 1.0)]), set(&[("CPU", 1.0)]));
    }
    for number in 1..=u64::from(tasks) + u64::from(actors) {
        env.ready(number);
    }
    env.take();
    env
}

fn memory(env: &Env, number: u64, mebibytes: u64, is_retriable: bool) -> WorkerMemory {
    WorkerMemory { worker: env.id(number), used_bytes: mebibytes * MIB, is_retriable }
}

/// The worker that is ended, if one is.
fn victim(env: &mut Env, excess: u64, workers: Vec<WorkerMemory>) -> Option<u64> {
    env.step(Event::MemoryPressure { excess_bytes: excess * MIB, workers });
    match env.take().as_slice() {
        [] => None,
        [Effect::StopWorker { worker, reason: StopReason::MemoryPressure }] => Some(env.number_of(*worker)),
        other => panic!("{other:?}"),
    }
}

#[test]
fn a_limit_comes_before_the_grant_and_ends_with_the_lease() {
    let mut env = Env::with(set(&[("CPU", 2.0), ("memory", 1e9)]), |_| {});
    env.request(DRIVER, 1, 1, set(&[("CPU", 1.0), ("memory", 100e6)]));
    env.take_starts();
    env.ready(1);
    let (worker, name) = (env.id(1), "task1".to_owned());
    let effects = env.take();
    let limited = Effect::MemoryLimited { worker, lease: 1, limit_bytes: 100_000_000, name };
    assert!(effects[0] == limited && matches!(effects[1], Effect::Grant { lease: 1, .. }), "{effects:?}");
    env.request(DRIVER, 2, 1, set(&[("CPU", 1.0), ("memory", 950e6)]));
    env.take();
    env.give_back(DRIVER, 1);
    let effects = env.take();
    assert_eq!(effects[0], Effect::MemoryUnlimited { worker, lease: 1 });
    assert!(matches!(effects[1], Effect::MemoryLimited { lease: 2, limit_bytes: 950_000_000, .. }), "{effects:?}");
    env.step(Event::ProcessDied { process: worker });
    assert_eq!(env.take()[0], Effect::MemoryUnlimited { worker, lease: 2 });
}

#[test]
fn only_what_was_gained_since_is_charged() {
    // MEM-1
    let mut charge = MemoryCharge::new(100);
    assert_eq!(charge.threshold_bytes(), 0);
    assert_eq!(charge.on_sample(500), None);
    assert_eq!((charge.threshold_bytes(), charge.on_sample(600)), (600, None));
    let over = charge.on_sample(601).expect("over");
    assert_eq!((over.used_bytes, over.peak_bytes, over.earlier_bytes), (101, 101, 500));
    // What was there before and was freed is not had again for nothing.
    assert_eq!(charge.on_sample(200), None);
    assert_eq!(charge.threshold_bytes(), 300);
    assert!(charge.on_sample(301).is_some_and(|over| over.used_bytes == 101 && over.earlier_bytes == 200));
}

#[test]
fn the_newest_of_the_large_ones_goes_first() {
    // MEM-3
    let mut env = busy(4, 0);
    let workers = vec![
        memory(&env, 1, 900, true),
        memory(&env, 2, 1000, true),
        memory(&env, 3, 20, true),
        memory(&env, 4, 1000, false),
    ];
    assert_eq!(victim(&mut env, 10, workers), Some(2));
}

#[test]
fn work_that_would_be_lost_goes_later_and_actors_last() {
    let mut env = busy(2, 1);
    let all = |env: &Env| vec![memory(env, 1, 500, true), memory(env, 2, 900, false), memory(env, 3, 950, true)];
    let workers = all(&env);
    assert_eq!(victim(&mut env, 10, workers), Some(1));
    // MEM-2: it has not ended.
    let workers = all(&env);
    assert_eq!(victim(&mut env, 10, workers), None);
    env.die(1);
    env.take();
    let workers = all(&env);
    assert_eq!(victim(&mut env, 10, workers), Some(2));
    env.die(2);
    env.take();
    let workers = all(&env);
    assert_eq!(victim(&mut env, 10, workers), Some(3));
    env.die(3);
    env.take();
}

#[test]
fn nobody_goes_for_what_others_use() {
    let mut env = busy(3, 0);
    // MEM-3: number 9 has no lease, the driver is none of the workers.
    let workers = vec![memory(&env, 1, 10, true), memory(&env, 9, 4000, true), memory(&env, DRIVER, 9000, true)];
    assert_eq!(victim(&mut env, 100, workers), None);
    let workers = vec![memory(&env, 1, 10, true), memory(&env, 2, 10, true), memory(&env, 3, 10, true)];
    assert_eq!(victim(&mut env, 25, workers), Some(3));
    env.die(3);
    env.take();
    assert_eq!(victim(&mut env, 100, Vec::new()), None);
}
