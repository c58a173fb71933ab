//! Workers are started, kept and ended.

use crate::tests::env::{DRIVER, Env, cpus, set};
use crate::{Effect, Event, StopReason};

#[test]
fn workers_above_the_prestarted_number_end_when_idle() {
    let mut env = Env::with(cpus(2.0), |options| options.prestart_workers = 1);
    env.step(Event::Start);
    assert_eq!(env.take_starts(), [1]);
    env.ready(1);
    assert_eq!(env.node.next_deadline_ms(), None);
    env.request(DRIVER, 1, 2, cpus(1.0));
    let effects = env.take();
    assert!(matches!(effects.as_slice(), [Effect::Grant { .. }, Effect::StartWorker { .. }]), "{effects:?}");
    env.ready(2);
    env.take_grants();
    env.now_ms = 10;
    env.give_back(DRIVER, 1);
    env.now_ms = 20;
    env.give_back(DRIVER, 2);
    assert_eq!(env.node.next_deadline_ms(), Some(1_010));
    env.now_ms = 1_010;
    env.step(Event::Tick);
    assert_eq!(env.take(), [Effect::StopWorker { worker: env.id(1), reason: StopReason::Idle }]);
    assert_eq!(env.node.next_deadline_ms(), None);
    env.die(1);
}

#[test]
fn no_more_start_at_once_than_are_needed_or_allowed() {
    // POOL-1
    let mut env = Env::with(cpus(100.0), |options| options.max_workers = 5);
    env.request(DRIVER, 1, 3, cpus(1.0));
    assert_eq!(env.take_starts().len(), 3);
    env.request(DRIVER, 2, 1, cpus(1.0));
    assert_eq!(env.take_starts().len(), 1);
    env.request(DRIVER, 3, 90, set(&[]));
    assert_eq!(env.take_starts().len(), 1);
}

#[test]
fn failing_starts_slow_down_and_go_on() {
    let mut env = Env::new(1.0);
    env.request(DRIVER, 1, 1, cpus(1.0));
    for number in 1..=2 {
        assert_eq!(env.take_starts(), [number]);
        env.die(number);
    }
    assert_eq!(env.take_starts(), [3]);
    env.die(3);
    assert!(env.take().is_empty());
    assert_eq!(env.node.next_deadline_ms(), Some(100));
    env.now_ms = 100;
    env.step(Event::Tick);
    assert_eq!(env.take_starts(), [4]);
    env.ready(4);
    assert_eq!(env.take_grants().len(), 1);
}

#[test]
fn a_worker_that_never_gets_ready_is_ended() {
    let mut env = Env::with(cpus(1.0), |options| options.prestart_workers = 1);
    env.step(Event::Start);
    env.take_starts();
    env.now_ms = env.node.next_deadline_ms().expect("a deadline");
    env.step(Event::Tick);
    assert_eq!(env.take(), [Effect::StopWorker { worker: env.id(1), reason: StopReason::StartTimeout }]);
    env.die(1);
}

#[test]
fn a_worker_that_announced_its_end_keeps_its_lease_until_it_is_gone() {
    let mut env = Env::new(1.0);
    env.request(DRIVER, 1, 1, cpus(1.0));
    env.take_starts();
    env.ready(1);
    env.take_grants();
    env.step(Event::WorkerExiting { worker: env.id(1) });
    assert_eq!(env.node.free(), &set(&[]));
    env.die(1);
    assert_eq!(env.node.free(), env.node.total());
}

#[test]
fn a_worker_that_owns_objects_is_kept_and_becomes_no_actor() {
    let mut env = Env::new(1.0);
    env.request(DRIVER, 1, 1, cpus(1.0));
    env.take_starts();
    env.ready(1);
    let lease = env.take_grants()[0].2;
    env.step(Event::WorkerOwns { worker: env.id(1), owns: true });
    env.give_back(DRIVER, lease);
    assert_eq!(env.node.next_deadline_ms(), None);
    env.actor(DRIVER, 1, cpus(1.0), set(&[]));
    assert_eq!(env.take_starts(), [2]);
    env.ready(2);
    assert!(matches!(env.take().as_slice(), [Effect::ActorPlaced { .. }]));
    env.step(Event::WorkerOwns { worker: env.id(1), owns: false });
    assert_eq!(env.node.next_deadline_ms(), Some(1_000));
}
