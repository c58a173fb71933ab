//! What becomes of events for which there is no room.

use crate::head::Head;
use crate::machine::{Machine as _, Refusal};
use trygon_proto::control::{CreateActor, CreatePlacementGroup, KeyValueRequest, KillActor};
use trygon_proto::v1::from_process::Request;
use trygon_proto::v1::head_to_node::Body as ToNode;
use trygon_proto::v1::node_to_head::Body;
use trygon_proto::v1::to_process::Reply;
use trygon_proto::v1::{FromProcess, NodeToHead, ProcessEnded};

const WHY: &str = "the folder /x has no room";

fn refuse(request: Request) -> Refusal<trygon_proto::v1::HeadToNode> {
    let message = FromProcess { request: Some(request), ..FromProcess::default() };
    Head::refuse(&NodeToHead { body: Some(Body::FromProcess(message)), ..NodeToHead::default() }, WHY)
}

fn reply(request: Request) -> Reply {
    match refuse(request) {
        Refusal::Instead(answer) => match answer.body {
            Some(ToNode::ToProcess(message)) => message.reply.expect("an answer"),
            other => panic!("FULL-1: {other:?}"),
        },
        other => panic!("FULL-1: {other:?}"),
    }
}

#[test]
fn who_asks_is_refused_and_the_rest_waits() {
    let put = KeyValueRequest { request_id: 4, operation: "put".to_owned(), ..KeyValueRequest::default() };
    let Reply::KeyValue(answer) = reply(Request::KeyValue(put)) else { panic!("FULL-1") };
    assert_eq!((answer.request_id, answer.out_of_disk.as_str()), (4, WHY));
    for request_id in [0, 5] {
        let create = CreateActor { request_id, actor_id: vec![3; 16], ..CreateActor::default() };
        match reply(Request::CreateActor(create)) {
            Reply::CreateActor(answer) => assert_eq!((request_id, answer.out_of_disk.as_str()), (5, WHY)),
            Reply::ActorUpdate(update) => {
                let death = update.death.expect("a cause");
                assert_eq!((request_id, update.state.as_str(), death.message.as_str()), (0, "dead", WHY));
            }
            other => panic!("FULL-1: {other:?}"),
        }
        let group = CreatePlacementGroup { request_id, ..CreatePlacementGroup::default() };
        let is_told = matches!(refuse(Request::CreateGroup(group)), Refusal::Meanwhile(_));
        assert_eq!(is_told, request_id == 0, "FULL-1");
    }
    assert_eq!(refuse(Request::KillActor(KillActor::default())), Refusal::Waits);
    let ended = NodeToHead { body: Some(Body::ProcessEnded(ProcessEnded::default())), ..NodeToHead::default() };
    assert_eq!(Head::refuse(&ended, WHY), Refusal::Waits, "FULL-1: a death is not dropped");
}
