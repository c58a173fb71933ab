//! Leases are asked for, granted, returned, cancelled.

use crate::tests::env::{DRIVER, Env, cpus, set};
use crate::{Effect, Event};
use trygon_ids::NodeId;
use trygon_placement::{Delta, NodeState};

#[test]
fn a_request_starts_what_it_needs_and_is_granted_when_ready() {
    let mut env = Env::new(2.0);
    env.request(DRIVER, 7, 5, cpus(1.0));
    assert_eq!(env.take_starts(), [1, 2]);
    env.ready(1);
    env.ready(2);
    assert_eq!(env.take_grants(), [(0, 7, 1, 1), (0, 7, 2, 2)]);
    env.give_back(DRIVER, 1);
    assert_eq!(env.take_grants(), [(0, 7, 3, 1)]);
}

#[test]
fn a_lease_is_returned_once_and_by_its_owner() {
    // LEASE-2
    let mut env = Env::new(1.0);
    env.request(DRIVER, 7, 1, cpus(1.0));
    env.take_starts();
    env.ready(1);
    let lease = env.take_grants()[0].2;
    env.give_back(9, lease);
    assert_eq!(env.node.free(), &set(&[]));
    env.give_back(DRIVER, lease);
    env.give_back(DRIVER, lease);
    env.die(1);
    assert_eq!(env.node.free(), env.node.total());
}

#[test]
fn what_was_cancelled_is_not_granted() {
    // LEASE-4
    let mut env = Env::new(1.0);
    env.request(DRIVER, 7, 3, cpus(1.0));
    env.take_starts();
    env.step(Event::LeaseCancelled { owner: env.id(DRIVER), request_id: 7 });
    env.ready(1);
    assert!(env.take().is_empty());
    assert_eq!(env.node.waiting_leases(), 0);
    assert_eq!(env.node.free(), env.node.total());
}

#[test]
fn a_worker_that_leaves_gets_no_other_lease() {
    let mut env = Env::new(1.0);
    env.request(DRIVER, 7, 2, cpus(1.0));
    env.take_starts();
    env.ready(1);
    let lease = env.take_grants()[0].2;
    env.step(Event::LeaseReturned { owner: env.id(DRIVER), lease, worker_exiting: true });
    assert_eq!(env.take_starts(), [2]);
    env.die(1);
    env.ready(2);
    assert_eq!(env.take_grants().len(), 1);
}

#[test]
fn the_workers_of_a_dead_owner_are_ended() {
    // LEASE-3
    let mut env = Env::new(2.0);
    env.request(DRIVER, 1, 1, cpus(1.0));
    env.take_starts();
    env.ready(1);
    env.take_grants();
    env.request(1, 2, 3, cpus(1.0));
    assert_eq!(env.take_starts(), [2]);
    env.ready(2);
    assert_eq!(env.take_grants(), [(1, 2, 2, 2)]);
    env.die(1);
    let worker = env.id(2);
    assert_eq!(env.take(), [Effect::StopWorker { worker, reason: crate::StopReason::OwnerDied }]);
    assert_eq!(env.node.free(), &cpus(1.0));
    env.die(2);
    assert_eq!(env.node.free(), env.node.total());
    assert_eq!(env.node.waiting_leases(), 0);
}

#[test]
fn owners_take_turns() {
    // QUEUE-1
    let mut env = Env::new(1.0);
    env.request(DRIVER, 1, 2, cpus(1.0));
    env.request(8, 2, 2, cpus(1.0));
    env.take_starts();
    env.ready(1);
    let mut owners = Vec::new();
    while let Some((owner, _, lease, _)) = env.take_grants().pop() {
        owners.push(owner);
        env.give_back(owner, lease);
    }
    assert_eq!(owners, [0, 8, 0, 8]);
}

