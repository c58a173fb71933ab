//! Placement groups: reserved as a whole, used by bundle, removed with what is inside.

use crate::tests::env::{DRIVER, Env, cpus, set};
use crate::{Effect, Event, GroupRequest, Refusal, StopReason};
use trygon_ids::{ActorId, PlacementGroupId};
use trygon_placement::group_name;
use trygon_resources::ResourceSet;

pub(crate) fn id(byte: u8) -> PlacementGroupId {
    PlacementGroupId::new([byte; 18])
}

pub(crate) fn want(env: &mut Env, group: PlacementGroupId, bundles: &[ResourceSet], apart: bool) {
    let (owner, name) = (env.id(DRIVER), "The group".to_owned());
    let bundles = bundles.to_vec();
    env.step(Event::GroupWanted(GroupRequest { group, owner, bundles, apart, labels: None, name }));
}

/// Named amounts of a group, with the marker that everything in one takes.
pub(crate) fn inside(group: PlacementGroupId, bundle: Option<usize>, resource: &str, amount: f64) -> ResourceSet {
    let (resource, marker) = (group_name(resource, &group, bundle), group_name("bundle", &group, bundle));
    set(&[(resource.as_str(), amount), (marker.as_str(), 0.001)])
}

fn reserved(effects: &[Effect]) -> Vec<PlacementGroupId> {
    let group = |effect: &Effect| match effect {
        Effect::GroupReserved { group } => *group,
        other => panic!("{other:?} reserves nothing"),
    };
    effects.iter().map(group).collect()
}

#[test]
fn a_group_has_all_its_bundles_or_none() {
    // GROUP-1
    let mut env = Env::new(4.0);
    want(&mut env, id(1), &[cpus(1.0), cpus(2.0)], false);
    assert_eq!(reserved(&env.take()), [id(1)]);
    assert_eq!(env.node.free(), &cpus(1.0));
    want(&mut env, id(2), &[cpus(1.0), cpus(1.0)], false);
    assert!(env.take().is_empty());
    assert_eq!(env.node.free(), &cpus(1.0));
    env.step(Event::GroupRemoved { group: id(1) });
    assert_eq!(reserved(&env.take()), [id(2)]);
    env.step(Event::GroupRemoved { group: id(2) });
    assert_eq!(env.node.free(), env.node.total());
    assert_eq!(env.node.free_by_name(), cpus(4.0));
}

#[test]
fn what_is_in_a_bundle_is_shown_under_its_names() {
    let mut env = Env::new(4.0);
    want(&mut env, id(1), &[cpus(1.0), cpus(2.0)], false);
    env.take();
    let total = env.node.total_by_name();
    let of = |name: &str, bundle| total.get(&group_name(name, &id(1), bundle)).as_f64();
    assert_eq!((of("CPU", Some(0)), of("CPU", Some(1)), of("CPU", None)), (1.0, 2.0, 3.0));
    assert_eq!((of("bundle", Some(0)), of("bundle", None), total.get("CPU").as_f64()), (1000.0, 2000.0, 4.0));
}

#[test]
fn tasks_take_from_their_bundle_and_give_back_there() {
    let mut env = Env::new(4.0);
    want(&mut env, id(1), &[cpus(1.0), cpus(2.0)], false);
    env.take();
    env.request(DRIVER, 1, 2, inside(id(1), Some(1), "CPU", 1.0));
    env.request(DRIVER, 2, 2, inside(id(1), None, "CPU", 1.0));
    assert_eq!(env.take_starts(), [1, 2, 3]);
    (1..4).for_each(|number| env.ready(number));
    let grants = env.take_grants();
    // The third finds room in the other bundle; the fourth waits, though the node has a CPU left.
    assert_eq!(grants.iter().map(|grant| grant.1).collect::<Vec<_>>(), [1, 1, 2]);
    assert_eq!(env.node.free(), &cpus(1.0));
    env.give_back(DRIVER, grants[0].2);
    assert_eq!(env.take_grants()[0].1, 2);
    assert_eq!(env.node.free_by_name().get(&group_name("CPU", &id(1), None)).as_f64(), 0.0);
}

