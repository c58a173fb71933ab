//! Who owns, who holds, when something is freed.

use crate::tests::env::{Env, core, small, worker};
use crate::{CONNECTION_LOST, Effect, Location, Lost, PeerIndex, Reference, Value};
use trygon_ids::SegmentId;

/// A reference that process 2 owns.
fn foreign() -> Reference {
    let mut other = core(2);
    let (slot, generation) = other.put(small(b"theirs"), &[]);
    Reference { object: other.object_id(slot, generation, 0), owner: worker(2) }
}

/// OWN-1: an object is in its owner's table and nowhere else.
#[test]
fn an_object_has_one_owner() {
    let mut env = Env::new();
    let (mine, theirs) = (env.put(small(b"a"), &[]), foreign());
    assert!(env.core.owns(&mine.object) && !env.core.owns(&theirs.object));
    env.core.receive_lent(&mine);
    assert_eq!(env.core.statistics().borrowed, 0);
    env.core.release(&mine);
    env.end();
}

/// OWN-2: the owner knows the value and who borrows; OWN-3: it frees when the last holder is gone, whoever that is.
#[test]
fn an_object_lives_as_long_as_somebody_holds_it() {
    let mut env = Env::new();
    let location = Location { segment: SegmentId(1), offset_bytes: 0, size_bytes: 10 };
    let object = env.put(Value::Stored(location), &[]);
    assert!(env.core.retain(&object));
    env.core.release(&object);
    env.core.lend(&object, worker(3));
    env.core.release(&object);
    assert!(env.effects().is_empty(), "a borrower still holds it");
    env.core.on_borrow_report(&object.object, worker(3), -1);
    assert_eq!(env.effects(), [Effect::FreeStored { object: object.object, location }]);
    assert!(!env.core.retain(&object), "it is gone");
    env.end();
}

/// OWN-4 b: what a stored object contains is used while the object lives.
#[test]
fn an_outer_object_holds_its_inner_ones() {
    let mut env = Env::new();
    let inner = env.put(small(b"inner"), &[]);
    let outer = env.put(small(b"outer"), &[inner]);
    env.core.release(&inner);
    assert_eq!(env.core.statistics().owned, 2);
    env.core.release(&outer);
    env.end();
}

/// OWN-4 c: a return may overtake the lend that it belongs to.
#[test]
fn reports_may_come_in_any_order() {
    let mut env = Env::new();
    let object = env.put(small(b"x"), &[]);
    env.core.on_borrow_report(&object.object, worker(3), -1);
    env.core.on_borrow_report(&object.object, worker(3), 1);
    env.core.release(&object);
    env.end();
}

/// OWN-4 c: a borrower's death counts as done, and what is said of it later changes nothing.
#[test]
fn a_dead_borrower_holds_nothing() {
    let mut env = Env::new();
    let object = env.put(small(b"x"), &[]);
    env.core.lend(&object, worker(3));
    env.core.release(&object);
    env.core.on_process_died(worker(3), "gone", &mut env.sink);
    env.end();
    let object = env.put(small(b"y"), &[]);
    env.core.on_borrow_report(&object.object, worker(3), 1);
    env.core.release(&object);
    env.end();
}

/// OWN-4 a: a borrower gives back exactly what was lent to it.
#[test]
fn a_borrower_returns_its_lends() {
    let mut env = Env::new();
    let theirs = foreign();
    for _ in 0..2 {
        env.core.receive_lent(&theirs);
        env.core.retain(&theirs);
    }
    env.core.release(&theirs);
    assert!(env.effects().is_empty());
    env.core.release(&theirs);
    assert_eq!(env.effects(), [Effect::ReportBorrow { reference: theirs, borrower: worker(1), delta: -2 }]);
    env.end();
}

/// OWN-4 a: what was lent on while a task ran is named in its reply although it is not held any more.
#[test]
fn a_reference_that_was_lent_on_is_named() {
    let mut env = Env::new();
    let theirs = foreign();
    env.core.begin_task();
    env.core.retain(&theirs);
    env.core.lend(&theirs, worker(4));
    env.core.release(&theirs);
    assert!(env.core.report_kept(&theirs));
    let deltas: Vec<i64> = env
        .effects()
        .iter()
        .filter_map(|effect| match effect {
            Effect::ReportBorrow { delta, .. } => Some(*delta),
            _ => None,
        })
        .collect();
    assert_eq!(deltas, [1, -1], "the lend comes first");
    env.core.begin_task();
    assert!(!env.core.report_kept(&theirs));
    env.end();
}

/// OWN-4: a connection that broke is not a death. What was lent before counts as given back, what is lent later is borrowed.
#[test]
fn a_borrower_that_is_connected_again_borrows_again() {
    let mut env = Env::new();
    let object = env.put(small(b"x"), &[]);
    env.core.lend(&object, worker(3));
    env.core.on_peer_lost(&connection_lost(3), 0, &mut env.sink);
    assert!(!env.core.is_lent_out());
    env.core.on_borrow_report(&object.object, worker(3), 1);
    env.core.release(&object);
    assert!(env.core.is_lent_out(), "it is freed under its borrower");
    env.core.on_borrow_report(&object.object, worker(3), -1);
    assert!(!env.core.is_lent_out());
    env.end();
}

