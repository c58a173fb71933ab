//! Sizes, waiting for space, and space given back (STORE-4).

use super::env::{Env, MIB, WAIT_MS, release, worker};
use crate::Effect;
use trygon_ids::SegmentId;

#[test]
fn segments_for_small_objects_grow_and_large_ones_fit() {
    let mut env = Env::new(4096 * MIB);
    let sizes: Vec<u64> = (0..6).map(|_| env.segment(1, 200_000).1 / MIB).collect();
    assert_eq!(sizes, [4, 8, 16, 32, 64, 64]);
    assert_eq!(env.segment(2, 100 * MIB + 1).1, 102 * MIB);
    assert_eq!(env.segment(3, 3 * MIB).1, 12 * MIB);
}

#[test]
fn a_thousand_small_objects_ask_few_times() {
    let mut env = Env::new(4096 * MIB);
    let mut pool = crate::WriterPool::new();
    let mut asked = 0;
    for _ in 0..1000 {
        while let crate::Reserved::NeedSegment { size_bytes } = pool.reserve(200_000) {
            let (segment, size) = env.segment(1, size_bytes);
            assert!(pool.add_segment(SegmentId(segment), size, 0));
            asked += 1;
        }
    }
    assert_eq!(asked, 7);
}

#[test]
fn every_grant_takes_the_object_it_was_asked_for() {
    for len in [1, 4095, MIB, 4 * MIB, 4 * MIB + 1, 7 * MIB - 1, 33 * MIB, 100 * MIB + 64] {
        for capacity in [1 << 40, 128 * MIB, len.next_multiple_of(4096)] {
            let mut env = Env::new(capacity);
            let mut pool = crate::WriterPool::new();
            let crate::Reserved::NeedSegment { size_bytes } = pool.reserve(len) else { panic!("an empty pool") };
            env.request(1, 0, size_bytes);
            let Some(Effect::Grant { segment, size_bytes, .. }) = env.effects.pop() else {
                assert!(len > capacity);
                continue;
            };
            assert!(size_bytes <= capacity);
            pool.add_segment(segment, size_bytes, 0);
            assert!(matches!(pool.reserve(len), crate::Reserved::Range { .. }), "{len} in {size_bytes}");
        }
    }
}

#[test]
fn store_4_a_full_store_keeps_requests_until_space_comes_back() {
    let mut env = Env::new(100 * MIB);
    let (first, _) = env.segment(1, 60 * MIB);
    env.request(2, 7, 60 * MIB);
    env.request(3, 8, 20 * MIB);
    // The smaller one fits and overtakes.
    assert!(matches!(env.take()[..], [Effect::Grant { request_id: 8, .. }]));
    assert_eq!(env.table.next_deadline_ms(), Some(WAIT_MS));
    env.tick(WAIT_MS - 1);
    assert_eq!(env.take(), []);
    env.give_back(1, first);
    let effects = env.take();
    assert_eq!(effects[0], release(first, true));
    assert!(matches!(effects[1], Effect::Grant { request_id: 7, size_bytes, .. } if size_bytes == 60 * MIB));
    assert_eq!(env.table.next_deadline_ms(), None);
}

#[test]
fn store_4_a_request_is_refused_after_its_time_with_the_numbers() {
    let mut env = Env::new(100 * MIB);
    env.segment(1, 60 * MIB);
    env.request(2, 7, 60 * MIB);
    env.tick(WAIT_MS);
    let refused = Effect::Refuse {
        to: worker(2),
        request_id: 7,
        size_bytes: 60 * MIB,
        used_bytes: 60 * MIB,
        cause: crate::RefuseCause::Full,
    };
    assert_eq!(env.take(), [refused]);
    assert_eq!(env.table.stats().refused_requests, 1);
}

#[test]
fn what_can_never_fit_is_refused_at_once() {
    let mut env = Env::new(100 * MIB);
    env.request(1, 1, 100 * MIB + 1);
    env.request(1, 2, u64::MAX);
    assert!(matches!(env.take()[..], [Effect::Refuse { request_id: 1, .. }, Effect::Refuse { request_id: 2, .. }]));
}

#[test]
fn a_nearly_full_store_gives_what_is_needed_and_not_more() {
    let mut env = Env::new(128 * MIB);
    env.segment(1, 126 * MIB);
    assert_eq!(env.segment(2, 100_000).1, 2 * MIB);
    let mut tiny = Env::new(MIB);
    assert_eq!(tiny.segment(2, 100_000).1, 25 * 4096);
}

#[test]
fn a_segment_that_could_not_be_made_is_refused() {
    let mut env = Env::new(100 * MIB);
    let mut effects = Vec::new();
    env.table.on_segment_request(worker(1), 5, 10 * MIB, 0, &mut effects);
    assert!(matches!(effects[..], [Effect::Create { .. }]));
    effects.clear();
    env.table.on_create_failed(SegmentId(1), 0, &mut effects);
    assert_eq!(effects[0], release(1, true));
    assert!(matches!(effects[1], Effect::Refuse { request_id: 5, used_bytes: 0, .. }));
    env.assert_empty();
}

#[test]
fn a_segment_that_is_gone_cannot_be_mapped() {
    let mut env = Env::new(100 * MIB);
    let mut effects = Vec::new();
    env.table.on_segment_map(worker(1), SegmentId(9), &mut effects);
    assert_eq!(effects, [Effect::Map { to: worker(1), segment: SegmentId(9), size_bytes: 0, watched: false }]);
}

#[test]
fn store_4_what_could_not_be_made_for_one_is_there_for_the_next() {
    let mut env = Env::new(100 * MIB);
    let mut effects = Vec::new();
    env.table.on_segment_request(worker(1), 5, 80 * MIB, 0, &mut effects);
    let Effect::Create { segment, .. } = effects.remove(0) else { panic!("nothing is made") };
    env.request(2, 6, 40 * MIB);
    assert_eq!(env.take(), []);
    env.table.on_create_failed(segment, 0, &mut effects);
    env.after(effects);
    let effects = env.take();
    assert!(matches!(effects[..], [_, Effect::Refuse { request_id: 5, .. }, Effect::Grant { request_id: 6, .. }]));
}

#[test]
fn store_4_nobody_is_refused_what_is_there() {
    let mut env = Env::new(100 * MIB);
    let (first, _) = env.segment(1, 60 * MIB);
    env.request(2, 7, 60 * MIB);
    // Its time is over, and the clock has not said so yet.
    env.now_ms = WAIT_MS + 1;
    env.give_back(1, first);
    let effects = env.take();
    assert!(matches!(effects[..], [_, Effect::Grant { request_id: 7, .. }]), "{effects:?}");
    env.tick(WAIT_MS + 2);
    assert_eq!(env.take(), []);
}
