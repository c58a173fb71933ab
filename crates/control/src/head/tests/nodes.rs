//! Nodes come, report and go.

use super::{Body, Cluster, Request, ToNode, Told, amounts, node, places, worker};
use crate::head::Head;
use trygon_ids::ActorId;
use trygon_proto::control::GetNamedActor;
use trygon_proto::v1::to_process::Reply;
use trygon_proto::v1::{DrainNode, Load, RegisterNode, StartJob, Waiting};

/// Of how many nodes a node is told.
fn views(out: &Told, of: u8) -> Vec<usize> {
    out.iter()
        .filter_map(|(to, body)| match body {
            ToNode::View(view) if *to == node(of) => Some(view.nodes.len()),
            _ => None,
        })
        .collect()
}

#[test]
fn nodes_are_numbered_and_told_of_one_another() {
    let mut cluster = Cluster::new();
    cluster.join(1, &[("CPU", 2.0)]);
    let out = cluster.join(2, &[("CPU", 2.0)]);
    let numbers: Vec<u32> = out
        .iter()
        .filter_map(|(to, body)| match body {
            ToNode::Registered(registered) if *to == node(2) => Some(registered.node_number),
            _ => None,
        })
        .collect();
    assert_eq!(numbers, [2]);
    assert_eq!(views(&out, 2), [2], "the second hears of both at once");
    assert_eq!(views(&cluster.wait(5_000), 1), [1], "the first hears of the second soon");
    assert!(cluster.wait(1_000_000).is_empty());
}

#[test]
fn a_number_stays_the_nodes_even_when_the_head_forgot_everything() {
    let mut cluster = Cluster::new();
    let register = |number: u8, known_number| {
        Body::Register(RegisterNode {
            node_id: node(number).as_bytes().to_vec(),
            address: "10.0.0.1:1".to_owned(),
            resources: amounts(&[("CPU", 1.0)]),
            known_number,
            ..RegisterNode::default()
        })
    };
    let mut numbers = Vec::new();
    for (number, known) in [(1, 7), (2, 0), (3, 7), (1, 7)] {
        let out = cluster.tell(number, register(number, known));
        numbers.extend(out.iter().filter_map(|(_, body)| match body {
            ToNode::Registered(registered) => Some(registered.node_number),
            _ => None,
        }));
    }
    assert_eq!(numbers, [7, 8, 9, 7]);
}

#[test]
fn what_is_free_is_told_together_and_not_at_once() {
    let mut cluster = Cluster::new();
    (1..=3).for_each(|number| _ = cluster.join(number, &[("CPU", 2.0)]));
    cluster.wait(1_000_000);
    assert!(cluster.load(1, &[("CPU", 1.0)]).is_empty());
    assert!(cluster.load(2, &[("CPU", 1.0)]).is_empty());
    let out = cluster.wait(60_000);
    assert_eq!([views(&out, 1), views(&out, 2), views(&out, 3)], [[1], [1], [2]], "a node knows its own");
    assert!(cluster.wait(1_000_000).is_empty());
}

#[test]
fn the_dead_are_told_of_at_once() {
    let mut cluster = Cluster::new();
    (1..=3).for_each(|number| _ = cluster.join(number, &[("CPU", 2.0)]));
    cluster.wait(1_000_000);
    let out = cluster.lose(2);
    assert_eq!([views(&out, 1), views(&out, 3)], [[1], [1]]);
    assert!(out.iter().all(|(to, _)| *to != node(2)));
}

#[test]
fn a_node_that_drains_gets_nothing_new_and_what_waits_there_goes_elsewhere() {
    let mut cluster = Cluster::new();
    cluster.join(1, &[("CPU", 2.0)]);
    cluster.join(2, &[("CPU", 2.0), ("GPU", 1.0)]);
    assert_eq!(places(&cluster.create(1, 5, &[("GPU", 1.0)], 0)), [(node(2), 0)]);
    cluster.join(3, &[("CPU", 2.0), ("GPU", 1.0)]);
    let drain = DrainNode { node_id: node(2).as_bytes().to_vec(), reason: "for repair".to_owned(), deadline_ms: 0 };
    let out = cluster.tell(1, Body::Drain(drain));
    assert!(out.iter().any(|(to, body)| *to == node(2) && matches!(body, ToNode::Drain(_))));
    assert_eq!(super::unplaces(&out), [node(2)]);
    assert_eq!(places(&out), [(node(3), 0)]);
    // The old one was faster than its recall.
    assert_eq!(super::kills(&cluster.placed(2, 9, 5, 0)).len(), 1);
    assert!(super::kills(&cluster.placed(3, 9, 5, 0)).is_empty());
}

#[test]
fn a_snapshot_is_the_whole_state() {
    let mut cluster = Cluster::new();
    cluster.join(1, &[("CPU", 2.0)]);
    cluster.tell(1, Body::StartJob(StartJob { driver_id: worker(1, 1).as_bytes().to_vec(), ..StartJob::default() }));
    cluster.create(1, 5, &[("CPU", 1.0)], 0);
    cluster.placed(1, 3, 5, 0);
    let snapshot = cluster.head.snapshot().expect("a snapshot");
    cluster.head = Head::restore(&snapshot).expect("a head");
    assert_eq!(cluster.head.snapshot().expect("a snapshot"), snapshot);
    let named = GetNamedActor { request_id: 4, name: "actor-5".to_owned(), namespace: "space".to_owned() };
    let out = cluster.ask(1, 1, Request::GetNamedActor(named));
    let found = out.iter().any(|(_, body)| match body {
        ToNode::ToProcess(message) => {
            matches!(&message.reply, Some(Reply::NamedActor(actor)) if actor.actor_id == vec![5; ActorId::LEN])
        }
        _ => false,
    });
    assert!(found);
}

/// What a node says is not believed to the end: numbers that nothing would fit behind are given anew, and sums stop at the most.
#[test]
fn extreme_numbers_leave_room_for_others() {
    let mut cluster = Cluster::new();
    let register = |number: u8, known_number| {
        let (node_id, address) = (node(number).as_bytes().to_vec(), "10.0.0.1:1".to_owned());
        Body::Register(RegisterNode { node_id, address, known_number, ..RegisterNode::default() })
    };
    let mut numbers = Vec::new();
    for (number, known) in [(1, u32::MAX), (2, u32::MAX - 1), (3, 0)] {
        let out = cluster.tell(number, register(number, known));
        numbers.extend(out.iter().filter_map(|(_, body)| match body {
            ToNode::Registered(registered) => Some(registered.node_number),
            _ => None,
        }));
    }
    assert_eq!(numbers, [1, 2, 3]);
    let waiting = || Waiting { resources: amounts(&[("CPU", 1.0)]), count: u32::MAX, ..Waiting::default() };
    cluster.tell(1, Body::Load(Load { waiting: vec![waiting(), waiting()], ..Load::default() }));
    let mut ids = Vec::new();
    for job_id in [vec![], vec![0xff; 4], vec![], vec![]] {
        let driver_id = worker(1, 1).as_bytes().to_vec();
        let out = cluster.tell(1, Body::StartJob(StartJob { driver_id, job_id, ..StartJob::default() }));
        ids.extend(out.into_iter().filter_map(|(_, body)| match body {
            ToNode::JobAccepted(accepted) => Some(accepted.job_id),
            _ => None,
        }));
    }
    assert_eq!(ids, [vec![1, 0, 0, 0], vec![0xff; 4], vec![2, 0, 0, 0], vec![3, 0, 0, 0]]);
}
