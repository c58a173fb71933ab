//! Objects sealed and freed in the order that two sockets allow.

use super::env::{Env, MIB, at, object, reclaim, release, worker};
use crate::{Effect, Reject};
use trygon_ids::SegmentId;

#[test]
fn the_owner_frees_and_the_writer_reclaims() {
    let mut env = Env::new(100 * MIB);
    let (segment, _) = env.segment(1, 1000);
    env.seal(1, 1, at(segment, 0, 1000), 2).expect("fine");
    assert_eq!(env.table.stats().object_bytes, 1000);
    env.free(2, 1, at(segment, 0, 1000), false);
    assert_eq!(env.take(), [reclaim(1, at(segment, 0, 1000))]);
    env.give_back(1, segment);
    assert_eq!(env.take(), [release(segment, true)]);
    env.assert_empty();
}

#[test]
fn a_writer_that_owns_the_object_has_taken_the_space_itself() {
    let mut env = Env::new(100 * MIB);
    let (segment, _) = env.segment(1, 1000);
    env.seal(1, 1, at(segment, 0, 1000), 1).expect("fine");
    env.free(1, 1, at(segment, 0, 1000), true);
    env.free(1, 1, at(segment, 0, 1000), true);
    env.seal(1, 2, at(segment, 0, 500), 1).expect("the range is used again");
    assert_eq!((env.take(), env.table.stats().objects), (vec![], 1));
}

#[test]
fn an_object_is_found_by_its_id() {
    let mut env = Env::new(100 * MIB);
    let (segment, _) = env.segment(1, 1000);
    env.seal(1, 1, at(segment, 0, 1000), 2).expect("fine");
    let found = env.table.find(&object(1));
    assert_eq!(found.len(), 1);
    assert!(found[0].is_in_memory && !found[0].is_copy && found[0].location == at(segment, 0, 1000));
    assert!(env.table.find(&object(2)).is_empty());
}

#[test]
fn a_free_that_overtakes_the_seal_counts() {
    let mut env = Env::new(100 * MIB);
    let (segment, _) = env.segment(1, 1000);
    env.free(2, 1, at(segment, 64, 1000), false);
    assert_eq!(env.take(), []);
    env.seal(1, 1, at(segment, 64, 1000), 2).expect("fine");
    assert_eq!(env.take(), [reclaim(1, at(segment, 64, 1000))]);
    env.seal(1, 1, at(segment, 64, 1000), 2).expect("only once");
    assert_eq!((env.take(), env.table.stats().objects), (vec![], 1));
}

#[test]
fn store_1_a_free_of_another_object_at_the_place_does_nothing() {
    let mut env = Env::new(100 * MIB);
    let (segment, _) = env.segment(1, 1000);
    env.seal(1, 2, at(segment, 0, 1000), 2).expect("fine");
    env.free(2, 1, at(segment, 0, 1000), false);
    assert_eq!((env.take(), env.table.stats().objects), (vec![], 1));
}

#[test]
fn store_1_what_cannot_be_is_rejected() {
    let mut env = Env::new(100 * MIB);
    let (segment, size) = env.segment(1, 1000);
    env.seal(1, 1, at(segment, 1000, 1000), 2).expect("fine");
    assert_eq!(env.seal(1, 2, at(segment, 1999, 10), 2), Err(Reject::Overlap));
    assert_eq!(env.seal(1, 2, at(segment, 500, 501), 2), Err(Reject::Overlap));
    assert_eq!(env.seal(1, 2, at(segment, 1500, 0), 2), Err(Reject::Overlap));
    assert_eq!(env.seal(1, 2, at(segment, size - 1, 2), 2), Err(Reject::OutOfBounds));
    assert_eq!(env.seal(1, 2, at(segment, u64::MAX, 2), 2), Err(Reject::OutOfBounds));
    assert_eq!(env.seal(2, 2, at(segment, 4096, 2), 2), Err(Reject::NotTheWriter));
    assert_eq!(env.seal(1, 2, at(77, 4096, 2), 2), Err(Reject::NotTheWriter));
    assert_eq!(env.table.stats().objects, 1);
}

#[test]
fn a_returned_segment_that_still_holds_an_object_stays_for_it() {
    let mut env = Env::new(100 * MIB);
    let (segment, size) = env.segment(1, 1000);
    env.seal(1, 1, at(segment, 0, 1000), 2).expect("fine");
    env.give_back(1, segment);
    assert_eq!(env.take(), []);
    let mut effects = Vec::new();
    env.table.on_segment_map(worker(3), SegmentId(segment), &mut effects);
    assert_eq!(effects, [Effect::Map { to: worker(3), segment: SegmentId(segment), size_bytes: size, watched: false }]);
    assert_eq!(env.seal(1, 3, at(segment, 8192, 10), 2), Err(Reject::NotTheWriter));
    env.free(2, 1, at(segment, 0, 1000), false);
    assert_eq!(env.take(), [release(segment, true)]);
    env.assert_empty();
}

#[test]
fn a_seal_that_overtakes_the_writers_own_free_counts() {
    let mut env = Env::new(100 * MIB);
    let (segment, _) = env.segment(1, 1000);
    env.seal(1, 1, at(segment, 0, 1000), 1).expect("fine");
    env.seal(1, 2, at(segment, 2048, 1000), 1).expect("fine");
    env.seal(1, 3, at(segment, 64, 2048), 1).expect("its threads freed both");
    env.free(1, 1, at(segment, 0, 1000), true);
    env.free(1, 2, at(segment, 2048, 1000), true);
    assert_eq!((env.take(), env.table.stats().objects), (vec![], 1));
    env.free(1, 3, at(segment, 64, 2048), true);
    assert_eq!(env.table.stats().objects, 0);
}
