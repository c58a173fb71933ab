//! The head with nodes that are only messages.

use crate::head::{Head, Out};
use std::collections::HashMap;
use trygon_ids::{ActorId, NodeId, WorkerId};
use trygon_proto::control::{ActorStarted, CreateActor, Death, GetNamedActor, KeyValueRequest, KillActor};
use trygon_proto::v1::from_process::Request;
use trygon_proto::v1::head_to_node::Body as ToNode;
use trygon_proto::v1::node_to_head::Body;
use trygon_proto::v1::to_process::Reply;
use trygon_proto::v1::{ActorPlaced, EndJob, FromProcess, NodeToHead, RegisterNode, StartJob};

struct Cluster {
    head: Head,
    now_us: u64,
}

fn node(number: u8) -> NodeId {
    NodeId::new([number; NodeId::LEN])
}

fn worker(number: u8, process: u64) -> WorkerId {
    let mut bytes = [number; WorkerId::LEN];
    bytes[20..].copy_from_slice(&process.to_be_bytes());
    WorkerId::new(bytes)
}

fn amounts(list: &[(&str, f64)]) -> HashMap<String, f64> {
    list.iter().map(|(name, amount)| ((*name).to_owned(), *amount)).collect()
}

impl Cluster {
    fn new() -> Self {
        Self { head: Head::new(), now_us: 1 }
    }

    fn tell(&mut self, from: u8, body: Body) -> Vec<(NodeId, ToNode)> {
        let mut out = Out::new();
        self.now_us += 10;
        self.head.apply(self.now_us, node(from), NodeToHead { body: Some(body) }, &mut out);
        out.into_iter().map(|(to, message)| (to, message.body.expect("a body"))).collect()
    }

    fn join(&mut self, number: u8, resources: &[(&str, f64)]) -> Vec<(NodeId, ToNode)> {
        self.tell(
            number,
            Body::Register(RegisterNode {
                node_id: node(number).as_bytes().to_vec(),
                address: format!("10.0.0.{number}:6380"),
                resources: amounts(resources),
                ..RegisterNode::default()
            }),
        )
    }

    fn ask(&mut self, from: u8, process: u64, request: Request) -> Vec<(NodeId, ToNode)> {
        let worker_id = worker(from, process).as_bytes().to_vec();
        self.tell(from, Body::FromProcess(FromProcess { worker_id, job_id: vec![1, 0, 0, 0], request: Some(request) }))
    }

    fn create(&mut self, from: u8, actor: u8, needs: &[(&str, f64)], max_restarts: i64) -> Vec<(NodeId, ToNode)> {
        let message = CreateActor {
            actor_id: vec![actor; ActorId::LEN],
            class_name: "Counter".to_owned(),
            name: format!("actor-{actor}"),
            namespace: "space".to_owned(),
            placement_resources: amounts(needs),
            max_restarts,
            ..CreateActor::default()
        };
        self.ask(from, 1, Request::CreateActor(message))
    }

    fn placed(&mut self, at: u8, process: u64, actor: u8, incarnation: u32) -> Vec<(NodeId, ToNode)> {
        let worker_id = worker(at, process).as_bytes().to_vec();
        let actor_id = vec![actor; ActorId::LEN];
        self.tell(at, Body::ActorPlaced(ActorPlaced { actor_id, incarnation, worker_id, pid: 77 }))
    }
}

fn places(out: &[(NodeId, ToNode)]) -> Vec<(NodeId, u32)> {
    out.iter()
        .filter_map(|(to, body)| match body {
            ToNode::PlaceActor(message) => Some((*to, message.incarnation)),
            _ => None,
        })
        .collect()
}

fn states(out: &[(NodeId, ToNode)]) -> Vec<(NodeId, String)> {
    out.iter()
        .filter_map(|(to, body)| match body {
            ToNode::ToProcess(message) => match &message.reply {
                Some(Reply::ActorUpdate(update)) => Some((*to, update.state.clone())),
                _ => None,
            },
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
    let told: Vec<usize> = out
        .iter()
        .filter_map(|(to, body)| match body {
            ToNode::View(view) if *to == node(1) => Some(view.nodes.len()),
            _ => None,
        })
        .collect();
    assert_eq!(told, [1], "the first hears of the second");
}

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
    let mut out = Out::new();
    cluster.head.on_node_lost(cluster.now_us, node(2), "its lease ended", &mut out);
    let out: Vec<_> = out.into_iter().map(|(to, message)| (to, message.body.expect("a body"))).collect();
    assert_eq!(states(&out), [(node(1), "restarting".to_owned())]);
    assert!(places(&out).is_empty(), "no node has what it needs");
    assert_eq!(places(&cluster.join(3, &[("CPU", 1.0), ("GPU", 2.0)])), [(node(3), 1)], "until one comes");
    // What the old life's node says late changes nothing.
    assert!(cluster.placed(2, 4, 5, 0).is_empty());
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

/// Keys of what jobs shipped, after an operation on one of them.
fn shipped(cluster: &mut Cluster, operation: &str, key: &str) -> Vec<String> {
    for (operation, key) in [(operation, key), ("list", "package:")] {
        let call = KeyValueRequest {
            operation: operation.to_owned(),
            namespace: "trygon.runtime_env".to_owned(),
            key: key.as_bytes().to_vec(),
            ..KeyValueRequest::default()
        };
        let out = cluster.ask(1, 1, Request::KeyValue(call));
        if operation == "list" {
            let keys = out.into_iter().filter_map(|(_, body)| match body {
                ToNode::ToProcess(message) => match message.reply {
                    Some(Reply::KeyValue(reply)) => Some(reply.keys),
                    _ => None,
                },
                _ => None,
            });
            return keys.flatten().map(|key| String::from_utf8(key).expect("a text")).collect();
        }
    }
    Vec::new()
}

#[test]
fn what_a_job_shipped_goes_with_the_last_of_it() {
    let mut cluster = Cluster::new();
    cluster.join(1, &[("CPU", 4.0)]);
    for driver in [1, 2] {
        let driver_id = worker(1, driver).as_bytes().to_vec();
        cluster.tell(1, Body::StartJob(StartJob { driver_id, ..StartJob::default() }));
    }
    shipped(&mut cluster, "put", "package:02000000:other");
    assert_eq!(shipped(&mut cluster, "put", "package:01000000:own:0").len(), 2);
    let detached = CreateActor {
        actor_id: vec![7; ActorId::LEN],
        class_name: "Kept".to_owned(),
        name: "kept".to_owned(),
        detached: true,
        placement_resources: amounts(&[("CPU", 1.0)]),
        ..CreateActor::default()
    };
    cluster.ask(1, 1, Request::CreateActor(detached));
    cluster.tell(1, Body::EndJob(EndJob { job_id: vec![1, 0, 0, 0], death: Some(Death::default()) }));
    assert_eq!(shipped(&mut cluster, "put", "package:01000000:own:1").len(), 3, "its detached actor may need it");
    let kill = KillActor { actor_id: vec![7; ActorId::LEN], no_restart: true, ..KillActor::default() };
    cluster.ask(1, 1, Request::KillActor(kill));
    assert_eq!(shipped(&mut cluster, "get", ""), ["package:02000000:other"]);
    let late = shipped(&mut cluster, "put", "package:01000000:late");
    assert_eq!(late, ["package:02000000:other"], "nobody would take it away");
}
