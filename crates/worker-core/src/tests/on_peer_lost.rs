//! A worker's death, its three cases, and the one cause.

use crate::tests::env::{Env, small};

/// OWN-8: started tasks consume one retry or fail with the cause; those that were not started are sent again for nothing.
#[test]
fn only_the_started_task_pays() {
    let mut env = Env::new();
    // One task teaches how short they are, so that the next ones share a worker.
    let warm = env.submit();
    env.grant(1, 0);
    let sent = env.sent().remove(0);
    env.done(&sent, small(b"w"), Vec::new(), &[], 9);
    env.core.release(&warm);
    let results: Vec<_> = (0..4).map(|_| env.submit_with(env.function, &[], &[], 0)).collect();
    let sent = env.sent();
    assert_eq!(sent.len(), 4);
    env.done(&sent[0], small(b"0"), Vec::new(), &[], 9);
    env.lose(9, 0, Some(&sent[1]));
    env.core.sanity_check().expect("sane");
    assert_eq!(env.error_kind(&results[1]).as_deref(), Some("worker_died"));
    env.grant(2, 1);
    let again = env.sent();
    assert_eq!(
        again.iter().map(|sent| (sent.slot, sent.attempt)).collect::<Vec<_>>(),
        [(sent[2].slot, 1), (sent[3].slot, 1)]
    );
    for sent in &again {
        env.done(sent, small(b"r"), Vec::new(), &[], 8);
    }
    for result in &results {
        env.core.release(result);
    }
    env.end();
}

/// OWN-8: a started task with a retry left runs again, and the last death is the one cause.
#[test]
fn a_retry_is_consumed_by_each_death() {
    let mut env = Env::new();
    let result = env.submit_with(env.function, &[], &[], 1);
    env.grant(1, 0);
    let first = env.sent().remove(0);
    env.lose(9, 0, Some(&first));
    assert_eq!(env.error_kind(&result), None);
    env.grant(2, 1);
    let second = env.sent().remove(0);
    env.lose(8, 1, Some(&second));
    assert_eq!(env.error_kind(&result).as_deref(), Some("worker_died"));
    env.core.release(&result);
    env.end();
}
