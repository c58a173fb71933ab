//! Nodes come, report and go.

use super::{Body, Cluster, Request, ToNode, Told, amounts, node, places, worker};
use crate::head::Out;
use trygon_ids::ActorId;
use trygon_proto::control::{CreateActor, GetNamedActor, KeyValueRequest, KillActor};
use trygon_proto::v1::to_process::Reply;
use trygon_proto::v1::{DrainNode, FromProcess, Load, NodeToHead, RegisterNode, StartJob, Waiting};

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
            address: format!("10.0.0.{number}:1"),
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
    cluster.put_function(1, vec![9], vec![1; 200_000]);
    cluster.restart();
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

#[test]
fn a_node_at_the_address_of_another_takes_its_place() {
    let mut cluster = Cluster::new();
    for number in 1..=2 {
        cluster.join(number, &[("CPU", 2.0)]);
    }
    let register = RegisterNode {
        node_id: node(3).as_bytes().to_vec(),
        address: "10.0.0.1:6380".to_owned(),
        resources: amounts(&[("CPU", 1.0)]),
        ..RegisterNode::default()
    };
    let out = cluster.tell(3, Body::Register(register));
    let dead = out.iter().filter_map(|(to, body)| match body {
        ToNode::View(view) if *to == node(2) => view.nodes.iter().find(|view| view.state == "dead"),
        _ => None,
    });
    let dead: Vec<_> = dead.collect();
    assert!(dead.len() == 1 && dead[0].node_id == node(1).as_bytes() && dead[0].message.contains("another node"));
    assert_eq!(cluster.head.members(), [node(2), node(3)]);
}

/// What was told of a numbered message.
fn say(cluster: &mut Cluster, number: u64, done: u64, operation: &str) -> Told {
    let call = KeyValueRequest {
        request_id: 40 + number,
        operation: operation.to_owned(),
        key: vec![number as u8],
        ..KeyValueRequest::default()
    };
    let worker_id = worker(1, 1).as_bytes().to_vec();
    let request = FromProcess { worker_id, request: Some(Request::KeyValue(call)), ..FromProcess::default() };
    let message = NodeToHead { number, done, body: Some(Body::FromProcess(request)) };
    let mut out = Out::new();
    cluster.head.apply(cluster.now_us, node(1), message, &mut out);
    cluster.told(out)
}

#[test]
fn what_is_said_twice_is_done_once_and_answered_alike() {
    let mut cluster = Cluster::new();
    cluster.join(1, &[("CPU", 2.0)]);
    let first = say(&mut cluster, 1, 0, "put");
    say(&mut cluster, 2, 0, "put");
    for restarts in 0..2 {
        if restarts > 0 {
            cluster.restart();
            cluster.join(1, &[("CPU", 2.0)]);
        }
        // HEAR-1: a second `put` would say that the key was there.
        assert_eq!(say(&mut cluster, 1, 0, "put"), first);
    }
    say(&mut cluster, 3, 1, "delete");
    assert_eq!(say(&mut cluster, 1, 1, "put"), [], "the node said that it has the answer");
    assert_eq!(say(&mut cluster, 2, 1, "put").len(), 1);
}

/// FULL-1, HEAR-1: for want of room the first was refused and not taken in, the second was; the answer to the first was lost.
#[test]
fn what_was_refused_and_is_said_again_is_taken_in() {
    let mut cluster = Cluster::new();
    cluster.join(1, &[("CPU", 2.0)]);
    say(&mut cluster, 2, 0, "put");
    let first = say(&mut cluster, 1, 0, "delete");
    assert_eq!(first.len(), 1, "who asked waits");
    assert_eq!(say(&mut cluster, 1, 0, "delete"), first, "and once only");
}

#[test]
fn the_job_of_an_actor_that_is_forgotten_is_forgotten() {
    let mut cluster = Cluster::new();
    cluster.join(1, &[("CPU", 2.0)]);
    for number in 0..10_050_u64 {
        let mut actor_id = vec![9; ActorId::LEN];
        actor_id[..8].copy_from_slice(&number.to_be_bytes());
        let create = CreateActor { actor_id: actor_id.clone(), ..CreateActor::default() };
        let kill = KillActor { actor_id, no_restart: true, ..KillActor::default() };
        let mut out = Out::new();
        for request in [Request::CreateActor(create), Request::KillActor(kill)] {
            let worker_id = worker(1, 1).as_bytes().to_vec();
            let message = FromProcess { worker_id, request: Some(request), ..FromProcess::default() };
            let message = NodeToHead { body: Some(Body::FromProcess(message)), ..NodeToHead::default() };
            cluster.head.apply(1, node(1), message, &mut out);
        }
    }
    cluster.head.sanity_check().expect("RECORD-1");
    assert_eq!(cluster.head.job_of_actor.len(), 10_000);
}

/// What a node says is not believed to the end: numbers that nothing would fit behind are given anew, and sums stop at the most.
#[test]
fn extreme_numbers_leave_room_for_others() {
    let mut cluster = Cluster::new();
    let register = |number: u8, known_number| {
        let (node_id, address) = (node(number).as_bytes().to_vec(), format!("10.0.0.{number}:1"));
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
    let last = vec![0xfe, 0xff, 0xff, 0xff];
    for job_id in [vec![], last.clone(), vec![], vec![]] {
        let driver_id = worker(1, 1).as_bytes().to_vec();
        let out = cluster.tell(1, Body::StartJob(StartJob { driver_id, job_id, ..StartJob::default() }));
        ids.extend(out.into_iter().filter_map(|(_, body)| match body {
            ToNode::JobAccepted(accepted) => Some(accepted.job_id),
            _ => None,
        }));
    }
    assert_eq!(
        ids,
        [vec![1, 0, 0, 0], last, vec![2, 0, 0, 0], vec![3, 0, 0, 0]],
        "the number that stands for none is left out"
    );
}

#[test]
fn a_node_that_is_its_own_cluster_is_not_one_of_many() {
    let mut cluster = Cluster::new();
    cluster.join(3, &[("CPU", 1.0)]);
    let alone = Body::Register(RegisterNode { node_id: node(1).as_bytes().to_vec(), ..RegisterNode::default() });
    assert!(cluster.tell(1, alone.clone()).is_empty());
    assert_eq!(cluster.head.members(), [node(3)]);
    let mut own = Cluster::new();
    own.tell(1, alone);
    assert!(own.join(3, &[("CPU", 1.0)]).is_empty());
    assert_eq!(own.head.members(), [node(1)]);
}
