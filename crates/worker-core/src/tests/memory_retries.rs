//! Tasks that were ended for memory (RETRY-1).

use crate::tests::env::{Env, small};
use crate::{Cancel, CancelOutcome, Effect, MemoryRetryRule};

const SECOND: u64 = 1_000_000_000;

fn with_rule(max_retries: i64) -> Env {
    let mut env = Env::new();
    env.core.set_memory_retry_rule(MemoryRetryRule { max_retries, first_wait_ns: SECOND });
    env
}

/// Ends the worker under which the only task runs, `times` times, and lets every wait pass. Returns the waits.
fn end_it(env: &mut Env, cause_kind: &'static str, times: u8) -> Vec<u64> {
    let mut waits = Vec::new();
    for lease in 1..=times {
        env.grant(u64::from(lease), u32::from(lease));
        let sent = env.sent().remove(0);
        env.lose_for(cause_kind, 100 + lease, u32::from(lease), Some(&sent));
        env.core.sanity_check().expect("sane");
        assert!(env.sent().is_empty());
        let mut now_ns = 0;
        while env.core.resubmit_due(now_ns, &mut env.sink) {
            now_ns += SECOND / 100;
        }
        waits.push(now_ns);
    }
    waits
}

#[test]
fn a_full_node_uses_up_no_retry_and_the_waits_grow() {
    let mut env = with_rule(-1);
    let result = env.submit_with(env.function, &[], &[], 1);
    let waits = end_it(&mut env, "out_of_memory", 12);
    let usual = (0..12).map(|number| (SECOND << number).min(30 * SECOND));
    for (wait, usual) in waits.iter().zip(usual) {
        let (least, most) = (usual * 3 / 4, usual * 5 / 4 + SECOND / 50);
        assert!((least..=most).contains(wait), "{waits:?}");
    }
    env.grant(50, 50);
    let sent = env.sent().remove(0);
    assert_eq!(sent.attempt, 12);
    env.done(&sent, small(b"w"), Vec::new(), &[], 9);
    env.core.release(&result);
    env.end();
}

#[test]
fn the_waits_of_two_tasks_differ() {
    let mut env = with_rule(-1);
    let (mut results, mut times) = (Vec::new(), Vec::new());
    for lease in 1..=2 {
        results.push(env.submit());
        env.grant(lease, lease as u32);
        let sent = env.sent().remove(0);
        env.lose_for("out_of_memory", 100 + lease as u8, lease as u32, Some(&sent));
        times.extend(env.effects().into_iter().filter_map(|effect| match effect {
            Effect::Retried { reason, left, .. } => Some((reason, left)),
            _ => None,
        }));
    }
    assert!(times.len() == 2 && times[0].0 != times[1].0 && times[0].1 == -1, "{times:?}");
    for result in &results {
        let outcome = env.core.cancel(result.object.task_id().slot(), 0, Cancel::default(), &mut env.sink);
        assert_eq!(outcome, CancelOutcome::Dropped);
        assert_eq!(env.error_kind(result).as_deref(), Some("cancelled"));
    }
    // CANCEL-1: their time comes, and nobody is there.
    assert!(!env.core.resubmit_due(u64::MAX, &mut env.sink));
    assert!(env.sent().is_empty());
    results.iter().for_each(|result| env.core.release(result));
    env.end();
}

#[test]
fn no_more_than_the_rule_allows() {
    let mut env = with_rule(2);
    let result = env.submit_with(env.function, &[], &[], 1);
    end_it(&mut env, "out_of_memory", 3);
    assert_eq!(env.error_kind(&result).as_deref(), Some("worker_died"));
    env.core.release(&result);
    env.end();
}

#[test]
fn what_may_not_run_twice_fails_at_once() {
    let mut env = with_rule(-1);
    let result = env.submit_with(env.function, &[], &[], 0);
    assert_eq!(end_it(&mut env, "out_of_memory", 1), [0]);
    assert_eq!(env.error_kind(&result).as_deref(), Some("worker_died"));
    env.core.release(&result);
    env.end();
}

#[test]
fn its_own_limit_uses_up_retries_after_a_short_wait() {
    let mut env = with_rule(-1);
    let result = env.submit_with(env.function, &[], &[], 2);
    let waits = end_it(&mut env, "memory_limit", 3);
    assert!(waits[0] > 0 && waits[0] < SECOND / 5 && waits[1] > waits[0] && waits[2] == 0, "{waits:?}");
    assert_eq!(env.error_kind(&result).as_deref(), Some("worker_died"));
    env.core.release(&result);
    env.end();
}
