//! Where tasks with large arguments want to run.

use crate::tests::env::{Env, small};
use crate::{Effect, Location, Reference, Value};
use trygon_ids::{NEAR_NODE_NUMBER, SegmentId};

fn stored(env: &mut Env, node: u64, size_bytes: u64) -> Reference {
    let location = Location { segment: SegmentId(node << 40 | 5), offset_bytes: 64, size_bytes };
    env.put(Value::Stored(location), &[])
}

/// Numbers of the nodes that the lease requests of now wish for; 0 for a request without a wish.
fn wishes(env: &mut Env) -> Vec<u64> {
    let requests = env.effects().into_iter().filter_map(|effect| match effect {
        Effect::RequestLeases { resources, .. } => Some(resources),
        _ => None,
    });
    let number = |name: &String| name.strip_prefix(NEAR_NODE_NUMBER)?.parse().ok();
    requests.map(|resources| resources.keys().find_map(number).unwrap_or(0)).collect()
}

fn wish_with(env: &mut Env, arguments: &[(u64, u64)]) -> Vec<u64> {
    let dependencies: Vec<Reference> = arguments.iter().map(|(node, size)| stored(env, *node, *size)).collect();
    env.effects();
    env.submit_with(env.function, &dependencies, &[], 3);
    wishes(env)
}

#[test]
fn a_task_asks_for_the_node_that_holds_most_of_its_large_arguments() {
    const MIB: u64 = 1 << 20;
    assert_eq!(wish_with(&mut Env::new(), &[(2, MIB)]), [2]);
    assert_eq!(wish_with(&mut Env::new(), &[(2, 3 * MIB), (7, 4 * MIB), (2, 2 * MIB)]), [2]);
    assert_eq!(wish_with(&mut Env::new(), &[(2, MIB - 1)]), [0], "it is soon brought elsewhere");
    assert_eq!(wish_with(&mut Env::new(), &[(0, 64 * MIB)]), [0], "there are no other nodes");
    let mut env = Env::new();
    let inline = env.put(small(b"x"), &[]);
    env.submit_with(env.function, &[inline], &[], 3);
    assert_eq!(wishes(&mut env), [0]);
}

/// Such tasks have leases of their own; the wish is no resource that they hold.
#[test]
fn leases_of_near_tasks_serve_near_tasks() {
    let mut env = Env::new();
    let argument = stored(&mut env, 2, 1 << 21);
    let near = env.submit_with(env.function, &[argument], &[], 3);
    let effects = env.effects();
    let Some(Effect::RequestLeases { request, .. }) = effects.last() else { panic!("no request: {effects:?}") };
    assert_eq!(env.core.requested_resources(*request).keys().collect::<Vec<_>>(), ["CPU"]);
    let far = env.submit();
    env.core.on_lease_granted(*request, 1, crate::PeerIndex(0), 0, &mut env.sink);
    let sent = env.sent();
    assert_eq!(sent.len(), 1, "the other task waits for a lease of its own");
    env.done(&sent[0], small(b"r"), Vec::new(), &[], 9);
    assert!(env.sent().is_empty());
    env.grant(2, 1);
    let sent = env.sent().remove(0);
    env.done(&sent, small(b"r"), Vec::new(), &[], 9);
    for reference in [near, far, argument] {
        env.core.release(&reference);
    }
    env.effects();
    env.end();
}

/// A task whose worker died waits where it waited before.
#[test]
fn a_near_task_that_is_sent_again_stays_near() {
    let mut env = Env::new();
    let argument = stored(&mut env, 2, 1 << 21);
    env.submit_with(env.function, &[argument], &[], 3);
    env.grant(1, 0);
    let sent = env.sent().remove(0);
    env.lose(9, 0, Some(&sent));
    assert_eq!(wishes(&mut env), [2]);
}
