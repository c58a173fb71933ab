//! Bulk streams over real sockets.

use super::*;
use crate::sample::{authority, expect_worker, node, socket_pair, worker};
use crate::{accept_tls, connect_tls};
use std::net::{Ipv4Addr, Ipv6Addr};
use std::thread::scope;
use std::time::Duration;

const PATIENCE: Duration = Duration::from_secs(10);

#[test]
fn bytes_travel_both_ways_whatever_the_parts() {
    let own = node(&authority(), 1);
    let (first, second) = (worker(&own, 1), worker(&own, 2));
    let (dialling, dialled) = socket_pair();
    let sent: Vec<u8> = (0..3_000_000u32).map(|number| (number % 251) as u8).collect();
    scope(|scope| {
        scope.spawn(|| {
            let stream = accept_tls(dialled.into(), &second, expect_worker(1, 1), PATIENCE).expect("accepted");
            let mut stream = BulkStream::from_server(stream).expect("a stream");
            let mut received = vec![0; sent.len()];
            for part in received.chunks_mut(70_001) {
                stream.read_exact(part).expect("read");
            }
            stream.write_all(&received).expect("written");
            stream.flush().expect("flushed");
        });
        let stream = connect_tls(dialling.into(), &first, expect_worker(1, 2), PATIENCE).expect("connected");
        let mut stream = BulkStream::from_client(stream).expect("a stream");
        for part in sent.chunks(99_999) {
            stream.write_all(&part[..1]).expect("written");
            stream.write_all(&part[1..]).expect("written");
        }
        stream.flush().expect("flushed");
        let mut received = vec![0; sent.len()];
        stream.read_exact(&mut received).expect("read");
        assert!(received == sent, "what came back differs");
    });
}

#[test]
fn a_private_network_needs_no_pacing() {
    let (near, far) = socket_pair();
    // Not every system offers it, and not to every user.
    let is_offered = sockopt::set_tcp_congestion(&far, PLAIN_CONGESTION_CONTROL).is_ok();
    let before = sockopt::tcp_congestion(&near).expect("a name");
    choose_congestion_control(&near);
    let after = sockopt::tcp_congestion(&near).expect("a name");
    let is_replaced = before.starts_with(PACED) && is_offered;
    assert_eq!(after, if is_replaced { PLAIN_CONGESTION_CONTROL.to_owned() } else { before });
}

#[test]
fn private_addresses_are_known() {
    let v4 = |a, b, c, d| IpAddr::V4(Ipv4Addr::new(a, b, c, d));
    for near in [v4(10, 1, 2, 3), v4(172, 16, 0, 1), v4(192, 168, 1, 1), v4(127, 0, 0, 1), v4(100, 127, 0, 1)] {
        assert!(is_private(near), "{near}");
    }
    for far in [v4(8, 8, 8, 8), v4(172, 32, 0, 1), v4(100, 128, 0, 1), v4(100, 63, 0, 1)] {
        assert!(!is_private(far), "{far}");
    }
    let v6 = |text: &str| IpAddr::V6(text.parse::<Ipv6Addr>().expect("an address"));
    assert!(is_private(v6("fd00::1")) && is_private(v6("fe80::1")) && is_private(v6("::1")));
    assert!(is_private(v6("::ffff:10.0.0.1")) && !is_private(v6("::ffff:8.8.8.8")) && !is_private(v6("2600::1")));
}
