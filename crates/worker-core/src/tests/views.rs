//! What is told of tasks and objects.

use crate::tests::env::{Env, small, worker};
use crate::{Fate, Location, PeerIndex, Value, user_error};
use trygon_ids::{SegmentId, TaskId};

fn stored(size_bytes: u64) -> Value {
    Value::Stored(Location { segment: SegmentId(1), offset_bytes: 0, size_bytes })
}

fn state(env: &Env, task: &TaskId) -> &'static str {
    env.core.task_view(task).map_or("", |view| view.state())
}

#[test]
fn a_task_is_told_through_its_life() {
    let mut env = Env::new();
    let first = env.submit();
    let task = first.object.task_id();
    assert_eq!((state(&env, &task), env.core.fate(&task)), ("WAITS_FOR_LEASE", Fate::Known));
    let view = env.core.task_view(&task).expect("known");
    assert_eq!((view.name, view.needs.and_then(|needs| needs.get("CPU")).copied()), ("work", Some(1.0)));
    let second = env.submit_with(env.function, &[first], &[], 3);
    let waiting = env.core.task_view(&second.object.task_id()).expect("known");
    assert_eq!((waiting.state(), waiting.dependencies), ("WAITS_FOR_ARGUMENTS", &[first][..]));
    env.grant(1, 0);
    let sent = env.sent().remove(0);
    let view = env.core.task_view(&task).expect("known");
    assert_eq!((view.state(), view.executor, view.others), ("SENT", Some(PeerIndex(0)), 0));
    env.lose(9, 0, Some(&sent));
    assert_eq!(state(&env, &task), "WAITS_FOR_LEASE");
    env.grant(2, 1);
    let sent = env.sent().remove(0);
    env.lose(8, 1, Some(&sent));
    let view = env.core.task_view(&task).expect("known");
    assert_eq!((view.state(), view.attempt, view.retries_left), ("WAITS_FOR_RETRY", 2, 1));
    assert_eq!(view.due_ns, env.core.next_retry_ns());
    env.core.resubmit_due(u64::MAX, &mut env.sink);
    env.grant(3, 2);
    let sent = env.sent().remove(0);
    env.done(&sent, Value::Error(user_error(b"no")), Vec::new(), &[], 7);
    assert_eq!((state(&env, &task), state(&env, &second.object.task_id())), ("FAILED", "FAILED"));
    env.core.release(&first);
    env.core.release(&second);
    assert_eq!((state(&env, &task), env.core.fate(&task)), ("", Fate::Over));
    env.end();
}

#[test]
fn ids_of_others_and_of_nobody_are_told_apart() {
    let env = Env::new();
    let own = env.core.task_id(7, 0);
    assert_eq!(env.core.fate(&own), Fate::Never);
    let other = TaskId::of(own.job_id(), trygon_ids::OwnerIncarnation::new([9; 12]), 0, 0);
    assert_eq!(env.core.fate(&other), Fate::Foreign);
}

#[test]
fn tasks_are_found_by_how_their_ids_begin() {
    let mut env = Env::new();
    let tasks: Vec<_> = (0..3).map(|_| env.submit()).collect();
    let ids: Vec<TaskId> = tasks.iter().map(|reference| reference.object.task_id()).collect();
    assert_eq!(env.core.tasks_beginning(&ids[1].hex()[..36], 4), [ids[1]]);
    assert_eq!(env.core.tasks_beginning(&ids[0].hex()[..12], 2), ids[..2]);
    assert!(env.core.tasks_beginning("ffffffff", 4).is_empty());
}

#[test]
fn an_object_is_told_with_its_holders_and_what_would_make_it_again() {
    let mut env = Env::new();
    let made = env.submit();
    env.grant(1, 0);
    let sent = env.sent().remove(0);
    env.done(&sent, stored(500), Vec::new(), &[], 9);
    env.core.lend(&made, worker(5));
    let views = env.core.object_views(&made.object.task_id());
    let view = &views[0];
    assert_eq!((view.state(), view.size_bytes(), view.local_references), ("STORED", 500, 1));
    assert_eq!((&*view.borrowers, view.no_rebuild), (&[(worker(5), 1)][..], None));
    let put = env.put(stored(600), &[made]);
    let views = env.core.object_views(&put.object.task_id());
    assert!(views[0].is_put && views[0].contained == 1);
    assert!(views[0].no_rebuild.is_some_and(|why| why.contains("made by put")), "{:?}", views[0].no_rebuild);
    let inline = env.put(small(b"four"), &[]);
    let views = env.core.object_views(&inline.object.task_id());
    assert_eq!((views[0].state(), views[0].size_bytes()), ("INLINE", 4));
    assert!(env.core.task_view(&put.object.task_id()).is_none());
}

#[test]
fn what_is_borrowed_is_found_by_its_task() {
    let mut env = Env::new();
    let theirs = crate::tests::env::core(2).task_id(3, 1).object(0);
    let reference = crate::Reference { object: theirs, owner: worker(2) };
    env.core.receive_lent(&reference);
    env.core.watch(&reference);
    let digits = theirs.task_id().hex();
    let views = env.core.borrowed_beginning(&digits, 4);
    assert_eq!(views.len(), 1);
    assert!(views[0].reference == reference && views[0].is_awaited);
    assert_eq!(env.core.borrowed_beginning(&digits[..47], 4).len(), 1, "an odd number of digits");
    assert!(env.core.borrowed_beginning("ff00ff00", 4).is_empty());
}
