//! What a death frees (STORE-3) and what it must leave alone (STORE-2).

use super::env::{Env, MIB, at, reclaim, release};
use crate::Effect;
use trygon_ids::SegmentId;

#[test]
fn store_3_a_writers_death_frees_what_it_had_not_sealed() {
    let mut env = Env::new(100 * MIB);
    let (kept, size) = env.segment(1, 1000);
    let (empty, _) = env.segment(1, 1000);
    env.seal(1, 1, at(kept, 4096, 5000), 2).expect("fine");
    env.die(1);
    let ranges = vec![(0, 4096), (12288, size - 12288)];
    assert_eq!(env.take(), [Effect::Trim { segment: SegmentId(kept), ranges }, release(empty, true)]);
    assert_eq!(env.table.stats().used_bytes, 8192);
    env.map(3, kept);
    env.free(2, 1, at(kept, 4096, 5000), false);
    assert_eq!(env.take(), [release(kept, true)]);
    env.assert_empty();
}

#[test]
fn store_3_a_dead_process_owns_nothing_and_waits_for_nothing() {
    let mut env = Env::new(100 * MIB);
    let (segment, _) = env.segment(1, 90 * MIB);
    env.seal(1, 1, at(segment, 0, 1000), 2).expect("fine");
    env.request(2, 9, 50 * MIB);
    env.die(2);
    assert_eq!(env.take(), [reclaim(1, at(segment, 0, 1000))]);
    assert_eq!(env.table.stats().waiting_requests, 0);
    env.seal(1, 2, at(segment, 0, 1000), 2).expect("the writer did not know yet");
    assert_eq!(env.take(), [reclaim(1, at(segment, 0, 1000))]);
    env.die(1);
    assert_eq!(env.take(), [release(segment, true)]);
    env.request(1, 1, 1000);
    env.assert_empty();
}

#[test]
fn store_3_a_segment_in_the_making_goes_with_its_writer() {
    let mut env = Env::new(100 * MIB);
    let mut effects = Vec::new();
    env.table.on_segment_request(super::env::worker(1), 5, 50 * MIB, 0, &mut effects);
    assert!(matches!(effects[..], [Effect::Create { .. }]));
    env.die(1);
    assert_eq!(env.take(), [release(1, true)]);
    effects.clear();
    env.table.on_created(SegmentId(1), &mut effects);
    assert_eq!(effects, []);
    env.assert_empty();
}

#[test]
fn store_2_a_dead_owners_object_stays_while_someone_may_read_it() {
    let mut env = Env::new(100 * MIB);
    let (segment, _) = env.segment(1, 1000);
    env.seal(1, 1, at(segment, 0, 1000), 2).expect("fine");
    env.seal(1, 2, at(segment, 1024, 1000), 4).expect("fine");
    env.map(2, segment);
    env.map(3, segment);
    env.die(2);
    assert_eq!(env.take(), []);
    assert_eq!(env.table.stats().held_for_readers_bytes, 1000);
    env.free(3, 1, at(segment, 0, 1000), false);
    assert_eq!(env.take(), [], "a borrower cannot free it");
    env.die(3);
    assert_eq!(env.take(), [reclaim(1, at(segment, 0, 1000))]);
    assert_eq!(env.table.stats().objects, 1);
}

#[test]
fn store_2_the_pages_of_a_dead_writer_and_owner_are_left_to_those_who_read_them() {
    let mut env = Env::new(100 * MIB);
    let (segment, _) = env.segment(1, 1000);
    env.seal(1, 1, at(segment, 0, 1000), 1).expect("fine");
    env.map(3, segment);
    env.die(1);
    assert_eq!(env.take(), [release(segment, false)]);
    env.assert_empty();
}

#[test]
fn store_2_trimming_spares_what_is_held_for_readers() {
    let mut env = Env::new(100 * MIB);
    let (segment, size) = env.segment(1, 1000);
    env.seal(1, 1, at(segment, 0, 4096), 1).expect("fine");
    env.seal(1, 2, at(segment, 8192, 4096), 2).expect("fine");
    env.map(3, segment);
    env.die(1);
    let ranges = vec![(4096, 4096), (12288, size - 12288)];
    assert_eq!(env.take(), [Effect::Trim { segment: SegmentId(segment), ranges }]);
    env.die(3);
    let ranges = vec![(0, 8192), (12288, size - 12288)];
    assert_eq!(env.take(), [Effect::Trim { segment: SegmentId(segment), ranges }]);
    env.free(2, 2, at(segment, 8192, 4096), false);
    assert_eq!(env.take(), [release(segment, true)]);
    env.assert_empty();
}

#[test]
fn space_of_the_dead_serves_who_waits() {
    let mut env = Env::new(100 * MIB);
    env.segment(1, 80 * MIB);
    env.request(2, 4, 80 * MIB);
    env.die(1);
    let effects = env.take();
    assert!(matches!(effects[..], [Effect::Release { .. }, Effect::Grant { request_id: 4, .. }]), "{effects:?}");
}
