//! Calls to actors: order, lives, ends.

use crate::tests::env::{Env, small};
use crate::{ActorIndex, ActorState, CallOrder, Effect, FunctionIndex, PeerIndex, SystemError, Value, user_error};
use trygon_ids::ActorId;

fn actor(env: &mut Env) -> (ActorIndex, FunctionIndex) {
    let index = env.core.actor(ActorId::new([5; 16]));
    assert_eq!(env.effects(), [Effect::WatchActor { actor: ActorId::new([5; 16]) }]);
    let method = env.core.add_method(index, "call");
    (index, method)
}

fn alive(env: &mut Env, index: ActorIndex, peer: u32, incarnation: u32) {
    env.core.on_actor_state(index, ActorState::Alive { peer: PeerIndex(peer), incarnation }, &mut env.sink);
}

fn dead(env: &mut Env, index: ActorIndex) {
    let error = SystemError::new("actor_died").encode();
    env.core.on_actor_state(index, ActorState::Dead { error }, &mut env.sink);
}

/// Calls leave in the order in which they were made; one whose argument is late holds the later ones back.
#[test]
fn calls_keep_their_order() {
    let mut env = Env::new();
    let (index, method) = actor(&mut env);
    let late = env.submit();
    let calls = [env.submit_with(method, &[late], &[], 0), env.submit_with(method, &[], &[], 0)];
    alive(&mut env, index, 4, 0);
    assert!(env.sent().is_empty());
    env.grant(1, 0);
    let task = env.sent().remove(0);
    env.done(&task, small(b"v"), Vec::new(), &[], 9);
    let sent = env.sent();
    assert_eq!(
        sent.iter().map(|sent| (sent.slot, sent.sequence)).collect::<Vec<_>>(),
        [(calls[0].object.task_id().slot(), 0), (calls[1].object.task_id().slot(), 1)]
    );
    for sent in &sent {
        env.done(sent, small(b"r"), Vec::new(), &[], 4);
    }
    for reference in calls.iter().chain([&late]) {
        env.core.release(reference);
    }
    env.end();
}

/// A call that had started fails as unavailable; the others go to the next life, in order.
#[test]
fn a_restart_keeps_what_was_not_started() {
    let mut env = Env::new();
    let (index, method) = actor(&mut env);
    alive(&mut env, index, 4, 0);
    let calls: Vec<_> = (0..3).map(|_| env.submit_with(method, &[], &[], 0)).collect();
    let sent = env.sent();
    env.lose(9, 4, Some(&sent[0]));
    let error = SystemError::new("actor_unavailable").encode();
    env.core.on_actor_state(index, ActorState::Restarting { error }, &mut env.sink);
    assert_eq!(env.error_kind(&calls[0]).as_deref(), Some("actor_unavailable"));
    alive(&mut env, index, 5, 1);
    let again = env.sent();
    assert_eq!(
        again.iter().map(|sent| (sent.slot, sent.sequence)).collect::<Vec<_>>(),
        [(sent[1].slot, 0), (sent[2].slot, 1)]
    );
    for sent in &again {
        env.done(sent, small(b"r"), Vec::new(), &[], 5);
    }
    for call in &calls {
        env.core.release(call);
    }
    env.end();
}

/// OWN-8: whoever kills an actor knows before its process has ended. Another process's end meanwhile says nothing of its calls.
#[test]
fn the_end_of_another_process_touches_no_call() {
    let mut env = Env::new();
    let (index, method) = actor(&mut env);
    alive(&mut env, index, 4, 0);
    let call = env.submit_with(method, &[], &[], 0);
    let sent = env.sent().remove(0);
    dead(&mut env, index);
    env.lose(8, 5, None);
    assert_eq!(env.error_kind(&call), None, "it may still have ended well");
    env.done(&sent, small(b"r"), Vec::new(), &[], 9);
    assert!(matches!(env.core.value_of(&call), Some(Value::Inline(bytes)) if bytes.as_slice() == b"r"));
    env.lose(9, 4, None);
    env.core.release(&call);
    env.end();
}

