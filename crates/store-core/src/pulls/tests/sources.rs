//! Sources that do not have the object, name another one, are silent or die.

use super::env::{Env, GIVE_UP_MS, RETRY_MS, failed, free, here, on, seal, source, stop};
use crate::pulls::state::{FetchOutcome, PullFailure};

#[test]
fn the_next_source_is_asked_when_one_does_not_have_it() {
    let mut env = Env::new(100);
    env.pull(1, 1, on(2, 10));
    let (attempt, _) = env.fetch(1);
    env.pull(2, 1, on(3, 10));
    env.pull(2, 1, on(3, 10));
    env.fetched(1, attempt, FetchOutcome::Gone);
    let (attempt, next) = env.fetch(1);
    assert_eq!(next.node, 3);
    env.fetched(1, attempt, FetchOutcome::Gone);
    assert_eq!(env.take(), [free(1), failed(1, 1, PullFailure::Lost), failed(2, 1, PullFailure::Lost)]);
    env.assert_empty();
}

#[test]
fn an_object_of_another_job_is_not_given() {
    let mut env = Env::new(100);
    env.pull(1, 1, on(2, 10));
    let (attempt, _) = env.fetch(1);
    env.fetched(1, attempt, FetchOutcome::Refused);
    assert_eq!(env.take(), [free(1), failed(1, 1, PullFailure::NotAllowed)]);
    env.assert_empty();
}

#[test]
fn a_receiver_that_was_named_is_asked_and_then_the_origin_directly() {
    let mut env = Env::new(100);
    env.pull(1, 1, on(2, 10));
    let (attempt, _) = env.fetch(1);
    env.fetched(1, attempt, FetchOutcome::Redirect(source(5, 10)));
    let (attempt, named) = env.fetch(1);
    assert_eq!((named.node, named.is_direct), (5, true));
    env.fetched(1, attempt, FetchOutcome::Redirect(source(6, 10)));
    let (attempt, named) = env.fetch(1);
    assert_eq!(named.node, 6);
    env.fetched(1, attempt, FetchOutcome::Unreachable);
    // The origin is told who failed, and may name another one.
    let (attempt, origin) = env.fetch(1);
    assert_eq!((origin.node, origin.is_direct, origin.failed_node), (2, false, Some(6)));
    env.fetched(1, attempt, FetchOutcome::Complete);
    assert_eq!(env.take(), [seal(1), here(1, 1)]);
}

#[test]
fn names_that_lead_nowhere_end_at_the_origin() {
    let mut env = Env::new(100);
    env.pull(1, 1, on(2, 10));
    for number in 0..4 {
        let (attempt, origin) = env.fetch(1);
        assert_eq!((origin.node, origin.is_direct), (2, false));
        env.fetched(1, attempt, FetchOutcome::Redirect(source(5 + number, 10)));
        let (attempt, named) = env.fetch(1);
        assert_eq!((named.node, named.failed_node), (5 + number, None));
        env.fetched(1, attempt, FetchOutcome::Gone);
    }
    let (attempt, _) = env.fetch(1);
    env.fetched(1, attempt, FetchOutcome::Redirect(source(9, 10)));
    let (_, origin) = env.fetch(1);
    assert_eq!((origin.node, origin.is_direct), (2, true));
}

#[test]
fn whoever_brings_something_may_break_off_as_often_as_it_likes() {
    let mut env = Env::new(100);
    env.pull(1, 1, on(2, 10));
    for round in 0..10 {
        env.tick(round * 50_000);
        let (attempt, origin) = env.fetch(1);
        assert_eq!((origin.node, origin.is_direct), (2, false));
        env.fetched(1, attempt, FetchOutcome::Redirect(source(5, 10)));
        let (attempt, _) = env.fetch(1);
        env.broke_off(1, attempt, FetchOutcome::Unreachable);
        // The room stays, and the origin goes on where it broke off, without a pause.
        let (attempt, _) = env.fetch(1);
        env.broke_off(1, attempt, FetchOutcome::Unreachable);
    }
    let (attempt, _) = env.fetch(1);
    env.fetched(1, attempt, FetchOutcome::Complete);
    assert_eq!(env.take(), [seal(1), here(1, 1)]);
}

#[test]
fn a_receiver_with_another_length_is_not_asked() {
    let mut env = Env::new(100);
    env.pull(1, 1, on(2, 10));
    let (attempt, _) = env.fetch(1);
    env.fetched(1, attempt, FetchOutcome::Redirect(source(5, 11)));
    let (_, origin) = env.fetch(1);
    assert_eq!((origin.node, origin.is_direct), (2, true));
}

