//! Prints what the flight recorder costs a task, in nanoseconds: `cargo run --release -p trygon-shm --example recorder_speed`.

use std::hint::black_box;
use std::time::Instant;
use trygon_shm::{Recorder, create_recorder_descriptor};

const TURNS: u32 = 5_000_000;

fn report(what: &str, mut turn: impl FnMut(u32)) {
    let start = Instant::now();
    for index in 0..TURNS {
        turn(index);
    }
    let nanoseconds = start.elapsed().as_secs_f64() * 1e9 / f64::from(TURNS);
    println!("{what:<40} {nanoseconds:6.2} ns");
}

fn main() {
    let descriptor = create_recorder_descriptor().expect("a memfd");
    let mut recorder = Recorder::new(&descriptor).expect("a mapping");
    report("set_started, clear_started", |index| {
        recorder.set_started(black_box(3), index, index, 0);
        recorder.clear_started();
    });
    for len in [40, 1000] {
        let body = vec![7; len];
        report(&format!("stage a frame of 8 + {len} bytes"), |_| {
            let parts: [&[u8]; 2] = [&[1; 8], &body];
            if recorder.stage(black_box(3), &parts).is_err() {
                recorder.clear_staged();
            }
        });
        recorder.clear_staged();
    }
    report("set_name", |_| recorder.set_name(black_box("module.function_of_a_user")));
}
