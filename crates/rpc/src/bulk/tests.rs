//! Bulk streams over real sockets.

use super::*;
use crate::sample::{authority, expect_worker, node, socket_pair, worker};
use crate::{accept_tls, connect_tls};
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
