//! Actors get workers of their own.

use crate::tests::env::{DRIVER, Env, cpus, set};
use crate::{Effect, Event};
use trygon_ids::ActorId;

#[test]
fn an_actor_holds_its_placement_only_until_it_runs() {
    let mut env = Env::new(1.0);
    env.actor(DRIVER, 1, cpus(1.0), set(&[]));
    env.take_starts();
    env.ready(1);
    assert!(matches!(env.take().as_slice(), [Effect::ActorPlaced { incarnation: 0, .. }]));
    assert_eq!(env.node.free(), &set(&[]));
    env.step(Event::ActorRunning { worker: env.id(1) });
    assert_eq!(env.node.free(), &cpus(1.0));
    env.die(1);
    assert_eq!(env.node.free(), env.node.total());
}

#[test]
fn an_actor_keeps_what_it_asked_for_life() {
    let mut env = Env::with(set(&[("CPU", 2.0), ("GPU", 1.0)]), |_| {});
    env.actor(DRIVER, 1, cpus(1.0), set(&[("CPU", 2.0), ("GPU", 1.0)]));
    env.take_starts();
    env.ready(1);
    env.take();
    env.step(Event::ActorRunning { worker: env.id(1) });
    assert_eq!(env.node.free(), &set(&[]));
    env.die(1);
    assert_eq!(env.node.free(), env.node.total());
}

#[test]
fn a_device_that_was_only_for_placement_is_free_again() {
    let mut env = Env::with(set(&[("GPU", 1.0)]), |_| {});
    env.actor(DRIVER, 1, set(&[("GPU", 1.0)]), set(&[]));
    env.take_starts();
    env.ready(1);
    env.take();
    env.step(Event::ActorRunning { worker: env.id(1) });
    assert_eq!(env.node.free(), env.node.total());
}

#[test]
fn an_actor_that_is_not_wanted_any_more_leaves_the_line() {
    let mut env = Env::new(1.0);
    env.actor(DRIVER, 1, cpus(1.0), set(&[]));
    env.take_starts();
    env.step(Event::ActorUnwanted { actor: ActorId::new([1; 16]) });
    env.ready(1);
    assert!(env.take().is_empty());
}

#[test]
fn a_creator_s_death_leaves_its_actors_to_others() {
    let mut env = Env::new(2.0);
    env.actor(5, 1, cpus(1.0), set(&[]));
    env.take_starts();
    env.die(5);
    env.ready(1);
    assert!(matches!(env.take().as_slice(), [Effect::ActorPlaced { .. }]));
    env.die(5);
    assert!(env.take().is_empty());
}