/// A dead actor fails every call, those that wait for one another too, and lets its constructor's arguments go.
#[test]
fn a_dead_actor_fails_every_call() {
    let mut env = Env::new();
    let (index, method) = actor(&mut env);
    let argument = env.put(small(b"a"), &[]);
    env.core.pin_for_actor(index, &[argument]);
    env.core.release(&argument);
    let first = env.submit_with(method, &[], &[], 0);
    let second = env.submit_with(method, &[first], &[], 0);
    dead(&mut env, index);
    let third = env.submit_with(method, &[], &[], 0);
    for call in [first, second, third] {
        assert_eq!(env.error_kind(&call).as_deref(), Some("actor_died"));
        env.core.release(&call);
    }
    env.end();
}

/// The last handle's end is the actor's.
#[test]
fn the_last_handle_ends_the_actor() {
    let mut env = Env::new();
    let (index, _) = actor(&mut env);
    let (slot, generation) = env.core.put_actor_handle(index);
    env.core.release_local(slot, generation, 0);
    assert_eq!(env.effects(), [Effect::ActorOutOfScope { actor: ActorId::new([5; 16]), index }]);
    env.end();
}

/// Of actors that ended long ago nothing is left but their numbers, which fail; who names the actor again asks again.
#[test]
fn actors_that_ended_long_ago_are_forgotten() {
    let mut env = Env::new();
    let (first, method) = actor(&mut env);
    let (slot, generation) = env.core.put_actor_handle(first);
    let before = env.submit_with(method, &[], &[], 0);
    dead(&mut env, first);
    for number in 0..1_000_u16 {
        assert!(env.core.is_known(method), "after {number} others");
        let mut id = [6; 16];
        id[..2].copy_from_slice(&number.to_le_bytes());
        let other = env.core.actor(ActorId::new(id));
        dead(&mut env, other);
    }
    assert!(env.effects().contains(&Effect::MethodsForgotten { functions: vec![method] }));
    assert!(!env.core.is_known(method));
    let late = env.submit_with(method, &[], &[], 0);
    for call in [before, late] {
        assert_eq!(env.error_kind(&call).as_deref(), Some("actor_died"));
        env.core.release(&call);
    }
    env.effects();
    // Its handle goes without a word: the actor is dead.
    env.core.release_local(slot, generation, 0);
    assert_eq!(env.effects(), []);
    assert_ne!(actor(&mut env).0, first);
    env.end();
}

/// A call whose argument failed is left out, and the next ones go on.
#[test]
fn a_call_with_a_failed_argument_does_not_block() {
    let mut env = Env::new();
    let (index, method) = actor(&mut env);
    alive(&mut env, index, 4, 0);
    let late = env.submit();
    let calls = [env.submit_with(method, &[late], &[], 0), env.submit_with(method, &[], &[], 0)];
    env.grant(1, 0);
    let task = env.sent().remove(0);
    env.done(&task, Value::Error(user_error(b"no")), Vec::new(), &[], 9);
    assert_eq!(env.error_kind(&calls[0]).as_deref(), Some("user"));
    let sent = env.sent();
    assert_eq!(sent.len(), 1);
    env.done(&sent[0], small(b"r"), Vec::new(), &[], 4);
    for reference in calls.iter().chain([&late]) {
        env.core.release(reference);
    }
    env.end();
}

/// Many calls fail with one argument, some of them with others that fail so: each leaves the queue once, and the rest keep their order.
#[test]
fn many_calls_fail_with_one_argument() {
    let mut env = Env::new();
    let (index, method) = actor(&mut env);
    alive(&mut env, index, 4, 0);
    let late = env.submit();
    let head = env.submit();
    let mut calls = vec![env.submit_with(method, &[head], &[], 0)];
    let mut good = vec![calls[0]];
    for number in 1..1000 {
        let argument = if number % 3 == 0 { calls[number / 3] } else { late };
        let dependencies = if number % 5 == 0 { &[][..] } else { &[argument][..] };
        calls.push(env.submit_with(method, dependencies, &[], 0));
        if number % 5 == 0 {
            good.push(calls[number]);
        }
    }
    // What waits for a call that is well stays too.
    env.grant(1, 0);
    let task = env.sent().remove(0);
    env.done(&task, Value::Error(user_error(b"no")), Vec::new(), &[], 9);
    env.core.sanity_check().expect("sane");
    let failed = calls.iter().filter(|call| env.error_kind(call).is_some()).count();
    assert!(failed > 500, "{failed}");
    assert_eq!(env.core.pending_calls(index), calls.len() - failed);
    let task = env.sent().remove(0);
    env.done(&task, small(b"v"), Vec::new(), &[], 9);
    let mut left = Vec::new();
    loop {
        let sent = env.sent();
        if sent.is_empty() {
            break;
        }
        for sent in &sent {
            left.push(sent.slot);
            env.done(sent, small(b"r"), Vec::new(), &[], 4);
        }
    }
    assert!(left.is_sorted(), "slots are in the order of submission");
    assert_eq!(left.len() + failed, calls.len());
    assert!(good.iter().all(|call| left.contains(&call.object.task_id().slot())));
    for reference in calls.iter().chain([&late, &head]) {
        env.core.release(reference);
    }
    env.end();
}

