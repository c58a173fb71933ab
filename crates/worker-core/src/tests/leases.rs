//! Leases: asked for, filled by time, given back.

use crate::tests::env::{Env, small};
use crate::{Effect, PeerIndex};

fn returned(effects: &[Effect]) -> Vec<u64> {
    effects
        .iter()
        .filter_map(|effect| if let Effect::ReturnLease { lease_id, .. } = effect { Some(*lease_id) } else { None })
        .collect()
}

/// Tasks of unknown length get a worker each; short ones share one; idle leases go back.
#[test]
fn a_lease_is_filled_by_expected_time() {
    let mut env = Env::new();
    let results: Vec<_> = (0..3).map(|_| env.submit()).collect();
    env.grant(1, 0);
    let first = env.sent();
    assert_eq!(first.len(), 1, "nothing is known of its length");
    env.done(&first[0], small(b"r"), Vec::new(), &[], 9);
    let rest = env.sent();
    assert_eq!(rest.len(), 2, "a microsecond each");
    for sent in &rest {
        env.done(sent, small(b"r"), Vec::new(), &[], 9);
    }
    for result in &results {
        env.core.release(result);
    }
    assert!(env.core.return_idle_leases(1_000_000, false), "not idle for long enough");
    assert!(!env.core.return_idle_leases(10_000_000, false));
    assert_eq!(returned(&env.effects()), [1]);
    env.end();
}

/// A grant that nobody waits for any more goes back at once.
#[test]
fn a_late_grant_goes_back() {
    let mut env = Env::new();
    env.core.on_lease_granted(77, 5, PeerIndex(0), 0, &mut env.sink);
    assert_eq!(returned(&env.effects()), [5]);
}

/// A grant on a worker that cannot be reached is asked for again.
#[test]
fn an_unusable_grant_is_replaced() {
    let mut env = Env::new();
    let result = env.submit();
    let Some(Effect::RequestLeases { request, .. }) = env.effects().pop() else { panic!("no request") };
    env.core.on_grant_unusable(request, 5);
    env.grant(6, 0);
    let sent = env.sent().remove(0);
    env.done(&sent, small(b"r"), Vec::new(), &[], 9);
    env.core.release(&result);
    env.end();
}

/// Tasks of another runtime environment ask for leases of their own, and are refused on their own.
#[test]
fn environments_do_not_share_leases() {
    let mut env = Env::new();
    let one_cpu = std::collections::BTreeMap::from([("CPU".to_owned(), 1.0)]);
    let other = env.core.add_function("other", &one_cpu, b"key", false);
    let _other = env.submit_with(other, &[], &[], 3);
    let asked = |effects: Vec<Effect>| -> Vec<(u64, Vec<u8>)> {
        let asked = |effect| match effect {
            Effect::RequestLeases { request, environment, .. } => Some((request, environment)),
            _ => None,
        };
        effects.into_iter().filter_map(asked).collect()
    };
    assert_eq!(asked(env.effects()), [(1, b"key".to_vec())]);
    let _plain = env.submit();
    env.grant(1, 0);
    assert_eq!(env.sent().len(), 1, "the plain one does not wait for the other");
    assert_eq!(env.core.unfinished(), 2);
    env.core.fail_queued(1, b"no such package", &mut env.sink);
    assert_eq!(env.core.unfinished(), 1, "and it goes on when the other is refused");
}

/// FAIR-1 as the owner sees it: a lease that is wanted back takes nothing more and goes when what runs is done.
#[test]
fn a_lease_that_is_wanted_back_goes_after_what_runs() {
    let mut env = Env::new();
    let results: Vec<_> = (0..4).map(|_| env.submit()).collect();
    env.grant(1, 0);
    let first = env.sent().remove(0);
    env.done(&first, small(b"r"), Vec::new(), &[], 9);
    let running = env.sent();
    assert_eq!(running.len(), 3);
    env.effects();
    env.core.on_lease_revoked(1, &mut env.sink);
    env.core.on_lease_revoked(77, &mut env.sink);
    let effects = env.effects();
    assert!(matches!(effects.as_slice(), [Effect::Steal { count: 2, .. }]), "{effects:?}");
    // The others come back unstarted: they wait for another lease, though this one has room.
    let back: Vec<_> = running[1..].iter().map(|sent| (sent.slot, sent.generation, sent.attempt)).collect();
    env.core.on_hand_back(&back, false, 0, &mut env.sink);
    assert!(env.sent().is_empty());
    let effects = env.effects();
    let [Effect::RequestLeases { request, .. }] = effects.as_slice() else { panic!("{effects:?}") };
    let request = *request;
    env.done(&running[0], small(b"r"), Vec::new(), &[], 9);
    assert_eq!(returned(&env.effects()), [1]);
    env.core.on_lease_granted(request, 2, PeerIndex(0), 0, &mut env.sink);
    for sent in env.sent() {
        env.done(&sent, small(b"r"), Vec::new(), &[], 9);
    }
    for result in &results {
        env.core.release(result);
    }
    // An idle one goes at once.
    env.effects();
    env.core.on_lease_revoked(2, &mut env.sink);
    assert_eq!(returned(&env.effects()), [2]);
    env.end();
}

/// An object that waits for its value can be waited for, and gets it once.
#[test]
fn a_reserved_object_is_fulfilled_once() {
    let mut env = Env::new();
    let (slot, generation) = env.core.reserve();
    assert!(!env.core.watch_own(slot, generation, 0));
    let before = env.core.watched_completions();
    env.core.fulfil(slot, generation, small(b"first"), &mut env.sink);
    env.core.fulfil(slot, generation, small(b"second"), &mut env.sink);
    let value = format!("{:?}", env.core.value(slot, generation, 0));
    assert_eq!(value, format!("{:?}", Some(&small(b"first"))));
    assert_eq!(env.core.watched_completions(), before + 1);
    let reference = env.core.handle_reference(slot, generation);
    env.core.release(&reference);
    // It is gone: nobody is told.
    env.core.fulfil(slot, generation, small(b"third"), &mut env.sink);
    env.end();
}
