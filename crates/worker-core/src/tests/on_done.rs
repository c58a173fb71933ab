//! Replies and tasks that come back.

use crate::tests::env::{Env, Sent, core, small, worker};
use crate::{Effect, Location, Reference, Value};
use trygon_ids::SegmentId;

/// OWN-7: the reply of an earlier attempt changes nothing, and what it brought is given back.
#[test]
fn a_reply_of_another_attempt_is_ignored() {
    let mut env = Env::new();
    let result = env.submit();
    env.grant(1, 0);
    let first = env.sent().remove(0);
    env.lose(9, 0, Some(&first));
    env.grant(2, 1);
    let second = env.sent().remove(0);
    assert_eq!((second.slot, second.attempt), (first.slot, first.attempt + 1));
    env.effects();
    let mut other = core(2);
    let (slot, generation) = other.put(small(b"x"), &[]);
    let inner = Reference { object: other.object_id(slot, generation, 0), owner: worker(2) };
    env.done(&first, small(b"old"), vec![inner], &[], 9);
    assert!(!env.core.watch(&result), "still not there");
    assert_eq!(env.effects(), [Effect::ReportBorrow { reference: inner, borrower: worker(1), delta: -1 }]);
    env.done(&second, small(b"new"), Vec::new(), &[], 8);
    assert!(matches!(env.core.value_of(&result), Some(Value::Inline(bytes)) if bytes.as_slice() == b"new"));
    env.core.release(&result);
    env.end();
}

/// OWN-7: the second copy of a complete result finds nothing.
#[test]
fn the_first_complete_result_wins() {
    let mut env = Env::new();
    let result = env.submit();
    env.grant(1, 0);
    let sent = env.sent().remove(0);
    env.done(&sent, small(b"first"), Vec::new(), &[], 9);
    env.done(&sent, small(b"second"), Vec::new(), &[], 9);
    assert!(matches!(env.core.value_of(&result), Some(Value::Inline(bytes)) if bytes.as_slice() == b"first"));
    env.core.release(&result);
    env.end();
}

/// OWN-4 a: an argument stays until the reply, and what the executor kept is recorded before it is unpinned.
#[test]
fn an_argument_is_pinned_until_the_reply() {
    let mut env = Env::new();
    let argument = env.put(small(b"x"), &[]);
    let result = env.submit_with(env.function, &[], &[argument], 3);
    env.core.release(&argument);
    env.grant(1, 0);
    let sent = env.sent().remove(0);
    env.core.sanity_check().expect("sane");
    env.done(&sent, small(b"r"), Vec::new(), &[argument], 9);
    assert!(env.core.value_of(&argument).is_some(), "the executor holds it");
    env.core.on_borrow_report(&argument.object, worker(9), -1);
    assert!(env.core.value_of(&argument).is_none());
    env.core.release(&result);
    env.end();
}

/// OWN-8: what a worker hands back goes elsewhere as the same attempt.
#[test]
fn tasks_that_are_handed_back_consume_no_retry() {
    let mut env = Env::new();
    let result = env.submit_with(env.function, &[], &[], 0);
    env.grant(1, 0);
    let sent = env.sent().remove(0);
    env.core.on_hand_back(&[(sent.slot, sent.generation, sent.attempt)], true, 0, &mut env.sink);
    assert!(env.sent().is_empty(), "its worker waits and takes nothing");
    env.grant(2, 1);
    let again: Vec<Sent> = env.sent();
    assert_eq!((again[0].slot, again[0].attempt, again[0].peer.0), (sent.slot, sent.attempt, 1));
    env.done(&again[0], small(b"r"), Vec::new(), &[], 8);
    env.core.release(&result);
    env.end();
}

/// A result that nobody wants is freed with its reply.
#[test]
fn an_unwanted_result_is_freed_at_once() {
    let mut env = Env::new();
    let result = env.submit();
    env.grant(1, 0);
    let sent = env.sent().remove(0);
    env.core.release(&result);
    env.done(&sent, small(&[1; 100]), Vec::new(), &[], 9);
    env.end();
}

/// OWN-7: the recorder of a dead worker keeps replies that had arrived. What they brought is counted once and stays in use.
#[test]
fn a_reply_that_comes_again_from_a_recorder_frees_nothing() {
    let mut env = Env::new();
    let result = env.submit();
    env.grant(1, 0);
    let sent = env.sent().remove(0);
    let mut other = core(2);
    let (slot, generation) = other.put(small(b"x"), &[]);
    let inner = Reference { object: other.object_id(slot, generation, 0), owner: worker(2) };
    let location = Location { segment: SegmentId(3), offset_bytes: 64, size_bytes: 1 << 20 };
    env.done(&sent, Value::Stored(location), vec![inner], &[], 9);
    env.effects();
    env.core.set_replaying(true);
    env.done(&sent, Value::Stored(location), vec![inner], &[], 9);
    env.core.set_replaying(false);
    assert!(env.effects().is_empty(), "the place would be written over while it is read");
    env.lose(9, 0, None);
    env.effects();
    env.core.release(&result);
    let (object, returned) = (result.object, Effect::ReportBorrow { reference: inner, borrower: worker(1), delta: -1 });
    assert_eq!(env.effects(), [Effect::FreeStored { object, location }, returned]);
    env.end();
}
