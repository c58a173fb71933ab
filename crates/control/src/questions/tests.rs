//! What is said again, and what is not.

use super::Questions;
use trygon_ids::WorkerId;
use trygon_proto::v1::from_process::Request;
use trygon_proto::v1::node_to_head::Body;
use trygon_proto::v1::to_process::Reply;
use trygon_proto::v1::{FromProcess, NodeToHead, ProcessEnded, StartJob};
use trygon_wire::control::{
    ActorStarted, ActorUpdate, FunctionPut, KeyValueReply, KeyValueRequest, KillActor, WatchActor,
};

fn worker(number: u8) -> WorkerId {
    WorkerId::new([number; WorkerId::LEN])
}

fn asked(from: u8, request: Request) -> Body {
    Body::FromProcess(FromProcess {
        worker_id: worker(from).as_bytes().to_vec(),
        job_id: Vec::new(),
        request: Some(request),
    })
}

fn key_value(operation: &str, request_id: u64) -> Request {
    let operation = operation.to_owned();
    Request::KeyValue(KeyValueRequest { request_id, operation, ..KeyValueRequest::default() })
}

fn answer(questions: &mut Questions, to: u8, request_id: u64) {
    let reply = Reply::KeyValue(KeyValueReply { request_id, ..KeyValueReply::default() });
    questions.note_answer(worker(to), &reply);
}

fn ended(number: u8) -> Body {
    Body::ProcessEnded(ProcessEnded { worker_id: worker(number).as_bytes().to_vec(), death: None })
}

/// The numbers that are said again.
fn numbers(questions: &Questions) -> Vec<u64> {
    questions.open().iter().map(|message| message.number).collect()
}

#[test]
fn what_was_answered_is_not_asked_again() {
    let mut questions = Questions::default();
    for (from, request_id) in [(1, 1), (2, 1), (1, 2)] {
        assert_eq!(questions.note(asked(from, key_value("get", request_id))).number, 0, "changes nothing");
    }
    answer(&mut questions, 1, 1);
    let open = |questions: &Questions| -> Vec<Option<Body>> {
        questions.open().into_iter().map(|message| message.body).collect()
    };
    assert_eq!(open(&questions), [Some(asked(1, key_value("get", 2))), Some(asked(2, key_value("get", 1)))]);
    questions.forget(worker(2));
    assert_eq!(open(&questions), [Some(asked(1, key_value("get", 2)))]);
}

#[test]
fn what_changes_the_state_is_said_until_it_is_heard() {
    let mut questions = Questions::default();
    let (no_restart, out_of_scope) = (false, false);
    let said = [
        asked(1, Request::KillActor(KillActor { actor_id: vec![7], no_restart, out_of_scope })),
        asked(1, Request::ActorStarted(ActorStarted { actor_id: vec![7], ..ActorStarted::default() })),
        asked(1, Request::FunctionPut(FunctionPut { hash: vec![1], body: vec![2] })),
        ended(3),
    ];
    let messages: Vec<NodeToHead> = said.into_iter().map(|body| questions.note(body)).collect();
    assert_eq!(messages.iter().map(|message| message.number).collect::<Vec<_>>(), [1, 2, 3, 4]);
    assert_eq!(questions.open(), messages, "HEAR-1: the same numbers again");
    questions.note_heard(3);
    assert_eq!((numbers(&questions), questions.ended().len()), (vec![4], 1));
    questions.note_heard(4);
    assert_eq!((numbers(&questions), questions.ended().len()), (vec![], 0));
}

#[test]
fn an_answer_that_may_be_lost_is_asked_for_though_the_change_was_heard() {
    let mut questions = Questions::default();
    let put = questions.note(asked(1, key_value("put", 5)));
    questions.note(asked(1, Request::FunctionPut(FunctionPut::default())));
    let job = questions.note(Body::StartJob(StartJob { request_id: 9, ..StartJob::default() }));
    questions.note_heard(3);
    assert_eq!(numbers(&questions), [put.number, job.number]);
    assert_eq!(questions.note(ended(9)).done, 0, "the head keeps these answers");
    answer(&mut questions, 1, 5);
    assert_eq!(numbers(&questions), [3, 4]);
    assert_eq!(questions.open()[0].done, 2);
    questions.note_job(9);
    questions.note_heard(4);
    assert_eq!(numbers(&questions), [0u64; 0]);
    assert_eq!(questions.note(ended(10)).done, 4);
}

#[test]
fn what_a_process_changed_is_said_though_it_is_gone() {
    let mut questions = Questions::default();
    questions.note(asked(1, key_value("put", 5)));
    questions.note(asked(1, key_value("put", 6)));
    questions.note_heard(1);
    questions.note(ended(1));
    assert_eq!(numbers(&questions), [2, 3], "nobody waits for the answer to the first, which was heard");
}

#[test]
fn watches_are_asked_again_until_the_actor_is_dead() {
    let mut questions = Questions::default();
    let watch = Request::WatchActor(WatchActor { actor_id: vec![7] });
    questions.note(asked(1, watch.clone()));
    let update = |state: &str| {
        Reply::ActorUpdate(ActorUpdate { actor_id: vec![7], state: state.to_owned(), ..ActorUpdate::default() })
    };
    questions.note_answer(worker(1), &update("alive"));
    assert_eq!(questions.open()[0].body, Some(asked(1, watch)), "news may have been lost");
    questions.note_answer(worker(1), &update("dead"));
    assert_eq!(questions.open(), []);
}