#[test]
fn silence_is_waited_out_for_a_while_without_holding_memory() {
    let mut env = Env::new(100);
    env.pull(1, 1, on(2, 10));
    let mut now_ms = 5;
    env.tick(now_ms);
    loop {
        let (attempt, _) = env.fetch(1);
        env.fetched(1, attempt, FetchOutcome::Unreachable);
        let effects = env.take();
        if now_ms >= 5 + GIVE_UP_MS {
            assert_eq!(effects, [free(1), failed(1, 1, PullFailure::TimedOut)]);
            break;
        }
        assert_eq!(effects, [free(1)]);
        assert_eq!((env.table.stats().waiting, env.table.stats().running_bytes), (1, 0));
        assert_eq!(env.table.next_deadline_ms(), Some(now_ms + RETRY_MS));
        env.tick(now_ms + RETRY_MS - 1);
        assert_eq!(env.take(), []);
        now_ms += RETRY_MS;
        env.tick(now_ms);
    }
    env.assert_empty();
}

#[test]
fn every_origin_is_tried_before_a_pause() {
    let mut env = Env::new(100);
    env.pull(1, 1, on(2, 10));
    let (attempt, _) = env.fetch(1);
    env.pull(1, 1, on(3, 10));
    env.fetched(1, attempt, FetchOutcome::Unreachable);
    let (attempt, next) = env.fetch(1);
    assert_eq!(next.node, 3);
    env.fetched(1, attempt, FetchOutcome::Unreachable);
    assert_eq!(env.take(), [free(1)]);
    env.tick(RETRY_MS);
    let (attempt, next) = env.fetch(1);
    assert_eq!(next.node, 2);
    env.fetched(1, attempt, FetchOutcome::Complete);
    assert_eq!(env.take(), [seal(1), here(1, 1)]);
}

#[test]
fn nobody_waits_for_a_pause_that_nobody_needs() {
    let mut env = Env::new(100);
    env.pull(1, 1, on(2, 10));
    let (attempt, _) = env.fetch(1);
    env.fetched(1, attempt, FetchOutcome::Unreachable);
    env.take();
    env.release(1, 1);
    env.assert_empty();
}

#[test]
fn pull_3_a_dead_node_fails_what_only_it_had() {
    let mut env = Env::new(100);
    env.pull(1, 1, on(2, 60));
    let (attempt, _) = env.fetch(1);
    env.pull(1, 2, on(2, 60));
    env.pull(1, 3, on(3, 60));
    env.node_died(2);
    assert_eq!(env.take(), [stop(1, attempt), failed(1, 2, PullFailure::NodeDied)]);
    env.fetched(1, attempt, FetchOutcome::Unreachable);
    let effects = env.take();
    assert_eq!(effects[..2], [free(1), failed(1, 1, PullFailure::NodeDied)]);
    assert_eq!(effects.len(), 3, "and the third begins: {effects:?}");
    // Whoever has not heard yet is told at once.
    env.pull(1, 4, on(2, 10));
    assert_eq!(env.take(), [failed(1, 4, PullFailure::NodeDied)]);
    env.pull(2, 3, on(2, 60));
    assert_eq!(env.take(), []);
}

#[test]
fn another_node_that_has_it_steps_in_for_a_dead_one() {
    let mut env = Env::new(100);
    env.pull(1, 1, on(2, 10));
    let (attempt, _) = env.fetch(1);
    env.pull(1, 1, on(3, 10));
    env.node_died(2);
    assert_eq!(env.take(), [stop(1, attempt)]);
    env.fetched(1, attempt, FetchOutcome::Stopped);
    let (attempt, next) = env.fetch(1);
    assert_eq!(next.node, 3);
    env.fetched(1, attempt, FetchOutcome::Complete);
    assert_eq!(env.take(), [seal(1), here(1, 1)]);
}

#[test]
fn a_copy_outlives_the_node_that_it_came_from() {
    let mut env = Env::new(100);
    env.pull(1, 1, on(2, 10));
    let (attempt, _) = env.fetch(1);
    env.fetched(1, attempt, FetchOutcome::Complete);
    env.take();
    env.node_died(2);
    env.pull(2, 1, on(2, 10));
    assert_eq!(env.take(), [here(2, 1)]);
}
