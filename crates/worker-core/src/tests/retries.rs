//! Waits between attempts, and deaths of which nothing is known.

use crate::tests::env::{Env, small};
use crate::{ActorState, CONNECTION_LOST, Effect, Lost, PeerIndex, RetryDelays, SystemError};
use trygon_ids::ActorId;

fn lose_unrecorded(env: &mut Env, number: u8, peer: u32, cause_kind: &str) {
    let lost = Lost {
        worker: crate::tests::env::worker(number),
        peer: Some(PeerIndex(peer)),
        started: None,
        unrecorded: true,
        cause_kind,
        message: "its node is dead",
        pid: 0,
        signal: 0,
        exit_code: 0,
    };
    env.core.on_peer_lost(&lost, 0, &mut env.sink);
}

/// RETRY-1: the first retry comes at once, later ones when their time has come, each once.
#[test]
fn later_retries_wait() {
    let mut env = Env::new();
    let result = env.submit_with(env.function, &[], &[], -1);
    env.grant(1, 0);
    let first = env.sent().remove(0);
    env.lose(9, 0, Some(&first));
    env.grant(2, 1);
    let second = env.sent().remove(0);
    env.lose(8, 1, Some(&second));
    let due_ns = env.core.next_retry_ns().expect("it waits");
    let (least, most) = (RetryDelays::LATER_NS, RetryDelays::LATER_NS * 3 / 2);
    assert!((least..=most).contains(&due_ns), "{due_ns}");
    assert!(env.core.resubmit_due(due_ns - 1, &mut env.sink), "not yet");
    assert!(!env.core.resubmit_due(due_ns, &mut env.sink));
    assert!(!env.core.resubmit_due(due_ns + 1, &mut env.sink));
    env.grant(3, 2);
    let third = env.sent();
    assert_eq!(third.iter().map(|sent| sent.attempt).collect::<Vec<_>>(), [2]);
    env.done(&second, small(b"late"), Vec::new(), &[], 8);
    assert!(env.core.value_of(&result).is_some_and(|value| !value.is_ready()), "OWN-7");
    env.done(&third[0], small(b"r"), Vec::new(), &[], 7);
    env.core.release(&result);
    env.end();
}

/// CANCEL-1: what waits for its next attempt is cancelled at once.
#[test]
fn a_task_that_waits_to_be_tried_again_is_cancelled() {
    let mut env = Env::new();
    env.core.set_retry_delays(RetryDelays { first_ns: 1000, cap_ns: 1000 });
    let result = env.submit_with(env.function, &[], &[], 5);
    env.grant(1, 0);
    let first = env.sent().remove(0);
    env.lose(9, 0, Some(&first));
    assert!(env.core.next_retry_ns().is_some());
    let task = result.object.task_id();
    env.core.cancel(task.slot(), task.generation(), crate::Cancel::default(), &mut env.sink);
    assert_eq!(env.error_kind(&result).as_deref(), Some("cancelled"));
    assert!(!env.core.resubmit_due(u64::MAX, &mut env.sink));
    env.core.release(&result);
    assert!(env.sent().is_empty());
    env.end();
}

/// OWN-8: where nobody knows what was begun, all may have been: those without a retry fail, the others pay.
#[test]
fn what_nobody_knows_of_may_have_run() {
    let mut env = Env::new();
    // One task teaches how short they are, so that the next ones share a worker.
    let warm = env.submit();
    env.grant(1, 0);
    let sent = env.sent().remove(0);
    env.done(&sent, small(b"w"), Vec::new(), &[], 9);
    env.core.release(&warm);
    let (once, again) = (env.submit_with(env.function, &[], &[], 0), env.submit_with(env.function, &[], &[], 1));
    assert_eq!(env.sent().len(), 2);
    lose_unrecorded(&mut env, 9, 0, "node");
    assert_eq!(env.error_kind(&once).as_deref(), Some("worker_died"));
    assert_eq!(env.error_kind(&again), None);
    env.grant(3, 1);
    assert_eq!(env.sent().len(), 1);
    lose_unrecorded(&mut env, 8, 1, "node");
    assert_eq!(env.error_kind(&again).as_deref(), Some("worker_died"));
    env.core.release(&once);
    env.core.release(&again);
    env.end();
}

/// OWN-8: of an actor that cannot be reached any call that was sent may have run; it is asked for again, for it may live.
#[test]
fn calls_in_flight_to_an_unreachable_actor_are_not_sent_again() {
    let mut env = Env::new();
    let id = ActorId::new([5; 16]);
    let index = env.core.actor(id);
    let method = env.core.add_method(index, "call");
    let alive = |peer, incarnation| ActorState::Alive { peer: PeerIndex(peer), incarnation };
    env.core.on_actor_state(index, alive(4, 0), &mut env.sink);
    let calls = [env.submit_with(method, &[], &[], 0), env.submit_with(method, &[], &[], 1)];
    assert_eq!(env.sent().len(), 2);
    env.effects();
    lose_unrecorded(&mut env, 9, 4, CONNECTION_LOST);
    assert!(env.effects().contains(&Effect::WatchActor { actor: id }), "it may live on");
    assert_eq!(env.error_kind(&calls[0]).as_deref(), Some("actor_unavailable"), "nobody waits for the link");
    let waits = env.submit_with(method, &[], &[], 0);
    assert!(env.sent().is_empty());
    env.core.on_actor_state(index, alive(5, 0), &mut env.sink);
    let again = env.sent();
    let slot = |reference: &crate::Reference| reference.object.task_id().slot();
    let (slots, attempts): (Vec<_>, Vec<_>) = again.iter().map(|sent| (sent.slot, sent.attempt)).unzip();
    assert_eq!((slots, attempts), (vec![slot(&calls[1]), slot(&waits)], vec![1, 0]));
    let error = SystemError::new("actor_died").encode();
    env.core.on_actor_state(index, ActorState::Dead { error }, &mut env.sink);
    lose_unrecorded(&mut env, 9, 5, "node");
    assert_eq!(env.error_kind(&calls[1]).as_deref(), Some("actor_died"));
    for call in calls.iter().chain([&waits]) {
        env.core.release(call);
    }
    env.end();
}
