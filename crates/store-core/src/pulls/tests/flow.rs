//! One object, from the first that asks to the last that holds; and many under the budget.

use super::env::{Env, failed, free, here, object, on, seal, stop};
use crate::pulls::state::{FetchOutcome, Priority, PullEffect, PullFailure};

const DONE: FetchOutcome = FetchOutcome::Complete;

#[test]
fn pull_1_one_fetch_answers_everyone_who_asked() {
    let mut env = Env::new(100);
    env.pull(1, 1, on(2, 10));
    let (attempt, source) = env.fetch(1);
    assert_eq!((source.node, source.is_direct), (2, false));
    env.pull(2, 1, on(2, 10));
    env.pull(2, 1, on(2, 10));
    assert_eq!(env.take(), []);
    env.fetched(1, attempt, DONE);
    assert_eq!(env.take(), [seal(1), here(1, 1), here(2, 1)]);
    // Who asks later gets the copy that is there.
    env.pull(3, 1, on(2, 10));
    assert_eq!(env.take(), [here(3, 1)]);
    env.release(1, 1);
    env.release(1, 1);
    env.die(2);
    assert!(env.table.is_here(&object(1)));
    env.release(3, 1);
    assert_eq!(env.take(), [free(1)]);
    env.assert_empty();
}

/// PULL-2: by urgency, then by age.
#[test]
fn pull_2_the_most_urgent_goes_first_and_the_budget_holds() {
    let mut env = Env::new(100);
    env.pull_for(1, 1, on(2, 60), Priority::Argument);
    let (first, _) = env.fetch(1);
    env.pull_for(1, 2, on(2, 60), Priority::Argument);
    env.pull_for(1, 3, on(2, 60), Priority::Wait);
    env.pull_for(1, 4, on(2, 60), Priority::Get);
    // Small enough to fit, but behind one that is as urgent and waits longer.
    env.pull_for(1, 5, on(2, 1), Priority::Get);
    assert_eq!(env.take(), []);
    assert_eq!(env.table.stats().waiting, 4);
    // Someone waits for an argument now.
    env.pull_for(2, 2, on(2, 60), Priority::Get);
    assert_eq!(env.take(), []);
    let mut attempt = first;
    let mut order = Vec::new();
    let mut running = vec![(1, first)];
    while let Some((id, number)) = running.pop() {
        attempt = attempt.max(number);
        env.fetched(id, number, DONE);
        for effect in env.take() {
            if let PullEffect::Fetch { object, attempt, .. } = effect {
                order.push(object.as_bytes()[0]);
                running.insert(0, (object.as_bytes()[0], attempt));
            }
        }
    }
    assert_eq!(order, [2, 4, 5, 3]);
    assert_eq!(env.table.stats().copies, 5);
}

#[test]
fn pull_2_what_is_larger_than_the_budget_runs_alone() {
    let mut env = Env::new(100);
    env.pull(1, 1, on(2, 1_000));
    let (attempt, _) = env.fetch(1);
    env.pull(1, 2, on(2, 1));
    assert_eq!(env.take(), []);
    env.fetched(1, attempt, DONE);
    assert!(matches!(
        env.take().as_slice(),
        [PullEffect::Seal { .. }, PullEffect::Answer { .. }, PullEffect::Fetch { .. }]
    ));
}

#[test]
fn pull_4_memory_goes_when_the_fetch_has_stopped() {
    let mut env = Env::new(100);
    env.pull(1, 1, on(2, 10));
    let (attempt, _) = env.fetch(1);
    env.release(1, 1);
    assert_eq!(env.take(), [stop(1, attempt)]);
    // An answer to another fetch says nothing about this one.
    env.fetched(1, attempt + 7, FetchOutcome::Stopped);
    assert_eq!(env.take(), []);
    env.fetched(1, attempt, FetchOutcome::Stopped);
    assert_eq!(env.take(), [free(1)]);
    env.assert_empty();
}

#[test]
fn what_is_asked_for_again_while_it_stops_begins_anew() {
    let mut env = Env::new(100);
    env.pull(1, 1, on(2, 10));
    let (attempt, _) = env.fetch(1);
    env.release(1, 1);
    env.take();
    env.pull(2, 1, on(2, 10));
    assert_eq!(env.take(), []);
    env.fetched(1, attempt, FetchOutcome::Stopped);
    let (again, _) = env.fetch(1);
    env.fetched(1, again, DONE);
    assert_eq!(env.take(), [seal(1), here(2, 1)]);
    // It may also have been complete before it could be stopped.
    env.pull(1, 2, on(2, 10));
    let (attempt, _) = env.fetch(2);
    env.release(1, 2);
    env.pull(2, 2, on(2, 10));
    env.take();
    env.fetched(2, attempt, DONE);
    assert_eq!(env.take(), [seal(2), here(2, 2)]);
}

#[test]
fn who_leaves_before_there_is_room_leaves_nothing() {
    let mut env = Env::new(100);
    env.is_full = true;
    env.pull(1, 1, on(2, 10));
    assert_eq!(env.take(), [PullEffect::Reserve { object: object(1), size_bytes: 10 }]);
    env.release(1, 1);
    assert_eq!(env.take(), []);
    env.space(object(1), true);
    assert_eq!(env.take(), [free(1)]);
    env.pull(1, 2, on(2, 10));
    env.take();
    env.die(1);
    env.space(object(2), false);
    assert_eq!(env.take(), []);
    env.assert_empty();
}

#[test]
fn a_full_store_is_told_to_everyone_who_waits() {
    let mut env = Env::new(100);
    env.is_full = true;
    env.pull(1, 1, on(2, 10));
    env.pull(2, 1, on(2, 10));
    env.take();
    env.space(object(1), false);
    assert_eq!(env.take(), [failed(1, 1, PullFailure::StoreFull), failed(2, 1, PullFailure::StoreFull)]);
    env.assert_empty();
}

#[test]
fn pull_5_a_transfer_to_another_node_holds_the_copy() {
    let mut env = Env::new(100);
    assert_eq!(env.table.on_send_began(&object(1)), None);
    env.pull(1, 1, on(2, 10));
    let (attempt, _) = env.fetch(1);
    let number = env.table.on_send_began(&object(1)).expect("it is being fetched");
    env.fetched(1, attempt, DONE);
    env.take();
    env.release(1, 1);
    assert_eq!(env.take(), []);
    env.send_ended(1, number);
    assert_eq!(env.take(), [free(1)]);
    env.assert_empty();
}

#[test]
fn pull_5_a_transfer_that_outlives_its_copy_lets_go_of_no_other() {
    let mut env = Env::new(100);
    env.pull(1, 1, on(2, 10));
    let (attempt, _) = env.fetch(1);
    let first = env.table.on_send_began(&object(1)).expect("it is being fetched");
    // Nobody here wants it any more: its room goes, whoever is sent it.
    env.release(1, 1);
    env.fetched(1, attempt, FetchOutcome::Stopped);
    assert_eq!(env.take(), [stop(1, attempt), free(1)]);
    env.pull(1, 1, on(2, 10));
    let (attempt, _) = env.fetch(1);
    env.fetched(1, attempt, DONE);
    let second = env.table.on_send_began(&object(1)).expect("it is here");
    env.take();
    env.release(1, 1);
    env.send_ended(1, first);
    assert_eq!(env.take(), []);
    env.send_ended(1, second);
    assert_eq!(env.take(), [free(1)]);
    env.assert_empty();
}
