//! Groups are named once, watched, and removed for good.

use crate::placement_groups::{GroupCreated, GroupEffect, GroupSpec, PlacementGroups, Strategy};
use trygon_ids::{ActorId, PlacementGroupId, WorkerId};
use trygon_resources::ResourceSet;

const DRIVER: WorkerId = WorkerId::new([1; 28]);
const OTHER: WorkerId = WorkerId::new([2; 28]);

fn id(byte: u8) -> PlacementGroupId {
    PlacementGroupId::new([byte; 18])
}

fn spec(byte: u8, name: &str) -> GroupSpec {
    GroupSpec {
        group: id(byte),
        creator: DRIVER,
        creator_actor: None,
        name: name.to_owned(),
        namespace: "here".to_owned(),
        strategy: Strategy::Pack,
        bundles: vec![ResourceSet::new()],
        labels: Vec::new(),
        target: None,
        detached: false,
    }
}

fn create(groups: &mut PlacementGroups, spec: GroupSpec) -> (GroupCreated, Vec<GroupEffect>) {
    let mut effects = Vec::new();
    let created = groups.on_create(spec, 5, &mut effects);
    assert_eq!(groups.sanity_check(), Ok(()));
    (created, effects)
}

fn remove(groups: &mut PlacementGroups, byte: u8, by: Option<WorkerId>) -> Vec<GroupEffect> {
    let mut effects = Vec::new();
    groups.on_remove(id(byte), by, &mut effects);
    assert_eq!(groups.sanity_check(), Ok(()));
    effects
}

#[test]
fn a_name_belongs_to_one_group_that_lives() {
    // PLACE-1
    let mut groups = PlacementGroups::default();
    assert_eq!(create(&mut groups, spec(1, "a")).0, GroupCreated::Registered);
    assert_eq!(create(&mut groups, spec(2, "a")).0, GroupCreated::NameTaken(id(1)));
    assert_eq!(create(&mut groups, spec(1, "b")).0, GroupCreated::Duplicate);
    assert_eq!(groups.named("here", "a").map(|group| group.spec.group), Some(id(1)));
    assert!(groups.named("elsewhere", "a").is_none() && groups.get(id(2)).is_none());
    remove(&mut groups, 1, None);
    assert!(groups.named("here", "a").is_none());
    assert_eq!(create(&mut groups, spec(3, "a")).0, GroupCreated::Registered);
}

#[test]
fn watchers_hear_of_creation_and_of_removal_once() {
    // PLACE-2
    let mut groups = PlacementGroups::default();
    assert_eq!(create(&mut groups, spec(1, "")).1, [GroupEffect::Reserve { group: id(1) }]);
    let mut effects = Vec::new();
    assert!(groups.on_watch(OTHER, id(1), &mut effects));
    assert!(!groups.on_watch(OTHER, id(9), &mut effects));
    let notify = |watcher| GroupEffect::Notify { watcher, group: id(1) };
    assert_eq!(std::mem::take(&mut effects), [notify(OTHER)]);
    groups.on_reserved(id(1), 9, &mut effects);
    groups.on_reserved(id(1), 10, &mut effects);
    assert_eq!(effects, [notify(DRIVER), notify(OTHER)]);
    assert_eq!(remove(&mut groups, 1, Some(DRIVER)), [GroupEffect::Release { group: id(1) }, notify(OTHER)]);
    assert_eq!(remove(&mut groups, 1, None), []);
    let entry = groups.get(id(1)).expect("it is remembered");
    assert_eq!((entry.state_name(), entry.asked_us, entry.reserved_us), ("REMOVED", 5, 9));
}

#[test]
fn a_detached_actor_takes_its_groups_with_it() {
    // PLACE-3
    let mut groups = PlacementGroups::default();
    let actor = ActorId::new([3; 16]);
    create(&mut groups, GroupSpec { creator_actor: Some(actor), ..spec(1, "") });
    create(&mut groups, GroupSpec { creator_actor: Some(actor), detached: true, ..spec(2, "") });
    create(&mut groups, spec(3, ""));
    let mut effects = Vec::new();
    groups.on_actor_dead(actor, &mut effects);
    assert_eq!(effects[0], GroupEffect::Release { group: id(1) });
    let states: Vec<_> = groups.iter().map(|(_, group)| group.state_name()).collect();
    assert_eq!(states, ["REMOVED", "PENDING", "PENDING"]);
}

#[test]
fn few_removed_groups_are_remembered() {
    // RECORD-1
    let mut groups = PlacementGroups::default();
    for number in 0..3_000_u32 {
        let mut bytes = [0; 18];
        bytes[..4].copy_from_slice(&number.to_be_bytes());
        let group = PlacementGroupId::new(bytes);
        create(&mut groups, GroupSpec { group, ..spec(0, "") });
        groups.on_remove(group, None, &mut Vec::new());
    }
    assert_eq!(groups.iter().count(), 1_000);
    assert_eq!(groups.sanity_check(), Ok(()));
}
