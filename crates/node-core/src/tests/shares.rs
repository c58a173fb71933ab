//! FAIR-2: jobs share a node by weight.

use crate::tests::env::{DRIVER, Env, cpus};
use crate::tests::share_time::{Program, Story, job};
use crate::{Effect, Event};

fn assert_near(found: &[f64], wanted: &[f64], by: f64) {
    let is_near = found.iter().zip(wanted).all(|(found, wanted)| (found - wanted).abs() <= by);
    assert!(is_near && found.len() == wanted.len(), "{found:?} is not {wanted:?} within {by}");
}

/// Two jobs with endless tasks, on so many CPUs.
fn two(cpu_count: f64, weights: [f64; 2], task_ms: [u64; 2]) -> Story {
    let programs = vec![Program::new(weights[0], task_ms[0]), Program::new(weights[1], task_ms[1])];
    let mut story = Story::new(&[("CPU", cpu_count)], programs);
    story.start();
    story
}

#[test]
fn weights_hold_over_a_minute_on_any_number_of_cpus() {
    for cpu_count in [1.0, 2.0, 3.0, 4.0, 7.0, 16.0] {
        let mut story = two(cpu_count, [1.0, 3.0], [50, 50]);
        story.pass(1_000);
        let found = story.pass(60_000);
        assert_near(&found, &[25.0, 75.0], 1.0);
    }
}

#[test]
fn where_whole_leases_make_the_shares_nobody_is_asked_for_anything() {
    let mut story = two(4.0, [1.0, 3.0], [50, 50]);
    story.pass(2_000);
    let before = story.revoked;
    story.pass(60_000);
    assert_eq!(story.revoked, before);
}

#[test]
fn long_tasks_get_no_more_than_short_ones() {
    for cpu_count in [1.0, 2.0, 4.0] {
        let found = two(cpu_count, [1.0, 1.0], [1_000, 10]).pass(60_000);
        assert_near(&found, &[50.0, 50.0], 3.0);
        let found = two(cpu_count, [3.0, 1.0], [10, 1_000]).pass(60_000);
        assert_near(&found, &[75.0, 25.0], 3.0);
    }
}

#[test]
fn who_comes_later_reaches_its_share_within_a_task_and_who_leaves_leaves_everything() {
    let programs = vec![
        Program::new(1.0, 50),
        Program { from_ms: 5_000, until_ms: 30_000, ..Program::new(3.0, 50) },
        Program { from_ms: 10_000, until_ms: 20_000, ..Program::new(4.0, 50) },
    ];
    let mut story = Story::new(&[("CPU", 8.0)], programs);
    story.start();
    assert_near(&story.pass(5_000), &[100.0, 0.0, 0.0], 0.0);
    story.pass(300);
    assert_near(&story.pass(4_700), &[25.0, 75.0, 0.0], 2.0);
    story.pass(300);
    assert_near(&story.pass(9_700), &[12.5, 37.5, 50.0], 2.0);
    story.pass(300);
    assert_near(&story.pass(9_700), &[25.0, 75.0, 0.0], 2.0);
    story.pass(300);
    assert_near(&story.pass(1_000), &[100.0, 0.0, 0.0], 0.0);
    assert_eq!(story.busy().len(), 8);
}

#[test]
fn leases_of_different_sizes_share_too() {
    let programs = vec![
        Program { demand: vec![("CPU", 3.0)], ..Program::new(1.0, 80) },
        Program { demand: vec![("CPU", 1.0)], ..Program::new(1.0, 20) },
    ];
    let mut story = Story::new(&[("CPU", 4.0)], programs);
    story.start();
    story.pass(1_000);
    let worked = story.pass(60_000);
    // By time and size: the first one's tasks hold three CPUs.
    let held = 3.0 * worked[0] / (3.0 * worked[0] + worked[1]);
    assert!((0.45..0.55).contains(&held), "{held} {worked:?}");
}

