//! What ends with what, when nobody watches and when news was lost.

use super::{Body, Cluster, ToNode, Told, amounts, group, node, worker};
use crate::head::Out;
use trygon_control_core::GroupState;
use trygon_ids::ActorId;
use trygon_proto::control::{Bundle, CreateActor, CreatePlacementGroup, Death};
use trygon_proto::v1::from_process::Request;
use trygon_proto::v1::{EndJob, NodeToHead, ProcessEnded, RegisterNode, StartJob};

fn numbered(cluster: &mut Cluster, number: u64, body: Body) -> Told {
    let mut out = Out::new();
    cluster.now_us += 10;
    let message = NodeToHead { number, body: Some(body), ..NodeToHead::default() };
    cluster.head.apply(cluster.now_us, node(1), message, &mut out);
    cluster.told(out)
}

fn start(request_id: u64) -> Body {
    let driver_id = worker(1, 9).as_bytes().to_vec();
    Body::StartJob(StartJob { request_id, driver_id, ..StartJob::default() })
}

fn accepted(told: &Told) -> Vec<Vec<u8>> {
    let jobs = told.iter().filter_map(|(_, body)| match body {
        ToNode::JobAccepted(accepted) => Some(accepted.job_id.clone()),
        _ => None,
    });
    jobs.collect()
}

/// BACK-1, HEAR-1: the acceptance was lost with the stream. The node does not name the job, and its driver waits for it.
#[test]
fn a_job_whose_acceptance_was_lost_goes_on() {
    let mut cluster = Cluster::new();
    cluster.join(1, &[("CPU", 2.0)]);
    let first = accepted(&numbered(&mut cluster, 1, start(5)));
    let told = cluster.tell(
        1,
        Body::Register(RegisterNode {
            node_id: node(1).as_bytes().to_vec(),
            address: "10.0.0.1:6380".to_owned(),
            resources: amounts(&[("CPU", 2.0)]),
            known_number: 1,
            processes: vec![worker(1, 9).as_bytes().to_vec()],
            ..RegisterNode::default()
        }),
    );
    let is_of_it = |body: &ToNode| matches!(body, ToNode::JobEnded(_) | ToNode::JobStarted(_));
    assert!(!told.iter().any(|(_, body)| is_of_it(body)), "{told:?}");
    assert_eq!(accepted(&numbered(&mut cluster, 1, start(5))), first);
    assert_eq!(cluster.head.running_jobs().len(), 1);
}

fn create_group(cluster: &mut Cluster, process: u64, number: u8, creator_actor: Vec<u8>) {
    let bundles = vec![Bundle { resources: amounts(&[("CPU", 1.0)]) }];
    let group_id = group(number).as_bytes().to_vec();
    let create =
        CreatePlacementGroup { group_id, strategy: "PACK".to_owned(), bundles, creator_actor, ..Default::default() };
    cluster.ask(1, process, Request::CreateGroup(create));
}

fn end(cluster: &mut Cluster, process: u64) {
    let death = Some(Death { kind: "exit".to_owned(), ..Death::default() });
    let worker_id = worker(1, process).as_bytes().to_vec();
    cluster.tell(1, Body::ProcessEnded(ProcessEnded { worker_id, death }));
}

/// PLACE-3: nobody watches the actor, and what comes late of it is not taken in.
#[test]
fn a_group_ends_with_its_detached_actor_though_nobody_watches() {
    let mut cluster = Cluster::new();
    cluster.join(1, &[("CPU", 4.0)]);
    let actor_id = vec![3; ActorId::LEN];
    let create = CreateActor { actor_id: actor_id.clone(), detached: true, ..CreateActor::default() };
    cluster.ask(1, 1, Request::CreateActor(create));
    cluster.placed(1, 2, 3, 0);
    create_group(&mut cluster, 2, 7, actor_id.clone());
    end(&mut cluster, 1);
    let state = |cluster: &Cluster, number| cluster.head.group_table().get(group(number)).map(|it| it.state.clone());
    assert!(state(&cluster, 7).is_some_and(|state| state != GroupState::Removed));
    end(&mut cluster, 2);
    assert_eq!(state(&cluster, 7), Some(GroupState::Removed));
    create_group(&mut cluster, 2, 8, actor_id);
    assert_eq!(state(&cluster, 8), None);
}

/// PLACE-3: what a worker of a job asked for before its end comes after it, from another node.
#[test]
fn a_group_of_a_job_that_is_over_is_not_made() {
    let mut cluster = Cluster::new();
    cluster.join(1, &[("CPU", 4.0)]);
    let job = accepted(&numbered(&mut cluster, 1, start(5)));
    assert_eq!(job, [vec![1, 0, 0, 0]], "the job of whoever asks in these tests");
    create_group(&mut cluster, 2, 7, Vec::new());
    numbered(&mut cluster, 2, Body::EndJob(EndJob { job_id: job[0].clone(), death: None }));
    create_group(&mut cluster, 2, 8, Vec::new());
    assert!(cluster.head.group_table().get(group(7)).is_some_and(|it| it.state == GroupState::Removed));
    assert_eq!(cluster.head.group_table().get(group(8)), None);
}