#[test]
fn what_can_never_fit_waits_and_says_why_once() {
    let mut env = Env::new(2.0);
    env.request(DRIVER, 1, 1, set(&[("CPU", 1.0), ("GPU", 1.0)]));
    let effects = env.take();
    let [Effect::LeaseWaits { request_id: 1, message, cap_reached: false, .. }] = effects.as_slice() else {
        panic!("{effects:?}")
    };
    assert!(message.contains("GPU: 1") && message.contains("CPU: 2"), "{message}");
    // It keeps nobody else waiting.
    env.request(DRIVER, 2, 1, cpus(1.0));
    assert_eq!(env.take_starts(), [1]);
}

#[test]
fn a_large_request_does_not_keep_small_ones_waiting() {
    let mut env = Env::new(2.0);
    env.request(DRIVER, 1, 1, cpus(1.0));
    env.take_starts();
    env.ready(1);
    env.take_grants();
    env.request(DRIVER, 2, 1, cpus(2.0));
    env.request(DRIVER, 3, 1, cpus(1.0));
    env.take_starts();
    env.ready(2);
    assert_eq!(env.take_grants()[0].1, 3);
}

#[test]
fn devices_are_shared_by_fractions_and_never_twice() {
    // LEDGER-2
    let mut env = Env::with(set(&[("CPU", 8.0), ("GPU", 2.0)]), |_| {});
    let half = || set(&[("GPU", 0.5)]);
    env.request(DRIVER, 1, 2, half());
    env.request(DRIVER, 2, 1, set(&[("GPU", 1.0)]));
    env.request(DRIVER, 3, 1, half());
    let starts = env.take_starts();
    assert_eq!(starts.len(), 3);
    starts.into_iter().for_each(|number| env.ready(number));
    let devices = |effect| match effect {
        Effect::Grant { request_id, devices, .. } => (request_id, devices[0].1.clone()),
        other => panic!("{other:?}"),
    };
    let granted: Vec<_> = env.take().into_iter().map(devices).collect();
    assert_eq!(granted, [(1, vec![0]), (1, vec![0]), (2, vec![1])]);
}

#[test]
fn halves_of_two_devices_are_no_whole_one() {
    let mut env = Env::with(set(&[("GPU", 2.0)]), |_| {});
    env.request(DRIVER, 1, 1, set(&[("GPU", 1.5)]));
    assert!(env.take_starts().len() == 1);
    env.ready(1);
    assert_eq!(env.take_grants().len(), 1);
    env.request(DRIVER, 2, 1, set(&[("GPU", 0.6)]));
    assert!(env.take().is_empty());
}

#[test]
fn a_count_that_no_owner_can_mean_is_counted_as_the_most() {
    let mut env = Env::new(1.0);
    env.step(Event::Numbered { number: 1 });
    env.take();
    for request in [1, 2] {
        env.now_ms += 1_000;
        env.request(DRIVER, request, u32::MAX, cpus(1.0));
    }
    let queued = |effect: &Effect| match effect {
        Effect::LoadChanged { queued, .. } => queued.first().map(|demand| demand.count),
        _ => None,
    };
    assert_eq!(env.take().iter().filter_map(queued).next_back(), Some(u32::MAX));
}

#[test]
fn leases_that_need_nothing_are_spread_a_part_at_a_time() {
    let mut env = Env::new(1.0);
    env.step(Event::Numbered { number: 1 });
    let state = |number: u8| NodeState {
        node: NodeId::new([number; NodeId::LEN]),
        number: u32::from(number),
        total: cpus(4.0),
        free: cpus(4.0),
        labels: crate::Labels::new(),
        is_draining: false,
        queued: 0,
    };
    let nodes = vec![state(2), state(3)];
    env.step(Event::ClusterChanged(Delta { is_whole: true, nodes, gone: Vec::new() }));
    env.take();
    env.request(DRIVER, 1, u32::MAX, set(&[("strategy:SPREAD", 1.0)]));
    let asked = env.take().into_iter().filter_map(|effect| match effect {
        Effect::AskNode { count, .. } => Some(count),
        _ => None,
    });
    let asked: Vec<u32> = asked.collect();
    assert!(asked.len() == 2 && asked.iter().sum::<u32>() <= 10_000, "{asked:?}");
}
