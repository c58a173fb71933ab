//! Where actors go.

use super::{Body, Cluster, Request, ToNode, amounts, group, kills, node, places, states, unplaces, worker};
use trygon_ids::ActorId;
use trygon_proto::control::ActorStarted;
use trygon_proto::v1::{ActorRefused, RegisterNode};

#[test]
fn an_actor_lives_where_its_resources_are_and_moves_when_the_node_dies() {
    let mut cluster = Cluster::new();
    cluster.join(1, &[("CPU", 2.0)]);
    cluster.join(2, &[("CPU", 2.0), ("GPU", 1.0)]);
    assert_eq!(places(&cluster.create(1, 9, &[("CPU", 1.0)], 0)), [(node(1), 0)], "near its creator");
    assert_eq!(places(&cluster.create(1, 5, &[("GPU", 1.0)], 1)), [(node(2), 0)]);
    let out = cluster.placed(2, 3, 5, 0);
    assert!(out.iter().any(|(to, body)| *to == node(2) && matches!(body, ToNode::StartActor(_))));
    let started = ActorStarted { actor_id: vec![5; ActorId::LEN], incarnation: 0, error: Vec::new() };
    let out = cluster.ask(2, 3, Request::ActorStarted(started));
    assert_eq!(states(&out), [(node(1), "alive".to_owned())]);
    let out = cluster.lose(2);
    assert_eq!(states(&out), [(node(1), "restarting".to_owned())]);
    assert!(places(&out).is_empty(), "no node has what it needs");
    assert_eq!(places(&cluster.join(3, &[("CPU", 1.0), ("GPU", 2.0)])), [(node(3), 1)], "until one comes");
    // What the old life's node says late changes nothing.
    assert!(cluster.placed(2, 4, 5, 0).is_empty());
}

fn refuse(cluster: &mut Cluster, at: u8, actor: u8, kind: &str) -> super::Told {
    let refused = ActorRefused {
        actor_id: vec![actor; ActorId::LEN],
        incarnation: 0,
        kind: kind.to_owned(),
        message: "no".to_owned(),
    };
    cluster.tell(at, Body::ActorRefused(refused))
}

#[test]
fn what_was_placed_counts_until_a_report_has_it() {
    let mut cluster = Cluster::new();
    cluster.join(1, &[("CPU", 1.0)]);
    cluster.join(2, &[("CPU", 1.0)]);
    let needs = [("CPU", 1.0)];
    assert_eq!(places(&cluster.create(1, 5, &needs, 0)), [(node(1), 0)]);
    assert_eq!(places(&cluster.create(1, 6, &needs, 0)), [(node(2), 0)], "the first is full");
    cluster.placed(1, 3, 5, 0);
    cluster.placed(2, 3, 6, 0);
    let third = places(&cluster.create(1, 7, &needs, 0));
    assert_eq!(third.len(), 1, "it waits where it could be");
    // No report within the time: what was said last holds again, and the third finds room on the other node.
    let other = if third[0].0 == node(1) { 2 } else { 1 };
    cluster.load(third[0].0.as_bytes()[0], &[]);
    assert_eq!(places(&cluster.wait(400_000)), [(node(other), 0)]);
}

/// SEAT-1, SEAT-2.
#[test]
fn an_actor_moves_to_the_node_that_has_room_and_the_late_worker_of_the_other_is_ended() {
    let mut cluster = Cluster::new();
    cluster.join(1, &[("CPU", 1.0)]);
    cluster.load(1, &[]);
    assert_eq!(places(&cluster.create(1, 5, &[("CPU", 1.0)], 0)), [(node(1), 0)], "it waits there");
    let out = cluster.join(2, &[("CPU", 1.0)]);
    assert!(places(&out).is_empty(), "its turn may be about to come");
    let out = cluster.wait(150_000);
    assert_eq!((unplaces(&out), places(&out)), (vec![node(1)], vec![(node(2), 0)]));
    let out = cluster.placed(1, 7, 5, 0);
    assert_eq!(kills(&out), [(node(1), worker(1, 7).as_bytes().to_vec())]);
    let out = cluster.placed(2, 8, 5, 0);
    assert!(kills(&out).is_empty());
    assert!(out.iter().any(|(to, body)| *to == node(2) && matches!(body, ToNode::StartActor(_))));
    // Said twice, it changes nothing.
    assert!(kills(&cluster.placed(2, 8, 5, 0)).is_empty());
}

#[test]
fn a_node_that_has_become_full_loses_an_actor_that_waits_to_one_with_room() {
    let mut cluster = Cluster::new();
    cluster.join(1, &[("CPU", 4.0)]);
    cluster.join(2, &[("CPU", 4.0)]);
    assert_eq!(places(&cluster.create(1, 5, &[("CPU", 1.0)], 0)), [(node(1), 0)]);
    cluster.load(1, &[("CPU", 3.0)]);
    assert!(places(&cluster.wait(500_000)).is_empty(), "its worker starts");
    cluster.load(1, &[]);
    let out = cluster.wait(150_000);
    assert_eq!((unplaces(&out), places(&out)), (vec![node(1)], vec![(node(2), 0)]));
}

