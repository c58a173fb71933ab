//! CANCEL-1: what waits is dropped, what was sent is asked back, nothing cancelled is tried again.

use crate::tests::env::{Env, Sent, small, worker};
use crate::{
    ActorIndex, ActorState, Cancel, CancelOutcome, Effect, FunctionIndex, PeerIndex, Reference, Reply, SystemError,
    Value, user_error, with_summary,
};
use trygon_ids::ActorId;

const PLAIN: Cancel = Cancel { force: false, recursive: false };
const FORCE: Cancel = Cancel { force: true, recursive: false };

fn cancel(env: &mut Env, reference: &Reference, how: Cancel) -> CancelOutcome {
    let task = reference.object.task_id();
    env.core.cancel(task.slot(), task.generation(), how, &mut env.sink)
}

fn asked(env: &mut Env) -> Vec<(u32, u32, Cancel)> {
    let effects = env.effects();
    effects
        .iter()
        .filter_map(|effect| match effect {
            Effect::Cancel { slot, attempt, how, .. } => Some((*slot, *attempt, *how)),
            _ => None,
        })
        .collect()
}

fn done_cancelled(env: &mut Env, sent: &Sent) {
    let Sent { slot, generation, attempt, .. } = *sent;
    let reply = Reply { slot, generation, attempt, execution_ns: 0, raised: false, cancelled: true, exiting: false };
    env.core.on_done(&reply, &mut Vec::new(), &[], worker(9), 0, &mut env.sink);
}

fn actor(env: &mut Env, is_alive: bool) -> (ActorIndex, FunctionIndex) {
    let index = env.core.actor(ActorId::new([5; 16]));
    let method = env.core.add_method(index, "call");
    if is_alive {
        let state = ActorState::Alive { peer: PeerIndex(4), incarnation: 0 };
        env.core.on_actor_state(index, state, &mut env.sink);
    }
    (index, method)
}

