//! Tasks that wait for their arguments.

use crate::tests::env::{Env, small};
use crate::{Value, read_dependencies, user_error};

/// A task is sent when its argument is there, and takes the value along.
#[test]
fn a_task_waits_for_its_argument() {
    let mut env = Env::new();
    let first = env.submit();
    let second = env.submit_with(env.function, &[first], &[], 3);
    env.grant(1, 0);
    let sent = env.sent();
    assert_eq!(sent.len(), 1);
    env.done(&sent[0], small(b"value"), Vec::new(), &[], 9);
    env.core.release(&first);
    let sent = env.sent();
    let (dependencies, _) = read_dependencies(&sent[0].payload).expect("well formed");
    assert_eq!(dependencies[0].inline, Some(&b"value"[..]));
    env.done(&sent[0], small(b"r"), Vec::new(), &[], 9);
    env.core.release(&second);
    env.end();
}

/// An argument that failed fails what needs it, through any number of tasks.
#[test]
fn a_failed_argument_fails_the_task() {
    let mut env = Env::new();
    let first = env.submit();
    let second = env.submit_with(env.function, &[first], &[], 3);
    let third = env.submit_with(env.function, &[second, first], &[], 3);
    env.grant(1, 0);
    let sent = env.sent().remove(0);
    env.done(&sent, Value::Error(user_error(b"no")), Vec::new(), &[], 9);
    for reference in [first, second, third] {
        assert_eq!(env.error_kind(&reference).as_deref(), Some("user"));
        env.core.release(&reference);
    }
    env.end();
}

/// Nobody but a failing dependant holds the result: it must not be freed while it is being recorded.
#[test]
fn a_result_is_not_freed_while_it_is_recorded() {
    let mut env = Env::new();
    let first = env.submit();
    let second = env.submit_with(env.function, &[first], &[], 3);
    env.core.release(&first);
    env.core.release(&second);
    env.grant(1, 0);
    let sent = env.sent().remove(0);
    env.done(&sent, Value::Error(user_error(b"no")), Vec::new(), &[], 9);
    env.end();
}
