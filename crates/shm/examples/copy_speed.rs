//! Prints how fast copies into shared memory are, in GB/s: `cargo run --release -p trygon-shm --example copy_speed [MEGABYTES]`.
//!
//! `memcpy` into ordinary warm memory stands beside it as the machine's own measure.

use std::time::Instant;
use trygon_shm::{CopyPlan, Segment, SegmentBytes, WritableMapping};

const ROUNDS: usize = 9;

fn best_and_median(bytes: usize, mut copy: impl FnMut()) -> String {
    let mut rates: Vec<f64> = (0..ROUNDS)
        .map(|_| {
            let start = Instant::now();
            copy();
            bytes as f64 / start.elapsed().as_secs_f64() / 1e9
        })
        .collect();
    rates.sort_by(f64::total_cmp);
    format!("median {:6.2}   best {:6.2}", rates[ROUNDS / 2], rates[ROUNDS - 1])
}

fn report(what: &str, figures: &str) {
    println!("{what:<52} {figures} GB/s");
}

fn map(segment: &Segment) -> WritableMapping {
    let descriptor = segment.writable_descriptor().expect("a descriptor");
    WritableMapping::new(descriptor, segment.size_bytes()).expect("a mapping")
}

fn main() {
    let megabytes: usize = std::env::args().nth(1).and_then(|text| text.parse().ok()).unwrap_or(100);
    let len = megabytes << 20;
    let source: Vec<u8> = (0..len).map(|index| (index * 31) as u8).collect();
    println!("{megabytes} MiB, {ROUNDS} rounds");

    let mut target = vec![1u8; len];
    report("memcpy, ordinary memory, warm", &best_and_median(len, || target.copy_from_slice(&source)));
    report(
        "fallocate (segment made and dropped)",
        &best_and_median(len, || drop(Segment::create("bench", len as u64).expect("memory"))),
    );
    for threads in [1, 2] {
        for non_temporal in [false, true] {
            let plan = CopyPlan { threads, non_temporal };
            let name = format!("{threads} thread, {}", if non_temporal { "past the cache" } else { "memcpy" });
            let segment = Segment::create("bench", len as u64).expect("memory");
            let mapping = map(&segment);
            mapping.write_parts(0, &[&source], plan).expect("room");
            let warm = best_and_median(len, || _ = mapping.write_parts(0, &[&source], plan));
            report(&format!("segment, warm, {name}"), &warm);
            let remapped = best_and_median(len, || _ = map(&segment).write_parts(0, &[&source], plan));
            report(&format!("segment, pages there, new mapping, {name}"), &remapped);
            let fresh = best_and_median(len, || {
                let segment = Segment::create("bench", len as u64).expect("memory");
                let _ = map(&segment).write_parts(0, &[&source], plan);
            });
            report(&format!("segment, made, mapped, written, dropped, {name}"), &fresh);
            assert!(mapping.range(0, len as u64) == Some(&source[..]));
        }
    }
}
