//! OWN-6: what is kept of tasks, and how lost objects come back.

use super::env::{Env, Sent, small, worker};
use crate::{Effect, Location, PeerIndex, Reference, Value, Waiter};
use std::collections::BTreeMap;
use trygon_ids::SegmentId;

const NODE: u64 = 2;

/// A place on a node; no two are the same.
fn on_node(node: u64, number: u64) -> Location {
    Location { segment: SegmentId::of_node(node, number), offset_bytes: 0, size_bytes: 1 << 10 }
}

fn stored(node: u64, number: u64) -> Value {
    Value::Stored(on_node(node, number))
}

/// Runs everything that leaves: each task's result is stored on `node`. Returns what left, in its order.
fn run_all(env: &mut Env, node: u64, number: &mut u64) -> Vec<Sent> {
    let mut all = Vec::new();
    loop {
        let sent = env.sent();
        if sent.is_empty() {
            return all;
        }
        for task in sent {
            *number += 1;
            env.done(&task, stored(node, *number), vec![], &[], 2);
            all.push(task);
        }
    }
}

/// Says of every search that there is no copy. True when there was one.
fn find_nothing(env: &mut Env) -> bool {
    let own = env.core.identity().worker;
    let mut any = false;
    for effect in env.effects() {
        if let Effect::FindCopy { object, borrowers, .. } = effect {
            any = true;
            for borrower in borrowers {
                env.core.on_copy_answer(&object, borrower, None, &mut env.sink);
            }
            env.core.on_copy_answer(&object, own, None, &mut env.sink);
        }
    }
    any
}

/// An owner with a lease, so that tasks leave at once.
fn owner() -> Env {
    let mut env = Env::new();
    let first = env.submit();
    env.grant(1, 0);
    let sent = env.sent();
    env.done(&sent[0], small(b"x"), vec![], &[], 2);
    env.core.release(&first);
    env
}

fn release(env: &mut Env, reference: &Reference) {
    env.core.release(reference);
    env.core.sanity_check().expect("sane");
}

#[test]
fn a_task_with_a_small_result_keeps_nothing() {
    let mut env = owner();
    let reference = env.submit();
    let sent = env.sent();
    env.done(&sent[0], small(b"x"), vec![], &[], 2);
    assert_eq!(env.core.lineage(), (0, 0));
    let large = env.submit();
    let sent = env.sent();
    env.done(&sent[0], stored(NODE, 1), vec![], &[], 2);
    assert_eq!(env.core.lineage().1, 1);
    release(&mut env, &large);
    release(&mut env, &reference);
    assert_eq!(env.core.lineage(), (0, 0));
    env.end();
}

#[test]
fn what_put_made_stays_for_what_is_made_from_it() {
    let mut env = owner();
    let argument = env.put(stored(3, 100), &[]);
    let reference = env.submit_with(env.function, &[argument], &[], 3);
    release(&mut env, &argument);
    let sent = env.sent();
    env.done(&sent[0], stored(NODE, 1), vec![], &[], 2);
    env.core.sanity_check().expect("sane");
    let (bytes, _) = env.core.lineage();
    assert!(bytes > 1 << 10, "its value counts: {bytes}");
    assert!(!env.effects().iter().any(|effect| matches!(effect, Effect::FreeStored { .. })));
    env.core.on_node_died(NODE, "it died");
    assert!(!env.core.watch(&reference));
    assert!(find_nothing(&mut env));
    let again = env.sent();
    assert_eq!(again.len(), 1);
    env.done(&again[0], stored(3, 2), vec![], &[], 2);
    release(&mut env, &reference);
    let freed = env.effects();
    assert_eq!(freed.iter().filter(|effect| matches!(effect, Effect::FreeStored { .. })).count(), 2, "{freed:?}");
    assert_eq!(env.core.lineage(), (0, 0));
    env.end();
}