#[test]
fn an_actor_that_no_node_can_hold_waits_for_one_and_one_bound_to_a_node_that_cannot_is_refused() {
    let mut cluster = Cluster::new();
    cluster.join(1, &[("CPU", 1.0)]);
    assert!(places(&cluster.create(1, 5, &[("CPU", 3.0)], 0)).is_empty());
    let bound = format!("node_id:{}", node(1));
    let out = cluster.create(1, 6, &[("CPU", 3.0), (bound.as_str(), 1.0)], 0);
    assert_eq!(states(&out), [(node(1), "dead".to_owned())]);
    assert_eq!(places(&cluster.join(2, &[("CPU", 4.0)])), [(node(2), 0)]);
    let soft = format!("soft_node_id:{}", node(2));
    assert_eq!(places(&cluster.create(1, 7, &[("CPU", 1.0), (soft.as_str(), 1.0)], 0)), [(node(2), 0)]);
}

#[test]
fn labels_and_spread_are_heard() {
    let mut cluster = Cluster::new();
    for number in 1..=3 {
        let zone = if number == 2 { "west" } else { "east" };
        cluster.tell(
            number,
            Body::Register(RegisterNode {
                node_id: node(number).as_bytes().to_vec(),
                address: format!("10.0.0.{number}:1"),
                resources: amounts(&[("CPU", 8.0)]),
                labels: [("zone".to_owned(), zone.to_owned())].into(),
                ..RegisterNode::default()
            }),
        );
    }
    assert_eq!(places(&cluster.create(1, 5, &[("CPU", 1.0), ("labels:zone=west", 1.0)], 0)), [(node(2), 0)]);
    assert_eq!(places(&cluster.create(1, 6, &[("CPU", 1.0), ("soft_labels:zone=west", 1.0)], 0)), [(node(2), 0)]);
    let spread =
        (10..16).map(|actor| places(&cluster.create(1, actor, &[("CPU", 1.0), ("strategy:SPREAD", 1.0)], 0))[0].0);
    let spread: std::collections::BTreeSet<_> = spread.collect();
    assert_eq!(spread.len(), 3);
}

#[test]
fn a_refused_actor_goes_elsewhere_if_there_is_an_elsewhere() {
    let mut cluster = Cluster::new();
    cluster.join(1, &[("CPU", 1.0)]);
    cluster.join(2, &[("CPU", 2.0)]);
    assert_eq!(places(&cluster.create(1, 5, &[("CPU", 1.0)], 0)), [(node(1), 0)]);
    // What the wrong node says is nobody's word.
    assert!(states(&refuse(&mut cluster, 2, 5, "unschedulable")).is_empty());
    cluster.load(1, &[]);
    assert_eq!(places(&refuse(&mut cluster, 1, 5, "unschedulable")), [(node(2), 0)]);
    assert_eq!(states(&refuse(&mut cluster, 2, 5, "runtime_env_failed")), [(node(1), "dead".to_owned())]);
}

#[test]
fn an_actor_runs_where_its_bundle_is() {
    let mut cluster = Cluster::new();
    (1..=3).for_each(|number| _ = cluster.join(number, &[("CPU", 1.0)]));
    let inside = format!("CPU_group_1_{}", group(9));
    assert!(places(&cluster.create(1, 5, &[(inside.as_str(), 1.0)], 0)).is_empty(), "its group may be on its way");
    let out = cluster.group(1, 9, "STRICT_SPREAD", &[&[("CPU", 1.0)], &[("CPU", 1.0)]]);
    let asked = super::prepares(&out);
    assert_eq!(asked.len(), 2);
    assert!(places(&out).is_empty());
    let home = |index| asked.iter().find(|(_, _, indices)| indices.contains(&index)).expect("asked").0;
    let numbers: Vec<u8> = asked.iter().map(|(node, ..)| node.as_bytes()[0]).collect();
    assert!(places(&cluster.prepared(numbers[0], 9, 1, true)).is_empty());
    let out = cluster.prepared(numbers[1], 9, 1, true);
    assert_eq!(places(&out), [(home(1), 0)]);
    let kinds: Vec<usize> = out
        .iter()
        .enumerate()
        .filter(|(_, (to, body))| *to == home(1) && matches!(body, ToNode::CommitBundles(_) | ToNode::PlaceActor(_)))
        .map(|(place, _)| place)
        .collect();
    assert!(matches!(out[kinds[0]].1, ToNode::CommitBundles(_)), "the bundle may be used before it is");
    // The group goes, and what waits in it.
    cluster.create(1, 6, &[(inside.as_str(), 2.0)], 0);
    let out = cluster.remove_group(1, 9);
    assert!(states(&out).contains(&(node(1), "dead".to_owned())));
}

#[test]
fn an_actor_that_ends_before_it_has_a_worker_is_looked_for_no_more() {
    let mut cluster = Cluster::new();
    cluster.join(1, &[("CPU", 1.0)]);
    cluster.create(1, 5, &[("CPU", 1.0)], 0);
    let kill = trygon_proto::control::KillActor {
        actor_id: vec![5; ActorId::LEN],
        no_restart: true,
        ..trygon_proto::control::KillActor::default()
    };
    assert_eq!(unplaces(&cluster.ask(1, 1, Request::KillActor(kill))), [node(1)]);
    assert_eq!(kills(&cluster.placed(1, 4, 5, 0)).len(), 1);
}
