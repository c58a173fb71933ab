//! Where objects go, and that no two share a byte.

use super::*;
use proptest::prelude::*;

const MIB: u64 = 1 << 20;

fn place(pool: &mut WriterPool, len: u64) -> (u64, u64) {
    match pool.reserve(len) {
        Reserved::Range { segment, offset_bytes } => (segment.0, offset_bytes),
        Reserved::NeedSegment { size_bytes } => panic!("no room: {size_bytes} asked for"),
    }
}

fn pool(sizes: &[u64]) -> WriterPool {
    let mut pool = WriterPool::new();
    for (index, size) in sizes.iter().enumerate() {
        assert!(pool.add_segment(SegmentId(index as u64 + 1), *size, 0));
    }
    pool
}

#[test]
fn an_empty_pool_asks_for_what_the_object_needs() {
    let mut pool = WriterPool::new();
    assert_eq!(pool.reserve(1000), Reserved::NeedSegment { size_bytes: 1024 });
    assert_eq!(pool.reserve(u64::MAX), Reserved::NeedSegment { size_bytes: u64::MAX });
    assert!(pool.add_segment(SegmentId(1), 16 * MIB, 0) && !pool.add_segment(SegmentId(1), 16 * MIB, 0));
    assert_eq!(place(&mut pool, 0), (1, 0));
    assert_eq!(place(&mut pool, 1000), (1, 64));
}

#[test]
fn large_objects_do_not_mix_with_small_ones() {
    let mut pool = pool(&[16 * MIB]);
    assert_eq!(place(&mut pool, 200_000), (1, 0));
    assert_eq!(pool.reserve(8 * MIB), Reserved::NeedSegment { size_bytes: 8 * MIB });
    pool.add_segment(SegmentId(2), 8 * MIB, 0);
    assert_eq!(place(&mut pool, 8 * MIB), (2, 0));
    assert!(pool.free(SegmentId(2), 0, 8 * MIB, 5));
    assert_eq!(place(&mut pool, 6 * MIB), (2, 0));
    assert!(pool.free(SegmentId(2), 0, 6 * MIB, 6));
    pool.add_segment(SegmentId(3), 100 * MIB, 0);
    assert_eq!(pool.reserve(20 * MIB), Reserved::NeedSegment { size_bytes: 20 * MIB }, "not a fifth of a segment");
    assert!(matches!(pool.reserve_anywhere(20 * MIB), Reserved::Range { segment: SegmentId(3), .. }));
}

#[test]
fn warm_space_of_the_last_freed_object_comes_first() {
    let mut pool = pool(&[10 * MIB, 10 * MIB, 10 * MIB]);
    let places: Vec<_> = (0..3).map(|_| place(&mut pool, 10 * MIB)).collect();
    for index in [1, 2, 0] {
        assert!(pool.free(SegmentId(places[index].0), 0, 10 * MIB, 1));
    }
    assert_eq!(place(&mut pool, 9 * MIB), places[0]);
    assert_eq!(place(&mut pool, 9 * MIB), places[2]);
}

#[test]
fn a_segment_is_idle_once_empty_for_a_while() {
    let mut pool = pool(&[16 * MIB, 16 * MIB]);
    let (segment, offset) = place(&mut pool, 100);
    assert_eq!(pool.idle_segments(999, 1000), []);
    assert_eq!(pool.next_idle_ms(1000), Some(1000));
    assert_eq!(pool.idle_segments(1000, 1000), [SegmentId(3 - segment)]);
    assert_eq!(pool.next_idle_ms(1000), None);
    assert!(pool.free(SegmentId(segment), offset, 100, 2000));
    assert_eq!(pool.idle_segments(2999, 1000), []);
    assert_eq!(pool.idle_segments(3000, 1000), [SegmentId(segment)]);
    assert!(!pool.free(SegmentId(segment), offset, 100, 3001));
    assert_eq!(pool.stats(), PoolStats::default());
}

proptest! {
    #[test]
    fn store_1_no_two_objects_share_a_byte(steps in prop::collection::vec((0u8..8, 1u64..(6 * MIB), any::<prop::sample::Index>()), 1..150)) {
        let mut pool = WriterPool::new();
        let mut live: Vec<(SegmentId, u64, u64)> = Vec::new();
        for (now_ms, (what, len, index)) in steps.into_iter().enumerate() {
            if what < 4 || live.is_empty() {
                let len = if what % 2 == 0 { len } else { len / 40 };
                let mut reserved = pool.reserve(len);
                if let Reserved::NeedSegment { size_bytes } = reserved {
                    pool.add_segment(SegmentId(now_ms as u64), size_bytes.max(16 * MIB), now_ms as u64);
                    reserved = if size_bytes < 4 * MIB { pool.reserve(len) } else { pool.reserve_anywhere(len) };
                }
                let Reserved::Range { segment, offset_bytes } = reserved else { panic!("just added") };
                for (other, start, other_len) in &live {
                    prop_assert!(segment != *other || offset_bytes + len <= *start || offset_bytes >= start + other_len);
                }
                live.push((segment, offset_bytes, len));
            } else if what < 7 {
                let (segment, offset, len) = live.swap_remove(index.index(live.len()));
                prop_assert!(pool.free(segment, offset, len, now_ms as u64));
            } else {
                for idle in pool.idle_segments(now_ms as u64, 10) {
                    prop_assert!(live.iter().all(|(segment, _, _)| *segment != idle));
                }
            }
            prop_assert_eq!(pool.sanity_check(), Ok(()));
        }
    }
}
