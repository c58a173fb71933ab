//! Many small frames and many bytes over a connection with another machine: all arrive; `--nocapture` shows how fast.

use crate::link::tests::kit::{LIMIT, PEER, turn_until, two_sides};
use std::time::{Duration, Instant};

#[test]
fn every_frame_comes_back_and_every_byte_arrives() {
    const ROUNDS: u64 = 2_000;
    const BYTES: usize = 64 << 20;
    const FRAME: usize = 1 << 20;
    let (mut left, mut right) = two_sides(|dialled, accepted| (dialled, accepted));
    turn_until(&mut left, &mut right, |left, right| left.is_known() && right.is_known());
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while right.frames < ROUNDS {
                let had = right.frames;
                right.turn(Duration::from_millis(100));
                for _ in had..right.frames {
                    right.send_large(56);
                }
                right.links.flush();
            }
        });
        let began = Instant::now();
        for round in 1..=ROUNDS {
            left.send_large(56);
            left.links.flush();
            while left.frames < round {
                assert!(began.elapsed() < LIMIT, "{} of {ROUNDS} frames came back", left.frames);
                left.turn(Duration::from_millis(100));
            }
        }
        let each = began.elapsed().as_nanos() as f64 / ROUNDS as f64 / 1000.0;
        println!("round trip of a frame of 64 bytes: {each:.1} us");
    });
    let before = right.bytes;
    let began = Instant::now();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            while right.bytes - before < BYTES as u64 {
                assert!(began.elapsed() < LIMIT);
                right.turn(Duration::from_millis(100));
            }
            let seconds = began.elapsed().as_secs_f64();
            println!("one way: {:.2} GB/s", BYTES as f64 / seconds / 1e9);
        });
        let mut sent = 0;
        while sent < BYTES || !left.links.peer(PEER).is_written() {
            if sent < BYTES && left.links.peer(PEER).out.len() < 2 * FRAME {
                left.send_large(FRAME);
                sent += FRAME;
            }
            left.links.flush();
            left.turn(if sent < BYTES { Duration::ZERO } else { Duration::from_millis(1) });
        }
    });
    assert_eq!((left.frames, right.frames), (ROUNDS, ROUNDS + (BYTES / FRAME) as u64));
}
