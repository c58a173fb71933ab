//! Questions about the cluster.

use super::{Body, Cluster, Request, ToNode, amounts, group, node};
use trygon_ids::ActorId;
use trygon_proto::control::StateQuery;
use trygon_proto::v1::to_process::Reply;
use trygon_proto::v1::{Load, Waiting};

fn ask(cluster: &mut Cluster, what: &str, argument: &str) -> String {
    let query = StateQuery { request_id: 1, what: what.to_owned(), argument: argument.to_owned() };
    let out = cluster.ask(1, 1, Request::StateQuery(query));
    let answer = out.into_iter().find_map(|(_, body)| match body {
        ToNode::ToProcess(message) => match message.reply {
            Some(Reply::State(state)) => Some(state.json),
            _ => None,
        },
        _ => None,
    });
    answer.expect("an answer")
}

#[test]
fn what_waits_in_the_whole_cluster_is_told_by_shape() {
    let mut cluster = Cluster::new();
    cluster.join(1, &[("CPU", 1.0)]);
    cluster.join(2, &[("CPU", 1.0)]);
    let waiting = |count| Waiting {
        resources: amounts(&[("GPU", 1.0)]),
        count,
        name: "train".to_owned(),
        message: "no GPU".to_owned(),
    };
    for (number, count) in [(1, 3), (2, 4)] {
        let load = Load { free: amounts(&[("CPU", 1.0)]), waiting: vec![waiting(count)], ..Load::default() };
        cluster.tell(number, Body::Load(load));
    }
    cluster.create(1, 5, &[("CPU", 7.0)], 0);
    cluster.create(1, 6, &[("CPU", 7.0)], 0);
    cluster.group(1, 9, "STRICT_PACK", &[&[("CPU", 1.0)], &[("CPU", 1.0)]]);
    let demand = ask(&mut cluster, "demand", "");
    let tasks = r#"{"kind":"tasks","needs":[{"GPU":1.0}],"count":7,"name":"train","why":"no GPU"}"#;
    assert!(demand.contains(tasks), "{demand}");
    assert!(demand.contains(r#""kind":"actors","needs":[{"CPU":7.0}],"count":2"#), "{demand}");
    assert!(demand.contains(r#""kind":"placement_group","needs":[{"CPU":1.0},{"CPU":1.0}],"count":1"#), "{demand}");
}

#[test]
fn everything_can_be_asked_why() {
    let mut cluster = Cluster::new();
    cluster.join(1, &[("CPU", 1.0)]);
    cluster.create(1, 5, &[("CPU", 7.0)], 0);
    cluster.group(1, 9, "STRICT_PACK", &[&[("CPU", 1.0)], &[("CPU", 1.0)]]);
    let actor = ask(&mut cluster, "explain", &ActorId::new([5; ActorId::LEN]).hex());
    assert!(actor.contains("more CPU than 1") && actor.contains(r#""state":"pending""#), "{actor}");
    assert_eq!(ask(&mut cluster, "explain", "actor-5"), actor);
    let pending = ask(&mut cluster, "explain", &group(9).hex());
    assert!(pending.contains("STRICT_PACK") && pending.contains(r#""state":"WAITING""#), "{pending}");
    let one = ask(&mut cluster, "explain", &node(1).hex());
    assert!(one.contains(r#""node_number":1"#), "{one}");
    assert_eq!(ask(&mut cluster, "explain", ""), "[]");
    let nodes = ask(&mut cluster, "nodes", "");
    assert!(nodes.contains(r#""NodeNumber":1"#) && nodes.contains(r#""State":"alive""#), "{nodes}");
}