#[test]
fn the_resource_that_a_job_uses_most_of_counts() {
    // Both want all GPUs; the CPUs of the second are of no account.
    let programs = vec![
        Program { demand: vec![("GPU", 1.0)], ..Program::new(1.0, 50) },
        Program { demand: vec![("CPU", 1.0), ("GPU", 1.0)], ..Program::new(1.0, 50) },
    ];
    let mut story = Story::new(&[("CPU", 64.0), ("GPU", 4.0)], programs);
    story.start();
    story.pass(1_000);
    assert_near(&story.pass(60_000), &[50.0, 50.0], 2.0);
    // Those who want different things do not disturb each other.
    let programs = vec![
        Program { demand: vec![("GPU", 1.0)], ..Program::new(1.0, 50) },
        Program { demand: vec![("CPU", 1.0)], ..Program::new(9.0, 50) },
    ];
    let mut story = Story::new(&[("CPU", 4.0), ("GPU", 4.0)], programs);
    story.start();
    story.pass(1_000);
    let before = story.revoked;
    assert_near(&story.pass(20_000), &[50.0, 50.0], 1.0);
    assert_eq!(story.revoked, before);
}

/// A node whose CPUs job 0 has, with more to do. Returns its leases.
fn busy(count: u64) -> (Env, Vec<u64>) {
    let mut env = Env::with(cpus(count as f64), |options| options.idle_worker_ms = 1_000_000);
    env.step(Event::JobWeighted { job: job(0), weight: 1.0 });
    env.step(Event::JobWeighted { job: job(1), weight: 1.0 });
    env.job = job(0);
    env.request(DRIVER, 1, 1000, cpus(1.0));
    let starts = env.take_starts();
    starts.into_iter().for_each(|number| env.ready(number));
    let leases = env.take_grants().into_iter().map(|grant| grant.2).collect();
    env.job = job(1);
    (env, leases)
}

fn revoked(env: &mut Env) -> Vec<u64> {
    let lease = |effect| match effect {
        Effect::Revoke { lease, .. } => lease,
        other => panic!("{other:?}"),
    };
    env.take().into_iter().map(lease).collect()
}

fn pass(env: &mut Env, milliseconds: u64) {
    env.now_ms += milliseconds;
    env.step(Event::Tick);
}

#[test]
fn no_more_is_taken_back_than_is_due_and_not_again() {
    let (mut env, leases) = busy(4);
    env.request(9, 2, 1000, cpus(1.0));
    assert!(env.take().is_empty());
    assert!(env.node.next_deadline_ms().is_some_and(|at_ms| at_ms <= 100));
    pass(&mut env, 100);
    assert_eq!(revoked(&mut env), leases[..2]);
    pass(&mut env, 50);
    pass(&mut env, 50);
    assert!(env.take().is_empty());
    // What comes back goes to who is due it, though the other job asked first.
    env.give_back(DRIVER, leases[0]);
    let granted = env.take_grants();
    assert_eq!((granted.len(), granted[0].0, granted[0].1), (1, 9, 2));
}

#[test]
fn a_job_that_wants_little_gets_that_and_no_more_is_taken() {
    let (mut env, leases) = busy(4);
    env.request(9, 2, 1, cpus(1.0));
    pass(&mut env, 100);
    assert_eq!(revoked(&mut env), leases[..1]);
    pass(&mut env, 5_000);
    assert!(env.take().is_empty());
}

#[test]
fn actors_are_not_taken_back_and_count() {
    let (mut env, _) = busy(2);
    env.job = job(1);
    let creator = env.id(9);
    for number in 1..3_u8 {
        let mut bytes = [number; 16];
        bytes[..4].copy_from_slice(job(1).as_bytes());
        let actor = trygon_ids::ActorId::new(bytes);
        env.step(Event::ActorWanted(crate::ActorRequest {
            actor,
            incarnation: 0,
            owner: creator,
            placement: cpus(1.0),
            lifetime: cpus(1.0),
            depth: 0,
            name: "Actor".to_owned(),
            environment: 0,
        }));
    }
    pass(&mut env, 100);
    let taken = revoked(&mut env);
    assert_eq!(taken.len(), 1);
    env.give_back(DRIVER, taken[0]);
    let placed = env.take();
    assert!(matches!(placed.as_slice(), [Effect::ActorPlaced { .. }]), "{placed:?}");
    // It has its share with that: the second one waits until something ends by itself.
    for _ in 0..100 {
        pass(&mut env, 100);
    }
    assert!(env.take().is_empty());
}

