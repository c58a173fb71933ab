//! Prints how fast objects come from another node: two stores in one process, TCP over loopback, without TLS:
//! `cargo run --release -p trygon-store --example transfer_speed`.

#[path = "../tests/cluster/mod.rs"]
#[allow(dead_code, reason = "the tests use more of it")]
mod cluster;

use cluster::{Cluster, MIB, pattern};
use std::time::Instant;

fn main() {
    let mut cluster = Cluster::new(1..=2, 4 << 30);
    for (name, len, rounds) in
        [("1 KiB", 1 << 10, 2000), ("1 MiB", MIB, 500), ("64 MiB", 64 * MIB, 30), ("1 GiB", 1 << 30, 4)]
    {
        let place = cluster.put(1, 1, 1, &pattern(1, len));
        // The first one finds cold memory and no connection.
        let mut best = f64::MAX;
        let mut total = 0.0;
        for round in 0..=rounds {
            let start = Instant::now();
            cluster.pull(2, 1, 1, place);
            while !cluster.has_answer(2, 1, 1) {
                cluster.turn();
                std::thread::yield_now();
            }
            let seconds = start.elapsed().as_secs_f64();
            if round > 0 {
                best = best.min(seconds);
                total += seconds;
            }
            cluster.release(2, 1, 1);
        }
        let mean = total / f64::from(rounds);
        let rate = |seconds: f64| len as f64 / seconds / 1e9;
        println!(
            "{name:<8} mean {:9.1} us {:6.2} GB/s   best {:9.1} us {:6.2} GB/s",
            mean * 1e6,
            rate(mean),
            best * 1e6,
            rate(best)
        );
        cluster.free(1, 1, 1, place);
    }
}
