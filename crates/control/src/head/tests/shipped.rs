//! Code that jobs ship, which goes with them.

use super::{Cluster, ToNode, amounts, worker};
use trygon_ids::ActorId;
use trygon_proto::control::{CreateActor, Death, KeyValueRequest, KillActor};
use trygon_proto::v1::from_process::Request;
use trygon_proto::v1::node_to_head::Body;
use trygon_proto::v1::to_process::Reply;
use trygon_proto::v1::{EndJob, StartJob};

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