#[test]
fn tasks_of_a_job_whose_actors_have_its_share_run_now_and_then() {
    let (mut env, _) = busy(2);
    let mut bytes = [7; 16];
    bytes[..4].copy_from_slice(job(1).as_bytes());
    let owner = env.id(9);
    env.step(Event::ActorWanted(crate::ActorRequest {
        actor: trygon_ids::ActorId::new(bytes),
        incarnation: 0,
        owner,
        placement: cpus(1.0),
        lifetime: cpus(1.0),
        depth: 0,
        name: "Actor".to_owned(),
        environment: 0,
    }));
    pass(&mut env, 100);
    let taken = revoked(&mut env);
    env.give_back(DRIVER, taken[0]);
    env.take();
    env.request(9, 3, 1, cpus(1.0));
    let waited = (1..100).find(|_| {
        pass(&mut env, 100);
        !revoked(&mut env).is_empty()
    });
    assert!(waited.is_some_and(|tenths| (5..80).contains(&tenths)), "{waited:?}");
}

#[test]
fn a_request_larger_than_its_jobs_share_runs_in_turn() {
    let (mut env, _) = busy(4);
    env.request(9, 2, 1000, cpus(1.0));
    pass(&mut env, 100);
    for lease in revoked(&mut env) {
        env.give_back(DRIVER, lease);
    }
    let mut own: Vec<u64> = env.take_grants().into_iter().map(|grant| grant.2).collect();
    assert_eq!(own.len(), 2);
    env.request(10, 3, 1, cpus(4.0));
    let mut all: Vec<u64> = Vec::new();
    for _ in 0..100 {
        pass(&mut env, 100);
        for effect in env.take() {
            match effect {
                Effect::Revoke { owner, lease } => {
                    own.retain(|other| *other != lease);
                    env.step(Event::LeaseReturned { owner, lease, worker_exiting: false });
                }
                Effect::Grant { request_id: 3, lease, .. } => all.push(lease),
                Effect::Grant { .. } => {}
                other => panic!("{other:?}"),
            }
        }
    }
    assert_eq!(all.len(), 1);
    env.take();
}

#[test]
fn children_of_a_job_that_has_more_than_its_share_are_let_through() {
    let (mut env, leases) = busy(2);
    env.request(9, 2, 1000, cpus(1.0));
    pass(&mut env, 100);
    assert_eq!(revoked(&mut env), leases[..1]);
    // Both tasks of the first job wait for children, and what they lend goes to those first.
    env.job = job(0);
    for number in [1, 2] {
        env.request_at(number, 3, 1, cpus(1.0), 1);
        env.step(Event::Blocked { worker: env.id(number), depth: 0 });
    }
    let starts = env.take_starts();
    starts.into_iter().for_each(|number| env.ready(number));
    let granted: Vec<u64> = env.take_grants().into_iter().map(|grant| grant.1).collect();
    assert!(granted.contains(&3), "{granted:?}");
}

#[test]
fn a_job_that_is_over_is_forgotten() {
    let (mut env, _) = busy(2);
    env.request(9, 2, 1000, cpus(1.0));
    pass(&mut env, 100);
    assert_eq!(revoked(&mut env).len(), 1);
    env.step(Event::LeaseCancelled { owner: env.id(9), request_id: 2 });
    env.step(Event::JobWeighted { job: job(1), weight: 0.0 });
    pass(&mut env, 10_000);
    assert!(env.take().is_empty());
    assert_eq!(env.node.next_deadline_ms(), None);
}