/// The same on the other side: what waits fails, what is lent anew is asked for anew, and only that is given back.
#[test]
fn an_owner_that_is_connected_again_is_asked_again() {
    let mut env = Env::new();
    let theirs = foreign();
    env.core.receive_lent(&theirs);
    env.core.retain(&theirs);
    assert!(!env.core.watch(&theirs));
    env.core.on_peer_lost(&connection_lost(2), 0, &mut env.sink);
    assert_eq!(env.error_kind(&theirs).as_deref(), Some("owner_died"));
    env.effects();
    env.core.receive_lent(&theirs);
    assert!(!env.core.watch(&theirs), "its failure outlived the connection");
    assert_eq!(env.effects(), [Effect::Query { reference: theirs }]);
    env.core.on_object_reply(&theirs.object, small(b"x"), Vec::new(), &mut env.sink);
    assert_eq!(env.error_kind(&theirs), None);
    env.core.release(&theirs);
    let returned = Effect::ReportBorrow { reference: theirs, borrower: env.core.identity().worker, delta: -1 };
    assert_eq!(env.effects(), [returned], "what was lent before the break was given back by it");
    env.end();
}

/// OWN-5: objects of a dead owner fail, and who waits for them is told.
#[test]
fn a_dead_owner_fails_its_objects() {
    let mut env = Env::new();
    let theirs = foreign();
    env.core.receive_lent(&theirs);
    env.core.retain(&theirs);
    assert!(!env.core.watch(&theirs));
    assert_eq!(env.effects(), [Effect::Query { reference: theirs }]);
    let result = env.submit_with(env.function, &[theirs], &[], 0);
    let seen = env.core.watched_completions();
    env.core.on_process_died(worker(2), "gone", &mut env.sink);
    assert_eq!(env.error_kind(&theirs).as_deref(), Some("owner_died"));
    assert_eq!(env.error_kind(&result).as_deref(), Some("owner_died"));
    assert!(env.core.watched_completions() > seen && env.core.watch(&theirs));
    env.core.release(&theirs);
    env.core.release(&result);
    env.end();
}

/// FLOW-2: inline bytes on the heap are counted while they are held.
#[test]
fn inline_bytes_are_counted() {
    let mut env = Env::new();
    let object = env.put(small(&[0; 1000]), &[]);
    assert_eq!(env.core.statistics().inline_bytes, 1000);
    env.core.sanity_check().expect("sane");
    env.core.release(&object);
    env.end();
}

/// A peer's question is answered when the object is there, and for a freed one at once.
#[test]
fn questions_are_answered() {
    let mut env = Env::new();
    let result = env.submit();
    env.grant(1, 0);
    let sent = env.sent().remove(0);
    env.core.on_query(PeerIndex(5), result.object);
    assert!(env.effects().is_empty());
    env.done(&sent, small(b"v"), Vec::new(), &[], 9);
    assert_eq!(env.effects(), [Effect::Answer { peer: PeerIndex(5), object: result.object }]);
    env.core.release(&result);
    env.core.on_query(PeerIndex(5), result.object);
    assert_eq!(env.effects(), [Effect::Answer { peer: PeerIndex(5), object: result.object }]);
    env.end();
}

/// One of several results may be freed before the others; a question about it does not wait for ever.
#[test]
fn a_freed_result_beside_living_ones_is_known_to_be_freed() {
    let mut env = Env::new();
    let submission = crate::Submission {
        function: env.function,
        arguments: crate::Arguments { payload: &[0; 4], dependencies: &[], contained: &[] },
        num_returns: 2,
        stream_limit: 0,
        max_retries: 0,
        retry_errors: false,
        parent: 0,
        depth: 0,
    };
    let (slot, generation) = env.core.submit(&submission, &mut env.sink);
    env.grant(1, 0);
    let sent = env.sent().remove(0);
    let reply = crate::Reply {
        slot,
        generation,
        attempt: sent.attempt,
        execution_ns: 1,
        raised: false,
        cancelled: false,
        exiting: false,
    };
    let mut returns = vec![
        crate::Returned { value: small(b"a"), contained: Vec::new() },
        crate::Returned { value: small(b"b"), contained: Vec::new() },
    ];
    env.core.on_done(&reply, &mut returns, &[], worker(9), 0, &mut env.sink);
    env.core.release_local(slot, generation, 0);
    let first = env.core.object_id(slot, generation, 0);
    env.core.on_query(PeerIndex(5), first);
    env.core.on_borrow_report(&first, worker(3), 1);
    assert_eq!(env.effects(), [Effect::Answer { peer: PeerIndex(5), object: first }]);
    env.core.release_local(slot, generation, 1);
    env.end();
}

fn connection_lost(number: u8) -> Lost<'static> {
    Lost {
        worker: worker(number),
        peer: None,
        started: None,
        unrecorded: true,
        cause_kind: CONNECTION_LOST,
        message: "the link broke",
        pid: 0,
        signal: 0,
        exit_code: 0,
    }
}
