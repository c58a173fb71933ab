//! GROUP-3: bundles of a group over many nodes.

use crate::tests::env::{DRIVER, Env, cpus, set};
use crate::tests::groups::{id, inside};
use crate::{Effect, Event, StopReason};
use trygon_resources::ResourceSet;

fn prepare(env: &mut Env, attempt: u32, bundles: &[(u32, ResourceSet)]) -> bool {
    env.step(Event::BundlesPrepare { group: id(1), attempt, bundles: bundles.to_vec() });
    match env.take().pop() {
        Some(Effect::BundlesPrepared { ok, attempt: answered, .. }) if answered == attempt => ok,
        other => panic!("{other:?}"),
    }
}

#[test]
fn bundles_are_held_together_and_used_after_the_second_phase() {
    let mut env = Env::new(4.0);
    assert!(!prepare(&mut env, 1, &[(0, cpus(3.0)), (2, cpus(2.0))]));
    assert_eq!(env.node.free(), env.node.total());
    assert!(prepare(&mut env, 2, &[(0, cpus(1.0)), (2, cpus(2.0))]));
    assert_eq!(env.node.free(), &cpus(1.0));
    assert_eq!(env.node.free_by_name(), cpus(1.0));
    assert_eq!(env.node.held_bundles(), [(id(1), 0, 2, false), (id(1), 2, 2, false)]);
    env.request(DRIVER, 1, 1, inside(id(1), Some(2), "CPU", 2.0));
    assert!(env.take().is_empty());
    env.step(Event::BundlesCommit { group: id(1), attempt: 2 });
    assert_eq!(env.take_starts(), [1]);
    env.ready(1);
    assert_eq!(env.take_grants()[0].1, 1);
    env.step(Event::GroupRemoved { group: id(1) });
    assert_eq!(env.take(), [Effect::StopWorker { worker: env.id(1), reason: StopReason::GroupRemoved }]);
    env.die(1);
    assert_eq!(env.node.free(), env.node.total());
}

#[test]
fn an_attempt_takes_over_what_the_one_before_holds_and_old_returns_do_nothing() {
    let mut env = Env::with(set(&[("CPU", 2.0), ("GPU", 1.0)]), |_| {});
    assert!(prepare(&mut env, 1, &[(0, cpus(1.0))]));
    assert!(prepare(&mut env, 2, &[(0, cpus(1.0)), (1, set(&[("GPU", 1.0)]))]));
    env.step(Event::BundlesReturn { group: id(1), attempt: 1 });
    assert_eq!(env.node.free(), &cpus(1.0));
    env.step(Event::BundlesReturn { group: id(1), attempt: 2 });
    assert_eq!(env.node.free(), env.node.total());
}

#[test]
fn a_return_ends_what_runs_in_these_bundles_only() {
    let mut env = Env::new(3.0);
    assert!(prepare(&mut env, 1, &[(0, cpus(1.0))]));
    env.step(Event::BundlesCommit { group: id(1), attempt: 1 });
    assert!(prepare(&mut env, 2, &[(5, cpus(1.0))]));
    env.step(Event::BundlesCommit { group: id(1), attempt: 2 });
    env.request(DRIVER, 1, 1, inside(id(1), Some(0), "CPU", 1.0));
    env.request(DRIVER, 2, 1, inside(id(1), Some(5), "CPU", 1.0));
    env.take_starts();
    env.ready(1);
    env.ready(2);
    env.take_grants();
    env.step(Event::BundlesReturn { group: id(1), attempt: 2 });
    assert_eq!(env.take(), [Effect::StopWorker { worker: env.id(2), reason: StopReason::GroupRemoved }]);
    env.die(2);
    assert_eq!(env.node.free(), &cpus(2.0));
    env.give_back(DRIVER, 1);
}

#[test]
fn a_place_that_is_named_twice_is_held_once() {
    let mut env = Env::new(4.0);
    assert!(prepare(&mut env, 1, &[(0, cpus(1.0)), (0, cpus(2.0)), (1, cpus(1.0))]));
    assert_eq!(env.node.free(), &cpus(2.0));
    assert_eq!(env.node.held_bundles(), [(id(1), 0, 1, false), (id(1), 1, 1, false)]);
}
