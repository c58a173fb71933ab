//! Pending calls hold their actor's handle, also those that are made again because a result of theirs was lost.

use crate::tests::env::{Env, small};
use crate::{ActorIndex, ActorState, Effect, Location, PeerIndex, Reference, Value};
use trygon_ids::{ActorId, SegmentId};

const NODE: u64 = 2;

/// An owner of an actor, of its handle, and of a call's result that lies on a node.
fn called() -> (Env, ActorIndex, Reference, Reference) {
    let mut env = Env::new();
    let index = env.core.actor(ActorId::new([5; 16]));
    let method = env.core.add_method(index, "call");
    let (slot, generation) = env.core.put_actor_handle(index);
    let handle = env.own(slot, generation);
    env.core.set_actor_handle(index, &handle);
    let alive = ActorState::Alive { peer: PeerIndex(4), incarnation: 0 };
    env.core.on_actor_state(index, alive, &mut env.sink);
    let result = env.submit_with(method, &[], &[], 3);
    let sent = env.sent();
    let location = Location { segment: SegmentId::of_node(NODE, 1), offset_bytes: 0, size_bytes: 1 << 10 };
    env.done(&sent[0], Value::Stored(location), vec![], &[], 4);
    env.effects();
    (env, index, handle, result)
}

fn is_out_of_scope(env: &mut Env) -> bool {
    env.effects().iter().any(|effect| matches!(effect, Effect::ActorOutOfScope { .. }))
}

/// The result is lost, and no copy is found: the call is made again.
fn lose(env: &mut Env, result: &Reference) {
    env.core.on_node_died(NODE, "it is gone");
    env.core.watch(result);
    env.core.on_copy_answer(&result.object, result.owner, None, &mut env.sink);
    env.core.sanity_check().expect("sane");
}

#[test]
fn a_call_that_is_made_again_holds_the_handle_until_it_is_done() {
    let (mut env, index, handle, result) = called();
    lose(&mut env, &result);
    let sent = env.sent();
    assert_eq!(sent.len(), 1, "it is made again");
    env.core.release(&handle);
    assert!(!is_out_of_scope(&mut env), "a call is pending, and the program's own handle was not the last");
    assert_eq!(env.core.pending_calls(index), 1);
    env.done(&sent[0], small(b"again"), vec![], &[], 4);
    assert!(is_out_of_scope(&mut env), "nothing holds the handle any more");
    env.core.release(&result);
    env.core.sanity_check().expect("sane");
    env.end();
}

#[test]
fn a_call_that_is_made_again_after_its_last_handle_holds_none() {
    let (mut env, index, handle, result) = called();
    env.core.release(&handle);
    assert!(is_out_of_scope(&mut env));
    lose(&mut env, &result);
    let sent = env.sent();
    assert_eq!((sent.len(), env.core.pending_calls(index)), (1, 1), "the actor may live for a while yet");
    // The slot of the handle is used again: what is in it now is nobody's handle.
    let other = env.put(small(b"other"), &[]);
    env.done(&sent[0], small(b"again"), vec![], &[], 4);
    assert!(!is_out_of_scope(&mut env), "it was said before");
    assert!(matches!(env.core.value_of(&other), Some(Value::Inline(_))), "nothing was given back that was not held");
    for reference in [&other, &result] {
        env.core.release(reference);
    }
    env.core.sanity_check().expect("sane");
    env.end();
}