#[test]
fn what_needs_more_than_any_bundle_waits_and_says_so() {
    let mut env = Env::new(4.0);
    want(&mut env, id(1), &[cpus(1.0), cpus(1.0)], false);
    env.take();
    env.request(DRIVER, 1, 1, inside(id(1), None, "CPU", 2.0));
    let effects = env.take();
    let [Effect::LeaseWaits { message, .. }] = effects.as_slice() else { panic!("{effects:?}") };
    assert!(message.contains("CPU: 2 in placement group 0101") && message.contains("bundle"), "{message}");
}

#[test]
fn removal_refuses_what_waits_and_ends_what_runs() {
    // GROUP-2
    let mut env = Env::new(4.0);
    want(&mut env, id(1), &[cpus(2.0)], false);
    env.take();
    env.request(DRIVER, 1, 2, inside(id(1), Some(0), "CPU", 1.0));
    env.request(DRIVER, 2, 1, inside(id(1), None, "CPU", 1.0));
    env.actor(DRIVER, 9, inside(id(1), None, "CPU", 1.0), ResourceSet::new());
    env.take_starts();
    env.ready(1);
    env.ready(2);
    assert_eq!(env.take_grants().len(), 2);
    env.step(Event::GroupRemoved { group: id(1) });
    let effects = env.take();
    let refusal = Refusal::GroupRemoved;
    assert!(
        matches!(&effects[0], Effect::LeaseRefused { request_id: 2, refusal: why, .. } if *why == refusal),
        "{effects:?}"
    );
    assert!(matches!(&effects[1], Effect::ActorRefused { refusal: why, .. } if *why == refusal), "{effects:?}");
    let ended = |number| Effect::StopWorker { worker: env.node.worker_id(number), reason: StopReason::GroupRemoved };
    assert_eq!(effects[2..], [ended(1), ended(2)]);
    // What they hold is the node's again only when they are gone.
    assert_eq!(env.node.free(), &cpus(2.0));
    env.die(1);
    assert_eq!(env.node.free(), &cpus(3.0));
    env.die(2);
    assert_eq!(env.node.free(), env.node.total());
    assert_eq!(env.node.waiting_leases(), 0);
}

#[test]
fn a_group_that_waits_can_be_removed() {
    let mut env = Env::new(1.0);
    want(&mut env, id(1), &[cpus(1.0)], false);
    want(&mut env, id(2), &[cpus(1.0)], false);
    assert_eq!(reserved(&env.take()), [id(1)]);
    env.request(DRIVER, 1, 1, inside(id(2), None, "CPU", 1.0));
    assert!(env.take().is_empty());
    env.step(Event::GroupRemoved { group: id(2) });
    assert!(matches!(env.take().as_slice(), [Effect::LeaseRefused { request_id: 1, .. }]));
    env.step(Event::GroupRemoved { group: id(1) });
    assert_eq!(env.node.free(), env.node.total());
}

#[test]
fn bundles_on_different_nodes_wait_for_them_and_say_so_once() {
    let mut env = Env::new(4.0);
    want(&mut env, id(1), &[cpus(1.0), cpus(1.0)], true);
    let effects = env.take();
    let [Effect::GroupWaits { message, .. }] = effects.as_slice() else { panic!("{effects:?}") };
    assert!(message.contains("STRICT_SPREAD"), "{message}");
    want(&mut env, id(2), &[cpus(1.0)], true);
    assert_eq!(reserved(&env.take()), [id(2)]);
}

#[test]
fn devices_of_a_bundle_are_its_own() {
    // LEDGER-2
    let mut env = Env::with(set(&[("GPU", 2.0)]), |_| {});
    want(&mut env, id(1), &[set(&[("GPU", 1.0)]), set(&[("GPU", 0.5)])], false);
    env.take();
    env.request(DRIVER, 1, 1, inside(id(1), Some(1), "GPU", 0.5));
    env.request(DRIVER, 2, 1, inside(id(1), Some(0), "GPU", 1.0));
    env.request(DRIVER, 3, 1, set(&[("GPU", 0.5)]));
    assert_eq!(env.take_starts(), [1, 2, 3]);
    (1..4).for_each(|number| env.ready(number));
    let devices = |effect| match effect {
        Effect::Grant { request_id, devices, .. } => (request_id, devices[0].1.clone()),
        other => panic!("{other:?}"),
    };
    let granted: Vec<_> = env.take().into_iter().map(devices).collect();
    assert_eq!(granted, [(1, vec![1]), (2, vec![0]), (3, vec![1])]);
}

