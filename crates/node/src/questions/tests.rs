//! What is asked again, and what is not.

use super::Questions;
use trygon_ids::WorkerId;
use trygon_proto::v1::FromProcess;
use trygon_proto::v1::from_process::Request;
use trygon_proto::v1::node_to_head::Body;
use trygon_proto::v1::to_process::Reply;
use trygon_wire::control::{ActorStarted, ActorUpdate, KeyValueReply, KeyValueRequest, KillActor, WatchActor};

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

fn key_value(request_id: u64) -> Request {
    Request::KeyValue(KeyValueRequest { request_id, ..KeyValueRequest::default() })
}

#[test]
fn what_was_answered_is_not_asked_again() {
    let mut questions = Questions::default();
    questions.note(&asked(1, key_value(1)));
    questions.note(&asked(2, key_value(1)));
    questions.note(&asked(1, key_value(2)));
    let reply = Reply::KeyValue(KeyValueReply { request_id: 1, ..KeyValueReply::default() });
    questions.note_answer(worker(1), &reply);
    assert_eq!(questions.open(), [asked(1, key_value(2)), asked(2, key_value(1))]);
    questions.forget(worker(2));
    assert_eq!(questions.open(), [asked(1, key_value(2))]);
}

#[test]
fn an_actor_is_watched_until_it_is_dead() {
    let watch = Request::WatchActor(WatchActor { actor_id: vec![7] });
    let mut questions = Questions::default();
    questions.note(&asked(1, watch.clone()));
    let update = |state: &str| {
        Reply::ActorUpdate(ActorUpdate { actor_id: vec![7], state: state.to_owned(), ..ActorUpdate::default() })
    };
    questions.note_answer(worker(1), &update("alive"));
    assert_eq!(questions.open(), [asked(1, watch)]);
    questions.note_answer(worker(1), &update("dead"));
    assert_eq!(questions.open(), []);
}

#[test]
fn a_constructor_is_done_until_the_head_knows_it() {
    let started = Request::ActorStarted(ActorStarted { actor_id: vec![7], ..ActorStarted::default() });
    let mut questions = Questions::default();
    questions.note(&asked(1, started.clone()));
    questions.note_running(worker(2));
    assert_eq!(questions.open(), [asked(1, started)]);
    questions.note_running(worker(1));
    assert_eq!(questions.open(), []);
}

#[test]
fn an_end_that_allows_another_life_is_asked_for_once() {
    let kill = |no_restart| Request::KillActor(KillActor { actor_id: vec![7], no_restart, out_of_scope: false });
    let mut questions = Questions::default();
    questions.note(&asked(1, kill(false)));
    assert_eq!(questions.open(), []);
    questions.note(&asked(1, kill(true)));
    assert_eq!(questions.open(), [asked(1, kill(true))]);
}
