//! The allocator against a model that keeps a list of used ranges.

use super::*;
use proptest::prelude::*;

#[test]
fn the_newest_free_range_is_used_first() {
    let mut allocator = RangeAllocator::new(1 << 20);
    let offsets: Vec<u64> = (0..4).map(|_| allocator.allocate(1000).expect("room")).collect();
    assert_eq!(offsets, [0, 1024, 2048, 3072]);
    assert!(allocator.free(offsets[0], 1000) && allocator.free(offsets[2], 1000));
    assert_eq!(allocator.allocate(900), Some(2048));
    assert_eq!(allocator.allocate(900), Some(0));
    assert_eq!(allocator.allocate(900), Some(4096));
}

#[test]
fn what_was_not_given_out_cannot_be_freed() {
    let mut allocator = RangeAllocator::new(4096);
    let offset = allocator.allocate(100).expect("room");
    assert!(!allocator.free(offset + 1, 100));
    assert!(!allocator.free(offset, 200), "the end lies in free space");
    assert!(!allocator.free(8192, 64) && !allocator.free(u64::MAX - 63, u64::MAX));
    assert!(allocator.free(offset, 100));
    assert!(!allocator.free(offset, 100), "twice");
    assert_eq!((allocator.used_bytes(), allocator.largest_free()), (0, 4096));
}

#[test]
fn many_small_holes_do_not_hide_a_large_range() {
    let mut allocator = RangeAllocator::new(1 << 20);
    let offsets: Vec<u64> = (0..200).map(|_| allocator.allocate(64).expect("room")).collect();
    for offset in offsets.iter().step_by(2) {
        assert!(allocator.free(*offset, 64));
    }
    assert_eq!(allocator.allocate(500_000), Some(200 * 64));
    allocator.sanity_check().expect("sane");
}

proptest! {
    #[test]
    fn it_agrees_with_a_naive_model(steps in prop::collection::vec((any::<bool>(), 0u64..9000, any::<prop::sample::Index>()), 1..300)) {
        let mut allocator = RangeAllocator::new(64 << 10);
        let mut used: Vec<(u64, u64)> = Vec::new();
        for (allocate, len, index) in steps {
            if allocate || used.is_empty() {
                let occupied = RangeAllocator::occupied_bytes(len).expect("short");
                let mut ends: Vec<(u64, u64)> = used.iter().map(|(offset, len)| (*offset, offset + len.max(&1).next_multiple_of(64))).collect();
                ends.sort_unstable();
                let mut at = 0;
                let mut largest = 0;
                for (start, end) in ends.iter().chain([&(64 << 10, 0)]) {
                    largest = largest.max(start - at);
                    at = *end;
                }
                match allocator.allocate(len) {
                    Some(offset) => {
                        prop_assert!(offset % 64 == 0 && offset + occupied <= 64 << 10);
                        for (start, end) in &ends {
                            prop_assert!(offset + occupied <= *start || offset >= *end);
                        }
                        used.push((offset, len));
                    }
                    None => prop_assert!(largest < occupied),
                }
            } else {
                let (offset, len) = used.swap_remove(index.index(used.len()));
                prop_assert!(allocator.free(offset, len));
            }
            let sum: u64 = used.iter().map(|(_, len)| len.max(&1).next_multiple_of(64)).sum();
            prop_assert_eq!(allocator.used_bytes(), sum);
            prop_assert_eq!(allocator.sanity_check(), Ok(()));
        }
    }
}