#[test]
fn arguments_of_kept_tasks_do_not_pass_the_bound() {
    let mut env = owner();
    env.core.set_lineage_limit(10 << 10);
    let mut results = Vec::new();
    for number in 0..30 {
        let argument = env.put(stored(3, 100 + number), &[]);
        results.push(env.submit_with(env.function, &[argument], &[], 3));
        release(&mut env, &argument);
        let sent = env.sent();
        env.done(&sent[0], stored(NODE, number), vec![], &[], 2);
        env.core.sanity_check().expect("sane");
    }
    let (_, kept) = env.core.lineage();
    assert!((5..10).contains(&kept), "{kept}");
    // One that is lost itself counts no more.
    env.core.on_node_died(3, "it died");
    env.core.on_node_died(NODE, "it died too");
    assert!(!env.core.watch(&results[29]));
    while find_nothing(&mut env) {
        env.core.sanity_check().expect("sane");
    }
    assert_eq!(env.error_kind(&results[29]).as_deref(), Some("object_reconstruction_failed"));
    results.iter().for_each(|result| release(&mut env, result));
    env.effects();
    env.end();
}

#[test]
fn a_lost_chain_of_ten_thousand_is_made_again_in_its_order() {
    const LENGTH: usize = 10_000;
    let mut env = owner();
    let mut number = 0;
    let mut last = env.submit();
    run_all(&mut env, NODE, &mut number);
    for _ in 1..LENGTH {
        let next = env.submit_with(env.function, &[last], &[], 3);
        run_all(&mut env, NODE, &mut number);
        env.core.release(&last);
        last = next;
    }
    assert_eq!(env.core.lineage().1, LENGTH);
    env.core.on_node_died(NODE, "it died");
    assert!(!env.core.watch(&last));
    assert!(find_nothing(&mut env));
    env.core.sanity_check().expect("sane");
    let again = run_all(&mut env, 3, &mut number);
    assert_eq!(again.len(), LENGTH);
    assert!(again.iter().all(|sent| sent.attempt == 1));
    assert!(matches!(env.core.value_of(&last), Some(Value::Stored(place)) if place.segment.node_number() == 3));
    release(&mut env, &last);
    env.effects();
    env.end();
}

#[test]
fn many_losses_of_one_task_are_one_attempt() {
    let mut env = owner();
    let reference = env.submit();
    let first = env.sent().remove(0);
    env.done(&first, stored(NODE, 1), vec![], &[], 2);
    for _ in 0..3 {
        env.core.on_lost_report(&reference.object, on_node(NODE, 1), "gone");
    }
    assert!(env.core.add_waiter(&reference, Waiter::Peer(PeerIndex(0))));
    assert!(find_nothing(&mut env));
    let again = env.sent();
    assert_eq!(again.len(), 1);
    assert_eq!((again[0].slot, again[0].generation, again[0].attempt), (first.slot, first.generation, 1));
    env.done(&again[0], stored(3, 2), vec![], &[], 2);
    // A late report of the old place changes nothing.
    env.core.on_lost_report(&reference.object, on_node(NODE, 1), "gone");
    assert!(!find_nothing(&mut env));
    assert!(matches!(env.core.value_of(&reference), Some(Value::Stored(_))));
    release(&mut env, &reference);
    env.end();
}

#[test]
fn a_copy_is_taken_and_released_with_the_object() {
    let mut env = owner();
    let reference = env.submit_with(env.function, &[], &[], 0);
    let sent = env.sent();
    env.done(&sent[0], stored(NODE, 1), vec![], &[], 2);
    env.core.lend(&reference, worker(9));
    env.core.on_node_died(NODE, "it died");
    assert!(!env.core.watch(&reference));
    let searched = env.effects();
    let borrowers = vec![worker(9)];
    assert!(searched.contains(&Effect::FindCopy {
        object: reference.object,
        location: Some(on_node(NODE, 1)),
        borrowers
    }));
    let own = env.core.identity().worker;
    env.core.on_copy_answer(&reference.object, own, None, &mut env.sink);
    env.core.on_copy_answer(&reference.object, worker(9), Some(on_node(5, 8)), &mut env.sink);
    assert_eq!(env.effects(), [Effect::FetchCopy { object: reference.object, location: on_node(5, 8) }]);
    env.core.on_copy_answer(&reference.object, own, Some(on_node(1, 4)), &mut env.sink);
    assert!(env.core.watch(&reference));
    env.core.on_borrow_report(&reference.object, worker(9), -1);
    release(&mut env, &reference);
    // The daemon holds the place for this process's copy: it is not freed by it.
    assert_eq!(env.effects(), [Effect::Forgotten { object: reference.object }]);
    env.end();
}