#[test]
fn a_blocked_worker_lends_the_bundle_its_cpu() {
    let mut env = Env::new(4.0);
    want(&mut env, id(1), &[cpus(1.0)], false);
    env.take();
    env.request(DRIVER, 1, 1, inside(id(1), None, "CPU", 1.0));
    env.take_starts();
    env.ready(1);
    env.take_grants();
    env.request_at(1, 2, 1, inside(id(1), None, "CPU", 1.0), 1);
    assert!(env.take().is_empty());
    env.step(Event::Blocked { worker: env.id(1), depth: 0 });
    assert_eq!(env.take_starts(), [2]);
    env.ready(2);
    assert_eq!(env.take_grants().len(), 1);
    assert_eq!(env.node.free(), &cpus(3.0));
    env.step(Event::Unblocked { worker: env.id(1) });
    env.step(Event::GroupRemoved { group: id(1) });
    env.take();
    env.die(2);
    env.die(1);
    assert_eq!(env.node.free(), env.node.total());
    env.take();
}

#[test]
fn what_is_bound_to_another_node_is_refused() {
    let mut env = Env::new(1.0);
    env.request(DRIVER, 1, 1, set(&[("CPU", 1.0), ("node_id:bb", 1.0)]));
    let effects = env.take();
    let [Effect::LeaseRefused { request_id: 1, refusal: Refusal::Unschedulable, message, .. }] = effects.as_slice()
    else {
        panic!("{effects:?}")
    };
    assert!(message.contains("node bb"), "{message}");
    env.request(DRIVER, 2, 1, set(&[("CPU", 2.0), ("node_id:aa", 1.0)]));
    assert!(matches!(env.take().as_slice(), [Effect::LeaseRefused { request_id: 2, .. }]));
    let owner = env.id(DRIVER);
    let actor = ActorId::new([7; 16]);
    env.actor(DRIVER, 7, set(&[("node_id:bb", 1.0)]), ResourceSet::new());
    assert!(matches!(env.take().as_slice(), [Effect::ActorRefused { actor: refused, .. }] if *refused == actor));
    env.request(DRIVER, 3, 1, set(&[("CPU", 1.0), ("node_id:aa", 1.0)]));
    assert_eq!(env.take_starts(), [1]);
    env.step(Event::LeaseCancelled { owner, request_id: 3 });
}

#[test]
fn what_wants_other_labels_waits_and_says_so() {
    let mut env = Env::new(1.0);
    env.request(DRIVER, 1, 1, set(&[("CPU", 1.0), ("labels:zone=b|zone=c", 1.0)]));
    let effects = env.take();
    let [Effect::LeaseWaits { message, .. }] = effects.as_slice() else { panic!("{effects:?}") };
    assert!(message.contains("zone=b") && message.contains("zone=a"), "{message}");
    env.request(DRIVER, 2, 1, set(&[("CPU", 1.0), ("labels:zone=b|zone=in(a,c)", 1.0)]));
    assert_eq!(env.take_starts(), [1]);
}

#[test]
fn a_group_that_is_asked_for_twice_is_one() {
    let mut env = Env::new(4.0);
    want(&mut env, id(1), &[cpus(2.0)], false);
    assert_eq!(reserved(&env.take()), [id(1)]);
    want(&mut env, id(1), &[cpus(1.0)], false);
    assert!(env.take().is_empty());
    assert_eq!(env.node.free(), &cpus(2.0));
    let prepare = |group| Event::BundlesPrepare { group, attempt: 1, bundles: vec![(0, cpus(1.0))] };
    want(&mut env, id(2), &[cpus(3.0)], false);
    env.step(prepare(id(2)));
    assert!(matches!(env.take()[..], [Effect::BundlesPrepared { ok: true, .. }]));
    env.step(Event::GroupRemoved { group: id(1) });
    assert!(env.take().is_empty(), "it has its bundle already");
    env.step(Event::GroupRemoved { group: id(2) });
    assert_eq!(env.node.free(), env.node.total());
}
