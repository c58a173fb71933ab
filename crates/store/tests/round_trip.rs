//! A server and clients with real memory: frames and descriptors handed over as the daemon would.

mod env;

use env::{Env, MIB};
use trygon_store::client::Reservation;

#[test]
fn an_object_is_written_once_and_read_elsewhere() {
    let mut env = Env::new(100 * MIB);
    let body: Vec<u8> = (0..9_000_000u32).map(|index| (index % 253) as u8).collect();
    let place = env.put(1, 1, 2, &[b"head", &body]);
    let (segment, offset, len) = (place.segment.0, place.offset_bytes, place.size_bytes);
    assert!(env.client(2).bytes(segment, offset, len).is_none());
    env.map(2, segment).expect("it is there");
    let bytes = env.client(2).bytes(segment, offset, len).expect("mapped");
    assert!(bytes[..4] == *b"head" && bytes[4..] == body[..]);
    assert_eq!(bytes.as_ptr(), bytes.as_slice().as_ptr());
    assert!(env.client(2).bytes(segment, u64::MAX, 2).is_none());
    assert!(env.client(2).bytes(segment, 1 << 40, 0).is_none());

    env.free(2, 1, place, false);
    assert_eq!(env.client(1).stats().pool.used_bytes, 0);
    env.sanity_check();
}

#[test]
fn an_array_is_made_in_place() {
    let mut env = Env::new(100 * MIB);
    let mut allocation = env.reserve(1, 1 << 20);
    assert!(!allocation.as_mut_ptr().is_null() && allocation.as_mut_ptr().align_offset(64) == 0);
    assert!(allocation.write_parts_at(10, &[b"abc"]));
    assert!(!allocation.write_parts_at(1 << 20, &[b"x"]) && !allocation.write_parts_at(u64::MAX, &[b"x"]));
    let place = allocation.seal();
    let bytes = env.client(1).bytes(place.segment.0, place.offset_bytes, 13).expect("its own segment");
    assert_eq!(&bytes[10..], b"abc");
}

#[test]
fn a_dropped_allocation_is_free_again() {
    let mut env = Env::new(100 * MIB);
    drop(env.reserve(1, 200_000));
    assert_eq!(env.client(1).stats().pool.used_bytes, 0);
    let again = env.reserve(1, 200_000);
    assert_eq!(again.offset_bytes, 0);
    assert_eq!(env.client(1).stats().pool.segments, 1);
}

#[test]
fn store_2_what_its_writer_looks_at_is_not_reused() {
    let mut env = Env::new(100 * MIB);
    let place = env.put(1, 1, 1, &[&[7; 200_000]]);
    let (segment, offset, len) = (place.segment.0, place.offset_bytes, place.size_bytes);
    let first = env.client(1).bytes(segment, offset, len).expect("its own");
    let second = env.client(1).bytes(segment, offset, len).expect("its own");
    assert!(env.client(1).free(segment, offset, len));
    assert!(!env.client(1).free(segment, offset, len), "twice");
    drop(first);
    let other = env.put(1, 2, 1, &[&[8; 200_000]]);
    assert_ne!(other.offset_bytes, offset);
    assert!(second.iter().all(|byte| *byte == 7));
    drop(second);
    assert_eq!(env.client(1).stats().pinned_ranges, 0);
    assert_eq!(env.put(1, 3, 1, &[&[9; 200_000]]).offset_bytes, offset);
}

#[test]
fn idle_segments_and_mappings_go_back() {
    let mut env = Env::new(100 * MIB);
    let place = env.put(1, 1, 2, &[&[1; 5_000_000]]);
    env.map(2, place.segment.0).expect("it is there");
    env.free(2, 1, place, false);
    let now_ms = env.client(1).now_ms();
    assert_eq!(env.client(1).idle_segments(now_ms), [0; 0]);
    assert!(env.client(1).next_idle_ms().is_some_and(|due| due > now_ms));
    env.return_idle(1, now_ms + 5_000);
    assert_eq!(env.server.stats().used_bytes, 0);
    assert!(env.map(3, place.segment.0).is_none(), "it is gone");
    assert!(env.client(2).mapping(place.segment.0).is_some());
    assert!(env.client(2).idle_segments(now_ms + 60_000).is_empty());
    assert!(env.client(2).mapping(place.segment.0).is_none());
    assert_eq!(env.client(2).next_idle_ms(), None);
}

#[test]
fn store_3_a_readers_array_survives_its_writer_and_owner() {
    let mut env = Env::new(100 * MIB);
    let place = env.put(1, 1, 1, &[&[5; 1_000_000]]);
    env.map(2, place.segment.0).expect("it is there");
    let bytes = env.client(2).bytes(place.segment.0, place.offset_bytes, place.size_bytes).expect("mapped");
    env.die(1);
    assert_eq!(env.server.stats().segments, 0);
    assert!(bytes.iter().all(|byte| *byte == 5));
}

#[test]
fn store_4_a_full_store_says_so_in_numbers() {
    let mut env = Env::new(20 * MIB);
    env.put(1, 1, 1, &[&[0; 15_000_000]]);
    assert!(matches!(env.client(1).reserve(15_000_000), Reservation::NeedSegment { .. }));
    let answers = env.request(2, 15_000_000);
    assert!(answers.is_empty(), "it waits");
    assert!(env.server.calls_for_memory(0) && !env.server.calls_for_memory(99) && env.server.calls_for_memory(100));
    let refused = env.tick_refused(10_000);
    assert!(
        refused.message.contains("object store is full") && refused.message.contains("object_store_memory"),
        "{}",
        refused.message
    );
    assert_eq!(refused.capacity_bytes, 20 * MIB);
    assert!(env.server.stats_json().contains("\"refused_requests\":1"));
}

#[test]
fn a_large_segment_is_made_and_taken_back_between_other_work() {
    let mut env = Env::new(400 * MIB);
    let answers = env.request(1, 200 * MIB);
    assert!(answers.is_empty());
    assert_eq!(env.server.next_deadline_ms(), Some(0));
    // Another process is served meanwhile.
    env.put(2, 1, 2, &[&[1; 200_000]]);
    let mut ticks = 0;
    while env.client(1).stats().pool.segments == 0 {
        env.tick(0);
        ticks += 1;
    }
    assert!(ticks > 5, "{ticks}");
    env.die(1);
    while env.server.next_deadline_ms() == Some(0) {
        env.tick(0);
    }
    assert_eq!(env.server.stats().segments, 1);
}