/// A cancelled call fails one that waits for it while both are named by the same queue.
#[test]
fn a_cancelled_call_takes_one_along_that_waits_for_it() {
    let mut env = Env::new();
    let (index, method) = actor(&mut env);
    let first = env.submit_with(method, &[], &[], 0);
    let second = env.submit_with(method, &[first], &[], 0);
    let third = env.submit_with(method, &[second], &[], 0);
    let last = env.submit_with(method, &[], &[], 0);
    let task = first.object.task_id();
    env.core.cancel(task.slot(), task.generation(), crate::Cancel::default(), &mut env.sink);
    for call in [&first, &second, &third] {
        assert_eq!(env.error_kind(call).as_deref(), Some("cancelled"));
        env.core.release(call);
    }
    env.core.sanity_check().expect("sane");
    alive(&mut env, index, 4, 0);
    let sent = env.sent();
    assert_eq!(sent.len(), 1);
    env.done(&sent[0], small(b"r"), Vec::new(), &[], 4);
    env.core.release(&last);
    env.end();
}

/// With calls out of order a late argument holds nobody back, and calls may end in any order.
#[test]
fn calls_out_of_order_leave_when_they_can() {
    let mut env = Env::new();
    let (index, method) = actor(&mut env);
    env.core.set_call_order(index, CallOrder { concurrent: true, out_of_order: true });
    alive(&mut env, index, 4, 0);
    let late = env.submit();
    let calls = [
        env.submit_with(method, &[late], &[], 0),
        env.submit_with(method, &[], &[], 0),
        env.submit_with(method, &[], &[], 0),
    ];
    assert_eq!(env.core.pending_calls(index), 3);
    let mut sent = env.sent();
    assert_eq!(sent.len(), 2);
    env.grant(1, 0);
    let task = env.sent().remove(0);
    env.done(&task, small(b"v"), Vec::new(), &[], 9);
    sent.extend(env.sent());
    assert_eq!(sent.len(), 3);
    for sent in sent.iter().rev() {
        env.done(sent, small(b"r"), Vec::new(), &[], 4);
    }
    assert_eq!(env.core.pending_calls(index), 0);
    for reference in calls.iter().chain([&late]) {
        env.core.release(reference);
    }
    env.end();
}

/// Where calls run beside one another, each that was sent may have begun: none is sent again for nothing.
#[test]
fn a_dead_life_may_have_begun_every_call_of_a_concurrent_actor() {
    let mut env = Env::new();
    let (index, method) = actor(&mut env);
    env.core.set_call_order(index, CallOrder { concurrent: true, out_of_order: true });
    alive(&mut env, index, 4, 0);
    let calls = [env.submit_with(method, &[], &[], 0), env.submit_with(method, &[], &[], 1)];
    let sent = env.sent();
    env.lose(9, 4, Some(&sent[0]));
    let error = SystemError::new("actor_unavailable").encode();
    env.core.on_actor_state(index, ActorState::Restarting { error }, &mut env.sink);
    assert_eq!(env.error_kind(&calls[0]).as_deref(), Some("actor_unavailable"));
    alive(&mut env, index, 5, 1);
    let again = env.sent();
    assert_eq!(again.iter().map(|sent| (sent.slot, sent.attempt)).collect::<Vec<_>>(), [(sent[1].slot, 1)]);
    env.done(&again[0], small(b"r"), Vec::new(), &[], 5);
    for call in &calls {
        env.core.release(call);
    }
    env.end();
}