#[test]
fn a_borrower_that_dies_while_it_is_asked_has_no_copy() {
    let mut env = owner();
    let reference = env.submit();
    let sent = env.sent();
    env.done(&sent[0], stored(NODE, 1), vec![], &[], 2);
    env.core.lend(&reference, worker(9));
    env.core.on_lost_report(&reference.object, on_node(NODE, 1), "gone");
    let own = env.core.identity().worker;
    env.core.on_copy_answer(&reference.object, own, None, &mut env.sink);
    assert!(env.sent().is_empty());
    env.core.on_process_died(worker(9), "killed", &mut env.sink);
    let again = env.sent();
    assert_eq!(again.len(), 1);
    env.done(&again[0], stored(3, 2), vec![], &[], 2);
    release(&mut env, &reference);
    env.end();
}

#[test]
fn the_oldest_are_forgotten_when_the_bound_is_passed() {
    let mut env = owner();
    let mut number = 0;
    let references: Vec<Reference> = (0..4).map(|_| env.submit()).collect();
    run_all(&mut env, NODE, &mut number);
    let one = env.core.lineage().0 / 4;
    env.core.set_lineage_limit(2 * one);
    env.core.sanity_check().expect("sane");
    assert_eq!(env.core.lineage(), (2 * one, 2));
    env.core.on_node_died(NODE, "it died");
    for reference in &references {
        env.core.watch(reference);
    }
    assert!(find_nothing(&mut env));
    assert_eq!(run_all(&mut env, 3, &mut number).len(), 2);
    let kinds: Vec<Option<String>> = references.iter().map(|reference| env.error_kind(reference)).collect();
    let lost = Some("object_reconstruction_failed".to_owned());
    assert_eq!(kinds, [lost.clone(), lost, None, None]);
    for reference in &references {
        release(&mut env, reference);
    }
    env.end();
}

#[test]
fn an_argument_lost_in_the_queue_is_made_again_before_its_task_leaves() {
    let mut env = Env::new();
    let argument = env.submit();
    env.grant(1, 0);
    let sent = env.sent();
    // The lease is kept busy, so that the second task waits in the queue.
    env.done(&sent[0], stored(NODE, 1), vec![], &[], 2);
    let busy = env.submit();
    let running = env.sent();
    // One whose run time nobody knows is not sent behind another.
    let unknown = env.core.add_function("unknown", &BTreeMap::from([("CPU".to_owned(), 1.0)]), &[], false);
    let waiting = env.submit_with(unknown, &[argument], &[], 0);
    assert!(env.sent().is_empty());
    env.core.on_node_died(NODE, "it died");
    env.done(&running[0], small(b"x"), vec![], &[], 2);
    assert!(env.sent().is_empty());
    assert!(find_nothing(&mut env));
    let again = env.sent();
    assert_eq!((again.len(), again[0].attempt), (1, 1));
    env.done(&again[0], stored(3, 2), vec![], &[], 2);
    let last = env.sent();
    assert_eq!((last.len(), last[0].attempt), (1, 0));
    env.done(&last[0], small(b"y"), vec![], &[], 2);
    for reference in [&argument, &busy, &waiting] {
        release(&mut env, reference);
    }
    env.end();
}
