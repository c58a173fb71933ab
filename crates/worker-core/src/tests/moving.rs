//! OWN-9: objects on a node that may go are moved; what is freed, lost or made again meanwhile is not.

use super::env::{Env, small};
use crate::{Effect, Location, Reference, Value};
use trygon_ids::{ObjectId, SegmentId};

const NODE: u64 = 2;
const OWN_NODE: u64 = 1;

fn on_node(node: u64, number: u64) -> Location {
    Location { segment: SegmentId::of_node(node, number), offset_bytes: 0, size_bytes: 1 << 10 }
}

/// An owner of a task's result that lies on the node.
fn owner() -> (Env, Reference) {
    let mut env = Env::new();
    let first = env.submit();
    env.grant(1, 0);
    let sent = env.sent();
    env.done(&sent[0], small(b"x"), vec![], &[], 2);
    env.core.release(&first);
    let reference = env.submit();
    let sent = env.sent();
    env.done(&sent[0], Value::Stored(on_node(NODE, 1)), vec![], &[], 2);
    env.effects();
    (env, reference)
}

/// The objects that are fetched.
fn fetched(env: &mut Env) -> Vec<(ObjectId, Location)> {
    let fetched = |effect| match effect {
        Effect::FetchCopy { object, location } => Some((object, location)),
        _ => None,
    };
    env.effects().into_iter().filter_map(fetched).collect()
}

fn answer(env: &mut Env, object: &ObjectId, copy: Option<Location>) {
    let own = env.core.identity().worker;
    env.core.on_copy_answer(object, own, copy, &mut env.sink);
    env.core.sanity_check().expect("sane");
}

fn place(env: &Env, reference: &Reference) -> Option<Location> {
    match env.core.value_of(reference) {
        Some(Value::Stored(location)) => Some(*location),
        _ => None,
    }
}

#[test]
fn the_copy_takes_the_place_of_the_object() {
    let (mut env, reference) = owner();
    env.core.on_node_drains(NODE + 1);
    assert_eq!(fetched(&mut env), [], "another node");
    env.core.on_node_drains(NODE);
    assert_eq!(fetched(&mut env), [(reference.object, on_node(NODE, 1))]);
    env.core.on_node_drains(NODE);
    assert_eq!(fetched(&mut env), [], "it is on its way");
    assert_eq!(place(&env, &reference), Some(on_node(NODE, 1)), "it is there meanwhile");
    answer(&mut env, &reference.object, Some(on_node(OWN_NODE, 7)));
    assert_eq!(place(&env, &reference), Some(on_node(OWN_NODE, 7)));
    env.core.on_node_died(NODE, "it was drained");
    env.core.on_lost_report(&reference.object, on_node(NODE, 1), "its node is dead");
    assert_eq!(place(&env, &reference), Some(on_node(OWN_NODE, 7)), "a late report of the old place");
    env.effects();
    env.core.release(&reference);
    let effects = env.effects();
    assert!(effects.iter().any(|effect| matches!(effect, Effect::Forgotten { object } if *object == reference.object)));
    assert!(!effects.iter().any(|effect| matches!(effect, Effect::FreeStored { .. })), "{effects:?}");
    env.end();
}

#[test]
fn what_cannot_be_moved_stays_and_is_tried_again() {
    let (mut env, reference) = owner();
    env.core.on_node_drains(NODE);
    fetched(&mut env);
    assert!(env.core.is_moving(&reference.object));
    answer(&mut env, &reference.object, None);
    assert_eq!(place(&env, &reference), Some(on_node(NODE, 1)), "OWN-9: it is no loss yet");
    assert!(env.sent().is_empty(), "nothing is run again");
    env.core.on_node_drains(NODE);
    assert_eq!(fetched(&mut env).len(), 1);
    env.core.release(&reference);
    env.effects();
    answer(&mut env, &reference.object, Some(on_node(OWN_NODE, 7)));
    let effects = env.effects();
    assert!(effects.iter().any(|effect| matches!(effect, Effect::Forgotten { .. })), "freed meanwhile: {effects:?}");
    env.end();
}

#[test]
fn a_copy_that_comes_for_a_loss_ends_the_move() {
    let (mut env, reference) = owner();
    env.core.on_node_drains(NODE);
    fetched(&mut env);
    env.core.on_lost_report(&reference.object, on_node(NODE, 1), "its node is dead");
    assert_eq!(place(&env, &reference), None);
    answer(&mut env, &reference.object, Some(on_node(OWN_NODE, 7)));
    assert_eq!(place(&env, &reference), Some(on_node(OWN_NODE, 7)));
    assert!(!env.core.is_moving(&reference.object));
    env.core.release(&reference);
    env.end();
}
