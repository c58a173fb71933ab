//! Workers that wait lend their CPUs.

use crate::tests::env::{DRIVER, Env, cpus, set};
use crate::{Effect, Event};

/// One CPU; worker 1 runs a task of the driver and waits.
fn blocked() -> Env {
    let mut env = Env::new(1.0);
    env.request(DRIVER, 1, 1, cpus(1.0));
    env.take_starts();
    env.ready(1);
    env.take_grants();
    env.step(Event::Blocked { worker: env.id(1), depth: 0 });
    env
}

#[test]
fn children_of_blocked_workers_come_first_the_deepest_before_all() {
    // QUEUE-1
    let mut env = blocked();
    env.request(DRIVER, 2, 1, cpus(1.0));
    env.take_starts();
    env.request_at(1, 3, 1, cpus(1.0), 1);
    env.ready(2);
    assert_eq!(env.take_grants()[0].1, 3);
    env.step(Event::Blocked { worker: env.id(2), depth: 1 });
    env.take_starts();
    env.request_at(1, 4, 1, cpus(1.0), 1);
    env.request_at(2, 5, 1, cpus(1.0), 2);
    env.ready(3);
    assert_eq!(env.take_grants()[0].1, 5);
}

#[test]
fn who_goes_on_takes_its_cpu_back_even_below_zero() {
    let mut env = blocked();
    env.request_at(1, 3, 2, cpus(1.0), 1);
    env.take_starts();
    env.ready(2);
    let child = env.take_grants()[0].2;
    env.step(Event::Unblocked { worker: env.id(1) });
    env.step(Event::Unblocked { worker: env.id(1) });
    assert_eq!(env.node.free().get("CPU").as_f64(), -1.0);
    env.give_back(1, child);
    assert_eq!(env.node.free(), &set(&[]));
    assert!(env.take().is_empty());
    env.give_back(DRIVER, 1);
    assert_eq!(env.take_grants().len(), 1);
}

#[test]
fn a_blocked_worker_that_dies_returns_what_it_had_once() {
    let mut env = blocked();
    env.step(Event::Blocked { worker: env.id(1), depth: 0 });
    env.die(1);
    assert_eq!(env.node.free(), env.node.total());
}

#[test]
fn at_the_cap_the_chain_is_named() {
    let mut env = Env::with(cpus(1.0), |options| options.max_workers = 1);
    env.request(DRIVER, 1, 1, cpus(1.0));
    env.take_starts();
    env.ready(1);
    env.take_grants();
    env.request_at(1, 2, 1, cpus(1.0), 1);
    assert!(env.take().is_empty());
    env.step(Event::Blocked { worker: env.id(1), depth: 0 });
    let effects = env.take();
    let [Effect::LeaseWaits { request_id: 2, message, cap_reached: true, .. }] = effects.as_slice() else {
        panic!("{effects:?}")
    };
    assert!(message.contains("task1"), "{message}");
}