/// How a cancelled task may end: the kind of its error, and what happens.
type Ending = (&'static str, fn(&mut Env, &Sent));

fn release(env: &mut Env, references: &[Reference]) {
    for reference in references {
        env.core.release(reference);
    }
}

/// One that waits for a lease has its error at once, and the lease that comes takes another.
#[test]
fn a_queued_task_is_dropped() {
    let mut env = Env::new();
    let tasks = [env.submit(), env.submit(), env.submit()];
    assert_eq!(cancel(&mut env, &tasks[0], PLAIN), CancelOutcome::Dropped);
    assert_eq!(env.error_kind(&tasks[0]).as_deref(), Some("cancelled"));
    assert_eq!(cancel(&mut env, &tasks[0], PLAIN), CancelOutcome::Finished);
    env.core.sanity_check().expect("sane");
    env.grant(1, 0);
    let sent = env.sent();
    assert_eq!(sent.len(), 1);
    assert_eq!(sent[0].slot, tasks[1].object.task_id().slot());
    assert_eq!(cancel(&mut env, &tasks[2], FORCE), CancelOutcome::Dropped);
    env.done(&sent[0], small(b"v"), Vec::new(), &[], 9);
    assert!(env.sent().is_empty());
    release(&mut env, &tasks);
    env.core.return_idle_leases(u64::MAX, true);
    env.end();
}

/// When all that waited is cancelled, the request goes back and no slot stays.
#[test]
fn an_empty_queue_asks_for_nothing() {
    let mut env = Env::new();
    let tasks: Vec<Reference> = (0..100).map(|_| env.submit()).collect();
    env.effects();
    for task in &tasks {
        cancel(&mut env, task, PLAIN);
    }
    assert!(env.effects().iter().any(|effect| matches!(effect, Effect::CancelRequest { .. })));
    release(&mut env, &tasks);
    env.end();
}

#[test]
fn one_that_waits_for_an_argument_is_dropped() {
    let mut env = Env::new();
    let late = env.submit();
    let waits = env.submit_with(env.function, &[late], &[], 0);
    let after = env.submit_with(env.function, &[waits], &[], 0);
    assert_eq!(cancel(&mut env, &waits, PLAIN), CancelOutcome::Dropped);
    assert_eq!(env.error_kind(&after).as_deref(), Some("cancelled"));
    env.grant(1, 0);
    let sent = env.sent();
    env.done(&sent[0], small(b"v"), Vec::new(), &[], 9);
    assert!(env.sent().is_empty());
    release(&mut env, &[late, waits, after]);
    env.end();
}

/// One that was sent ends by its worker: as cancelled, by its value, or by an error that is not retried any more.
#[test]
fn a_task_that_was_sent_is_asked_for() {
    let endings: [Ending; 3] = [
        ("cancelled", done_cancelled),
        ("user", |env, sent| env.done(sent, Value::Error(user_error(b"e")), Vec::new(), &[], 9)),
        ("cancelled", |env, sent| env.lose(9, 0, Some(sent))),
    ];
    for (kind, end) in endings {
        let mut env = Env::new();
        let task = env.submit();
        env.grant(1, 0);
        let sent = env.sent().remove(0);
        assert_eq!(cancel(&mut env, &task, FORCE), CancelOutcome::Asked);
        assert_eq!(asked(&mut env), [(sent.slot, 0, FORCE)]);
        end(&mut env, &sent);
        assert_eq!(env.error_kind(&task).as_deref(), Some(kind));
        assert!(env.sent().is_empty());
        release(&mut env, &[task]);
        env.end();
    }
    let mut env = Env::new();
    let task = env.submit();
    env.grant(1, 0);
    let sent = env.sent().remove(0);
    cancel(&mut env, &task, PLAIN);
    env.done(&sent, small(b"v"), Vec::new(), &[], 9);
    assert_eq!(env.error_kind(&task), None);
    release(&mut env, &[task]);
    env.end();
}

/// Given back while it was being cancelled: it goes to nobody else.
#[test]
fn one_that_is_handed_back_is_dropped() {
    let mut env = Env::new();
    let task = env.submit();
    env.grant(1, 0);
    let sent = env.sent().remove(0);
    cancel(&mut env, &task, PLAIN);
    env.core.on_hand_back(&[(sent.slot, sent.generation, sent.attempt)], false, 0, &mut env.sink);
    assert_eq!(env.error_kind(&task).as_deref(), Some("cancelled"));
    assert!(env.sent().is_empty());
    env.core.sanity_check().expect("sane");
    release(&mut env, &[task]);
    env.end();
}

/// What a cancelled task took is no measure of its function: others are not queued behind it for that.
#[test]
fn its_time_does_not_count() {
    let mut env = Env::new();
    let first = env.submit();
    env.grant(1, 0);
    let sent = env.sent().remove(0);
    cancel(&mut env, &first, PLAIN);
    done_cancelled(&mut env, &sent);
    assert_eq!(env.core.function(env.function).average_ns, 0);
    release(&mut env, &[first]);
    env.end();
}

#[test]
fn children_are_found_by_their_parent() {
    let mut env = Env::new();
    let mut child = |parent| {
        let submission = crate::Submission {
            function: env.function,
            arguments: crate::Arguments { payload: &[0; 4], dependencies: &[], contained: &[] },
            num_returns: 1,
            stream_limit: 0,
            max_retries: 3,
            retry_errors: false,
            parent,
            depth: 1,
        };
        let (slot, generation) = env.core.submit(&submission, &mut env.sink);
        env.own(slot, generation)
    };
    let children = [child(7), child(8), child(7), child(0)];
    env.core.cancel_children(7, true, &mut env.sink);
    let kinds: Vec<Option<String>> = children.iter().map(|child| env.error_kind(child)).collect();
    assert_eq!(kinds.iter().map(Option::is_some).collect::<Vec<_>>(), [true, false, true, false]);
    for child in &children {
        cancel(&mut env, child, PLAIN);
    }
    release(&mut env, &children);
    env.end();
}

/// Calls of an actor: dropped while they wait, those behind them go on, and the process is never ended for one.
#[test]
fn calls_that_wait_are_dropped() {
    let mut env = Env::new();
    let (index, method) = actor(&mut env, true);
    let late = env.submit();
    let blocked = env.submit_with(method, &[late], &[], 0);
    let after = env.submit_with(method, &[], &[], 0);
    assert!(env.sent().is_empty());
    assert_eq!(cancel(&mut env, &blocked, FORCE), CancelOutcome::ActorForced);
    assert_eq!(cancel(&mut env, &blocked, PLAIN), CancelOutcome::Dropped);
    let sent = env.sent();
    assert_eq!(sent.len(), 1);
    assert_eq!(cancel(&mut env, &after, PLAIN), CancelOutcome::Asked);
    assert_eq!(asked(&mut env).len(), 1);
    done_cancelled(&mut env, &sent[0]);
    assert_eq!(env.core.pending_calls(index), 0);
    cancel(&mut env, &late, PLAIN);
    release(&mut env, &[late, blocked, after]);
    env.end();
}

/// A call whose failing sets its own queue going is settled once.
#[test]
fn a_dropped_call_takes_another_of_its_queue_with_it() {
    for is_dead in [false, true] {
        let mut env = Env::new();
        let (index, method) = actor(&mut env, false);
        let late = env.submit();
        let first = env.submit_with(method, &[late], &[], 0);
        let second = env.submit_with(method, &[first], &[], 0);
        let third = env.submit_with(method, &[second, late], &[], 0);
        if is_dead {
            let error = SystemError::new("actor_died").encode();
            env.core.on_actor_state(index, ActorState::Dead { error }, &mut env.sink);
        }
        cancel(&mut env, &first, PLAIN);
        env.core.sanity_check().expect("sane");
        cancel(&mut env, &late, PLAIN);
        assert_eq!(env.core.pending_calls(index), 0);
        release(&mut env, &[late, first, second, third]);
        env.end();
    }
}

/// The actor died under a cancelled call: nothing is sent to it for what fails with that call, and the call is not tried again.
#[test]
fn a_cancelled_call_is_not_repeated_in_the_next_life() {
    for is_started in [false, true] {
        let mut env = Env::new();
        let (index, method) = actor(&mut env, true);
        let call = env.submit_with(method, &[], &[], 5);
        let dependent = env.submit_with(method, &[call], &[], 0);
        let behind = env.submit_with(method, &[], &[], 5);
        let sent = env.sent();
        assert_eq!(sent.len(), 1);
        cancel(&mut env, &call, PLAIN);
        env.lose(4, 4, is_started.then_some(&sent[0]));
        assert!(env.sent().is_empty());
        for reference in [&call, &dependent] {
            assert_eq!(env.error_kind(reference).as_deref(), Some("cancelled"));
        }
        let state = ActorState::Alive { peer: PeerIndex(6), incarnation: 1 };
        env.core.on_actor_state(index, state, &mut env.sink);
        let sent = env.sent();
        assert_eq!(sent.len(), 1);
        env.done(&sent[0], small(b"v"), Vec::new(), &[], 6);
        release(&mut env, &[call, dependent, behind]);
        env.end();
    }
}

/// A retry is told with its reason and what is left.
#[test]
fn retries_are_told() {
    let mut env = Env::new();
    let submission = crate::Submission {
        function: env.function,
        arguments: crate::Arguments { payload: &[0; 4], dependencies: &[], contained: &[] },
        num_returns: 1,
        stream_limit: 0,
        max_retries: 1,
        retry_errors: true,
        parent: 0,
        depth: 1,
    };
    let (slot, generation) = env.core.submit(&submission, &mut env.sink);
    let task = env.own(slot, generation);
    env.grant(1, 0);
    for attempt in 0..2 {
        let sent = env.sent().remove(0);
        assert_eq!(sent.attempt, attempt);
        let error = with_summary(user_error(b"e"), "ValueError: no");
        env.done(&sent, Value::Error(error), Vec::new(), &[], 9);
    }
    let told: Vec<(u32, i32, String)> = env
        .effects()
        .into_iter()
        .filter_map(|effect| match effect {
            Effect::Retried { attempt, left, reason, .. } => Some((attempt, left, reason)),
            _ => None,
        })
        .collect();
    assert_eq!(told, [(0, 0, "it raised ValueError: no".to_owned())]);
    assert_eq!(env.error_kind(&task).as_deref(), Some("user"));
    release(&mut env, &[task]);
    env.end();
}
