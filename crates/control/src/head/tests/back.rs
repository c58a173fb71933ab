//! Nodes that register again.

use super::{
    Body, Cluster, ToNode, Told, amounts, commits, group, kills, node, places, prepares, releases, states, unplaces,
    worker,
};
use trygon_ids::ActorId;
use trygon_proto::control::ActorStarted;
use trygon_proto::v1::{ActorPlaced, HeldBundle, RegisterNode};

const ONE: &[(&str, f64)] = &[("CPU", 1.0)];

fn held(index: u32, attempt: u32, is_committed: bool) -> HeldBundle {
    HeldBundle { group_id: group(9).as_bytes().to_vec(), index, attempt, is_committed }
}

fn back(cluster: &mut Cluster, number: u8, change: impl FnOnce(&mut RegisterNode)) -> Told {
    let mut register = RegisterNode {
        node_id: node(number).as_bytes().to_vec(),
        address: format!("10.0.0.{number}:6380"),
        resources: amounts(&[("CPU", 2.0)]),
        known_number: u32::from(number),
        ..RegisterNode::default()
    };
    change(&mut register);
    cluster.tell(number, Body::Register(register))
}

fn placed(number: u8, process: u64, actor: u8) -> ActorPlaced {
    let worker_id = worker(number, process).as_bytes().to_vec();
    ActorPlaced { actor_id: vec![actor; ActorId::LEN], incarnation: 0, worker_id, pid: 77 }
}

fn with_group(bundles: usize) -> Cluster {
    let mut cluster = Cluster::new();
    cluster.join(1, &[("CPU", 1.0)]);
    cluster.join(2, &[("CPU", 1.0)]);
    cluster.group(1, 9, "STRICT_SPREAD", &vec![ONE; bundles]);
    cluster
}

/// BACK-1, BACK-2.
#[test]
fn bundles_that_are_there_stay_and_are_committed_if_they_were_not() {
    let mut cluster = with_group(2);
    let first = cluster.head.plans[&group(9)].asked_of(node(1)).next().expect("one") as u32;
    cluster.prepared(1, 9, 1, true);
    cluster.prepared(2, 9, 1, true);
    let out = back(&mut cluster, 1, |register| register.bundles = vec![held(first, 1, true)]);
    assert_eq!((commits(&out), releases(&out), prepares(&out)), (vec![], vec![], vec![]));
    let out = back(&mut cluster, 1, |register| register.bundles = vec![held(first, 1, false)]);
    assert_eq!((commits(&out), releases(&out)), (vec![(node(1), 1)], vec![]));
}

/// BACK-1.
#[test]
fn bundles_that_are_not_there_are_placed_again_and_unknown_ones_go() {
    let mut cluster = with_group(2);
    cluster.prepared(1, 9, 1, true);
    cluster.prepared(2, 9, 1, true);
    let out = back(&mut cluster, 1, |register| {
        register.bundles =
            vec![HeldBundle { group_id: group(8).as_bytes().to_vec(), index: 0, attempt: 3, is_committed: true }];
    });
    assert_eq!(releases(&out), [(node(1), 3)]);
    let again = prepares(&out);
    assert_eq!((again.len(), again[0].0, again[0].1), (1, node(1), 2));
}

/// BACK-2.
#[test]
fn what_was_asked_and_perhaps_not_heard_is_asked_again() {
    let mut cluster = with_group(2);
    let out = back(&mut cluster, 1, |register| register.bundles = vec![]);
    assert_eq!(prepares(&out).iter().map(|(to, attempt, _)| (*to, *attempt)).collect::<Vec<_>>(), [(node(1), 1)]);
    cluster.prepared(1, 9, 1, true);
    assert_eq!(commits(&cluster.prepared(2, 9, 1, true)).len(), 2);

    let mut cluster = Cluster::new();
    cluster.join(1, &[("CPU", 1.0)]);
    cluster.create(1, 5, ONE, 0);
    let out = back(&mut cluster, 1, |_| {});
    assert_eq!((unplaces(&out), places(&out)), (vec![node(1)], vec![(node(1), 0)]), "off and on: one worker, not two");
}

/// BACK-1, BACK-2.
#[test]
fn actors_are_as_the_node_says() {
    let mut cluster = Cluster::new();
    cluster.join(1, &[("CPU", 4.0)]);
    cluster.join(2, &[("CPU", 4.0), ("GPU", 4.0)]);
    for actor in 5..=7 {
        assert_eq!(places(&cluster.create(1, actor, &[("GPU", 1.0)], 1)), [(node(2), 0)]);
    }
    cluster.placed(2, 15, 5, 0);
    cluster.placed(2, 16, 6, 0);
    let started = ActorStarted { actor_id: vec![6; ActorId::LEN], incarnation: 0, error: Vec::new() };
    cluster.ask(2, 16, super::Request::ActorStarted(started));
    // Number 5 constructs still, 6 has gone unheard, 7 has got a worker unheard, 8 nobody knows.
    let out = back(&mut cluster, 2, |register| {
        register.resources = amounts(&[("CPU", 4.0), ("GPU", 4.0)]);
        register.actors = vec![placed(2, 15, 5), placed(2, 17, 7), placed(2, 18, 8)];
    });
    let starts = out.iter().filter(|(to, body)| *to == node(2) && matches!(body, ToNode::StartActor(_))).count();
    assert_eq!(starts, 2, "5 again and 7");
    assert_eq!(states(&out), [(node(1), "restarting".to_owned())]);
    assert_eq!(places(&out), [(node(2), 1)], "the second life of 6");
    assert_eq!(kills(&out), [(node(2), worker(2, 18).as_bytes().to_vec())]);
}

/// BACK-2.
#[test]
fn what_an_actor_keeps_is_said_again_only_if_it_was_not_heard() {
    let mut cluster = Cluster::new();
    cluster.join(1, &[("CPU", 4.0)]);
    cluster.create(1, 5, ONE, 0);
    cluster.placed(1, 15, 5, 0);
    let started = ActorStarted { actor_id: vec![5; ActorId::LEN], incarnation: 0, error: Vec::new() };
    cluster.ask(1, 15, super::Request::ActorStarted(started));
    for is_starting in [false, true] {
        let out = back(&mut cluster, 1, |register| {
            register.actors = vec![placed(1, 15, 5)];
            register.starting = if is_starting { vec![vec![5; ActorId::LEN]] } else { vec![] };
        });
        let running = out.iter().filter(|(_, body)| matches!(body, ToNode::ActorRunning(_))).count();
        assert_eq!(running, usize::from(is_starting));
    }
}

/// BACK-1.
#[test]
fn a_driver_that_is_gone_unheard_takes_its_job_along() {
    let mut cluster = Cluster::new();
    cluster.join(1, &[("CPU", 4.0)]);
    let driver_id = worker(1, 1).as_bytes().to_vec();
    let start = trygon_proto::v1::StartJob { driver_id, ..trygon_proto::v1::StartJob::default() };
    cluster.tell(1, Body::StartJob(start));
    cluster.create(1, 5, ONE, 0);
    let out = back(&mut cluster, 1, |_| {});
    assert!(out.iter().any(|(_, body)| matches!(body, ToNode::JobEnded(ended) if ended.job_id == vec![1, 0, 0, 0])));
    assert_eq!(unplaces(&out), [node(1)]);
}
