//! FAIR-1: large requests, groups and late owners are not overtaken for ever.

use crate::tests::env::{DRIVER, Env, cpus};
use crate::tests::groups::{id, want};
use crate::{Effect, Event};
use std::collections::BTreeSet;

/// An environment whose CPUs are all leased to the driver for one-CPU tasks, of which more wait. Returns the leases.
fn busy(count: u64) -> (Env, Vec<u64>) {
    let mut env = Env::with(cpus(count as f64), |options| options.idle_worker_ms = 1_000_000);
    env.request(DRIVER, 1, 1000, cpus(1.0));
    let starts = env.take_starts();
    starts.into_iter().for_each(|number| env.ready(number));
    let leases = env.take_grants().into_iter().map(|grant| grant.2).collect();
    (env, leases)
}

/// Takes what there is: leases that are to be given back, and the requests that were granted something.
fn revoked_and_granted(env: &mut Env) -> (Vec<u64>, Vec<u64>) {
    let (mut revoked, mut granted) = (Vec::new(), Vec::new());
    for effect in env.take() {
        match effect {
            Effect::Revoke { lease, .. } => revoked.push(lease),
            Effect::Grant { request_id, .. } => granted.push(request_id),
            Effect::StartWorker { .. } => {}
            other => panic!("{other:?}"),
        }
    }
    (revoked, granted)
}

fn pass(env: &mut Env, milliseconds: u64) {
    env.now_ms += milliseconds;
    env.step(Event::Tick);
}

#[test]
fn small_requests_do_not_overtake_a_large_one_for_ever() {
    let (mut env, mut leases) = busy(4);
    env.request(9, 2, 1, cpus(4.0));
    assert!(env.take().is_empty());
    // At first it is overtaken.
    env.give_back(DRIVER, leases.remove(0));
    assert_eq!(revoked_and_granted(&mut env).1, [1]);
    pass(&mut env, 250);
    let (revoked, granted) = revoked_and_granted(&mut env);
    assert_eq!((revoked.len(), granted.len()), (4, 0));
    // The leases come back one by one; nobody else gets what they held.
    for (number, lease) in revoked.iter().enumerate() {
        env.give_back(DRIVER, *lease);
        let (_, granted) = revoked_and_granted(&mut env);
        assert_eq!(granted, if number == 3 { vec![2] } else { vec![] });
    }
}

#[test]
fn an_owner_with_endless_work_gives_way_to_another() {
    let (mut env, _) = busy(2);
    env.request(9, 2, 1, cpus(1.0));
    pass(&mut env, 250);
    let (revoked, _) = revoked_and_granted(&mut env);
    assert_eq!(revoked.len(), 1);
    env.give_back(DRIVER, revoked[0]);
    assert_eq!(revoked_and_granted(&mut env).1, [2]);
}

#[test]
fn nothing_is_taken_back_for_more_of_the_same() {
    let (mut env, _) = busy(2);
    pass(&mut env, 10_000);
    assert_eq!(revoked_and_granted(&mut env), (vec![], vec![]));
    // And nothing has to be looked at again because of it.
    assert_eq!(env.node.next_deadline_ms(), None);
}

#[test]
fn nothing_is_held_for_who_waits_for_actors() {
    let mut env = Env::new(2.0);
    env.actor(DRIVER, 1, cpus(1.0), cpus(1.0));
    assert_eq!(env.take_starts(), [1]);
    env.ready(1);
    env.take();
    env.request(DRIVER, 2, 1, cpus(2.0));
    env.request(DRIVER, 3, 2, cpus(1.0));
    env.take_starts();
    env.ready(2);
    let lease = env.take_grants()[0].2;
    pass(&mut env, 10_000);
    assert!(env.take().is_empty());
    env.give_back(DRIVER, lease);
    assert_eq!(revoked_and_granted(&mut env).1, [3]);
}

#[test]
fn a_hold_ends_and_comes_again_for_longer() {
    let (mut env, leases) = busy(2);
    env.request(9, 2, 1, cpus(2.0));
    pass(&mut env, 250);
    assert_eq!(revoked_and_granted(&mut env).0.len(), 2);
    env.give_back(DRIVER, leases[0]);
    assert!(revoked_and_granted(&mut env).1.is_empty());
    // The other lease does not come: what it runs may wait for what is held back.
    pass(&mut env, 1_001);
    assert_eq!(revoked_and_granted(&mut env).1, [1]);
    pass(&mut env, 250);
    assert_eq!(revoked_and_granted(&mut env).0.len(), 1);
    let deadline_ms = env.node.next_deadline_ms();
    assert_eq!(deadline_ms, Some(env.now_ms + 2_000));
}

#[test]
fn children_of_blocked_workers_are_let_through() {
    let (mut env, leases) = busy(2);
    env.request(9, 2, 1, cpus(2.0));
    pass(&mut env, 250);
    revoked_and_granted(&mut env);
    env.request_at(1, 3, 1, cpus(1.0), 1);
    assert!(revoked_and_granted(&mut env).1.is_empty());
    env.step(Event::Blocked { worker: env.id(1), depth: 0 });
    let mut granted = revoked_and_granted(&mut env).1;
    env.ready(3);
    granted.extend(revoked_and_granted(&mut env).1);
    assert_eq!(granted, [3]);
    drop(leases);
}

#[test]
fn groups_are_served_among_tasks() {
    let (mut env, leases) = busy(2);
    want(&mut env, id(1), &[cpus(1.0), cpus(1.0)], false);
    pass(&mut env, 250);
    let (revoked, _) = revoked_and_granted(&mut env);
    assert_eq!(revoked.iter().collect::<BTreeSet<_>>(), leases.iter().collect());
    env.give_back(DRIVER, leases[0]);
    assert!(env.take().is_empty());
    env.give_back(DRIVER, leases[1]);
    assert_eq!(env.take(), [Effect::GroupReserved { group: id(1) }]);
}
