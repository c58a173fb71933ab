//! Environments: prepared before workers start, kept apart, refused when they cannot be made (ENV-1).

use crate::tests::env::{DRIVER, Env, cpus, set};
use crate::{Effect, Event, PLAIN, Refusal, StopReason};
use trygon_ids::ActorId;

fn prepared(env: &mut Env, environment: u32) {
    env.step(Event::EnvironmentReady { environment });
}

fn failed(env: &mut Env, environment: u32) {
    env.step(Event::EnvironmentFailed { environment, message: "no such package".to_owned() });
}

#[test]
fn nothing_starts_before_the_environment_is_prepared() {
    let mut env = Env::new(4.0);
    env.environment = 1;
    env.request(DRIVER, 1, 2, cpus(1.0));
    assert!(env.take().is_empty());
    prepared(&mut env, 1);
    let effects = env.take();
    let in_it = |effect: &Effect| matches!(effect, Effect::StartWorker { environment: 1, .. });
    assert!(effects.len() == 2 && effects.iter().all(in_it), "{effects:?}");
}

#[test]
fn a_request_that_waits_for_its_environment_keeps_nobody_else_waiting() {
    let mut env = Env::new(1.0);
    env.environment = 1;
    env.request(DRIVER, 1, 1, cpus(1.0));
    env.environment = PLAIN;
    env.request(DRIVER, 2, 1, cpus(1.0));
    assert_eq!(env.take_starts(), [1]);
    env.ready(1);
    assert_eq!(env.take_grants(), [(DRIVER, 2, 1, 1)]);
}

#[test]
fn an_idle_worker_of_another_environment_is_not_used() {
    let mut env = Env::with(cpus(4.0), |options| options.prestart_workers = 1);
    env.step(Event::Start);
    assert_eq!(env.take_starts(), [1]);
    env.ready(1);
    prepared(&mut env, 1);
    env.environment = 1;
    env.request(DRIVER, 1, 1, cpus(1.0));
    assert_eq!(env.take_starts(), [2]);
    env.ready(2);
    assert_eq!(env.take_grants(), [(DRIVER, 1, 1, 2)]);
    env.give_back(DRIVER, 1);
    // It is used again by its own environment, and only by that.
    env.request(DRIVER, 2, 1, cpus(1.0));
    assert_eq!(env.take_grants(), [(DRIVER, 2, 2, 2)]);
    env.environment = PLAIN;
    env.request(DRIVER, 3, 1, cpus(1.0));
    assert_eq!(env.take_grants(), [(DRIVER, 3, 3, 1)]);
}

#[test]
fn what_waits_for_an_environment_that_cannot_be_made_is_refused() {
    let mut env = Env::new(4.0);
    env.environment = 1;
    env.request(DRIVER, 1, 3, cpus(1.0));
    env.actor(DRIVER, 7, cpus(1.0), set(&[]));
    failed(&mut env, 1);
    let (message, refusal) = ("no such package".to_owned(), Refusal::NoEnvironment);
    let refused = [
        Effect::LeaseRefused { owner: env.id(DRIVER), request_id: 1, refusal, message: message.clone() },
        Effect::ActorRefused { actor: ActorId::new([7; 16]), refusal, message },
    ];
    assert_eq!(env.take(), refused);
    assert_eq!(env.node.waiting_leases(), 0);
    // Later it can be made: it is as if it had never failed.
    prepared(&mut env, 1);
    env.request(DRIVER, 2, 1, cpus(1.0));
    assert_eq!(env.take_starts(), [1]);
}

#[test]
fn workers_that_were_to_begin_in_it_are_forgotten_and_others_go_on() {
    let mut env = Env::new(4.0);
    prepared(&mut env, 1);
    env.environment = 1;
    env.request(DRIVER, 1, 1, cpus(1.0));
    assert_eq!(env.take_starts(), [1]);
    env.ready(1);
    env.take_grants();
    env.request(DRIVER, 2, 1, cpus(1.0));
    assert_eq!(env.take_starts(), [2]);
    failed(&mut env, 1);
    let effects = env.take();
    assert!(matches!(effects[0], Effect::LeaseRefused { request_id: 2, .. }), "{effects:?}");
    assert_eq!(effects[1], Effect::StopWorker { worker: env.id(2), reason: StopReason::NoEnvironment });
    env.die(2);
    // A start that was taken back delays no other.
    env.environment = PLAIN;
    env.request(DRIVER, 3, 1, cpus(1.0));
    assert_eq!(env.take_starts(), [3]);
}

#[test]
fn workers_of_the_jobs_environment_are_kept_and_others_end_when_idle() {
    let mut env = Env::with(cpus(4.0), |options| {
        options.environment = 1;
        options.prestart_workers = 1;
    });
    env.step(Event::Start);
    assert!(env.take().is_empty());
    prepared(&mut env, 1);
    assert_eq!(env.take_starts(), [1]);
    env.ready(1);
    prepared(&mut env, 2);
    env.environment = 2;
    env.request(DRIVER, 1, 1, cpus(1.0));
    assert_eq!(env.take_starts(), [2]);
    env.ready(2);
    env.take_grants();
    env.give_back(DRIVER, 1);
    env.now_ms = 60_000;
    env.step(Event::Tick);
    assert_eq!(env.take(), [Effect::StopWorker { worker: env.id(2), reason: StopReason::Idle }]);
    assert_eq!(env.node.next_deadline_ms(), None);
}

#[test]
fn an_idle_worker_makes_place_when_the_cap_is_reached() {
    let mut env = Env::with(cpus(4.0), |options| {
        options.prestart_workers = 1;
        options.max_workers = 1;
    });
    env.step(Event::Start);
    env.take_starts();
    env.ready(1);
    prepared(&mut env, 1);
    env.environment = 1;
    env.request(DRIVER, 1, 1, cpus(1.0));
    assert_eq!(env.take(), [Effect::StopWorker { worker: env.id(1), reason: StopReason::PlaceNeeded }]);
    env.die(1);
    assert_eq!(env.take_starts(), [2]);
    env.ready(2);
    assert_eq!(env.take_grants(), [(DRIVER, 1, 1, 2)]);
}

#[test]
fn workers_that_start_slowly_keep_no_other_environment_waiting() {
    let mut env = Env::with(cpus(100.0), |options| options.max_parallel_starts = 2);
    prepared(&mut env, 1);
    env.environment = 1;
    env.request(DRIVER, 1, 10, cpus(1.0));
    assert_eq!(env.take_starts(), [1, 2]);
    // Their set-up hooks take long.
    env.environment = PLAIN;
    env.request(DRIVER, 2, 3, cpus(1.0));
    assert_eq!(env.take_starts(), [3, 4]);
    env.ready(3);
    assert_eq!(env.take().len(), 2, "a grant, and the next start");
}
