//! What goes into files, when its memory comes back, and what happens when the disk is full (STORE-4, SPILL-STORE-1 to -5).

use super::env::{MIB, object};
use super::spill_world::World;
use crate::{Effect, Look, SpillLimits};
use trygon_ids::WorkerId;

pub(super) fn limits(quota_bytes: u64) -> SpillLimits {
    SpillLimits {
        is_on: true,
        threshold_bytes: u64::MAX,
        batch_bytes: 4 * MIB,
        batch_objects: 100,
        quota_bytes,
        most_writes: 2,
    }
}

/// Objects of one process until they take this much, freed by nobody.
fn fill(world: &mut World, who: u8, size_bytes: u64, count: usize) {
    let mut tries = 0;
    while world.objects.len() < count {
        let before = world.objects.len();
        world.put(who, who, size_bytes);
        if world.objects.len() == before {
            world.settle();
        }
        tries += 1;
        assert!(tries < 10 * count + 10, "no room for object {before}");
    }
    world.settle();
}

#[test]
fn ten_times_the_store_goes_in_and_comes_out() {
    let mut world = World::new(32 * MIB, limits(u64::MAX), 2);
    fill(&mut world, 1, MIB, 200);
    let stats = world.table.stats();
    assert!(stats.spilled_objects >= 168 && stats.spilled_objects + stats.objects == 200, "{stats:?}");
    assert!(stats.spill_files <= 70 && stats.refused_requests == 0, "{stats:?}");
    for index in 0..200 {
        world.look(2, index);
        world.settle();
        let id = world.objects[index].id;
        world.look_away(2, id);
    }
    assert!(world.restored >= 168);
    for _ in 0..200 {
        world.free(0);
    }
    world.settle();
    let stats = world.table.stats();
    assert_eq!((stats.spill_files, stats.spill_file_bytes, stats.spilled_objects, stats.objects), (0, 0, 0, 0));
}

#[test]
fn what_is_looked_at_stays_and_goes_when_nobody_looks() {
    let mut world = World::new(32 * MIB, limits(u64::MAX), 2);
    fill(&mut world, 1, 2 * MIB, 8);
    for index in 0..8 {
        world.look(2, index);
    }
    world.put(1, 1, 20 * MIB);
    world.settle();
    assert_eq!(world.table.stats().spilled_objects, 0);
    assert!(world.table.has_waiting() && world.table.stats().looked_at_bytes == 16 * MIB);
    let ids: Vec<u8> = world.objects.iter().map(|known| known.id).collect();
    for id in ids {
        world.look_away(2, id);
    }
    world.settle();
    assert!(!world.table.has_waiting() && world.table.stats().spilled_objects > 0);
    assert_eq!(world.refused, 0);
}

#[test]
fn small_objects_share_files() {
    let mut world = World::new(32 * MIB, limits(u64::MAX), 1);
    fill(&mut world, 1, 128 << 10, 250);
    world.put(1, 1, 30 * MIB);
    world.settle();
    let stats = world.table.stats();
    assert!(stats.spilled_objects >= 200 && stats.spill_files <= stats.spilled_objects / 20, "{stats:?}");
}

#[test]
fn a_full_quota_is_an_error_for_who_waits_and_for_nobody_else() {
    let mut world = World::new(32 * MIB, limits(8 * MIB), 1);
    let mut tries = 0;
    while world.refused == 0 {
        world.put(1, 1, MIB);
        world.now_ms += 100;
        world.settle();
        tries += 1;
        assert!(tries < 200);
    }
    let stats = world.table.stats();
    assert!(stats.spill_file_bytes <= 8 * MIB && stats.spilled_bytes > 0 && !world.table.has_waiting(), "{stats:?}");
    // What is in files can still be read.
    let mut effects = Vec::new();
    world.table.on_segment_request(WorkerId::nil(), 1, MIB, world.now_ms, &mut effects);
    assert!(matches!(effects[..], [Effect::Create { .. }]), "{effects:?}");
    let Effect::Create { segment, .. } = effects.remove(0) else { return };
    world.table.on_created(segment, &mut effects);
    world.table.on_segment_return(WorkerId::nil(), segment, world.now_ms, &mut effects);
    // What is freed makes room on the disk, and it goes on.
    for _ in 0..world.objects.len() {
        world.free(0);
    }
    world.settle();
    let refused = world.refused;
    world.put(1, 1, MIB);
    world.settle();
    assert_eq!((world.refused, world.table.stats().spill_file_bytes), (refused, 0));
}

#[test]
fn a_disk_that_fails_leaves_everything_in_memory() {
    let mut world = World::new(32 * MIB, limits(u64::MAX), 1);
    fill(&mut world, 1, 2 * MIB, 14);
    let objects = world.table.stats().objects;
    world.put(1, 1, 20 * MIB);
    let asked_ms = world.now_ms;
    while world.refused == 0 {
        world.now_ms += 50;
        world.deliver(1, true);
        world.deliver(1, false);
        world.end_write(false);
        world.tick();
        assert!(world.now_ms - asked_ms < 3_000);
    }
    assert_eq!((world.table.stats().objects, world.table.stats().spilled_objects), (objects, 0));
    assert!(world.now_ms - asked_ms >= 2_000);
}

#[test]
fn a_file_that_is_mostly_waste_is_written_anew() {
    let mut world = World::new(32 * MIB, limits(u64::MAX), 1);
    fill(&mut world, 1, MIB, 60);
    for step in 0..50 {
        world.free((step * 7) % world.objects.len());
        if step % 5 == 0 {
            world.settle();
        }
    }
    world.settle();
    let stats = world.table.stats();
    assert!(stats.spill_file_bytes <= 2 * stats.spilled_bytes.max(1), "{stats:?}");
    for known in world.objects.clone() {
        let look = world.table.on_look(super::env::worker(1), &object(known.id), &known.location, &mut Vec::new());
        assert!(matches!(look, Look::Here | Look::InFile(_)), "{known:?} {look:?}");
    }
}

#[test]
fn an_unreadable_file_loses_its_object_and_nothing_else() {
    let mut world = World::new(32 * MIB, limits(u64::MAX), 1);
    fill(&mut world, 1, MIB, 60);
    let in_file =
        |known: &super::spill_world::Known, world: &World| world.table.in_file(&object(known.id), &known.location);
    let (known, part) =
        world.objects.iter().find_map(|known| Some((*known, in_file(known, &world)?))).expect("some are in files");
    let spilled = world.table.stats().spilled_objects;
    let mut effects = Vec::new();
    world.table.on_unreadable(&object(known.id), &known.location, part, &mut effects);
    world.table.sanity_check().expect("the invariants hold");
    assert_eq!(world.table.stats().spilled_objects, spilled - 1);
    let look = world.table.on_look(super::env::worker(1), &object(known.id), &known.location, &mut effects);
    assert_eq!(look, Look::Unreadable);
}

#[test]
fn above_the_threshold_objects_are_written_before_anybody_waits() {
    let mut world = World::new(64 * MIB, SpillLimits { threshold_bytes: 16 * MIB, ..limits(u64::MAX) }, 1);
    fill(&mut world, 1, 2 * MIB, 24);
    let stats = world.table.stats();
    assert!(stats.spilled_bytes_total >= 8 * MIB && world.table.waited_requests() == 0, "{stats:?}");
}
