//! Blocking TLS over real sockets: bytes, refusals and deadlines.

use super::*;
use crate::sample::{authority, expect_worker, node, socket_pair, worker};
use std::thread::scope;

const PATIENCE: Duration = Duration::from_secs(10);

/// The rustls error inside of an I/O error, as a sentence.
fn said(error: &Error) -> String {
    let cause = error.get_ref().and_then(|cause| cause.downcast_ref::<rustls::Error>());
    cause.map_or_else(|| error.to_string(), crate::explain)
}

#[test]
fn bytes_travel_both_ways() {
    let own = node(&authority(), 1);
    let (first, second) = (worker(&own, 1), worker(&own, 2));
    let (dialling, dialled) = socket_pair();
    let sent: Vec<u8> = (0..3_000_000u32).map(|number| (number % 251) as u8).collect();
    scope(|scope| {
        scope.spawn(|| {
            let mut stream = accept_tls(dialled.into(), &second, expect_worker(1, 1), PATIENCE).expect("accepted");
            let mut received = vec![0; sent.len()];
            stream.read_exact(&mut received).expect("read");
            stream.write_all(&received).expect("written");
            stream.flush().expect("flushed");
        });
        let mut stream = connect_tls(dialling.into(), &first, expect_worker(1, 2), PATIENCE).expect("connected");
        stream.write_all(&sent).expect("written");
        stream.flush().expect("flushed");
        let mut received = vec![0; sent.len()];
        stream.read_exact(&mut received).expect("read");
        assert!(received == sent, "what came back differs");
    });
}

#[test]
fn a_refused_client_hears_it_at_its_first_read() {
    let own = node(&authority(), 1);
    let (first, second) = (worker(&own, 1), worker(&own, 2));
    let (dialling, dialled) = socket_pair();
    scope(|scope| {
        scope.spawn(|| {
            let error = accept_tls(dialled.into(), &second, expect_worker(1, 9), PATIENCE).expect_err("another name");
            assert!(said(&error).contains("but the other side is process"), "{error}");
        });
        let mut stream = connect_tls(dialling.into(), &first, expect_worker(1, 2), PATIENCE).expect("connected");
        let error = stream.read(&mut [0; 1]).expect_err("refused");
        assert!(said(&error).contains("it expected somebody else"), "{error}");
    });
}

#[test]
fn a_silent_or_slow_other_side_meets_the_deadline() {
    let own = node(&authority(), 1);
    let identity = worker(&own, 1);
    let (mut dialling, dialled) = socket_pair();
    let started = Instant::now();
    scope(|scope| {
        scope.spawn(|| {
            // The header of a record and then a byte now and then: each read succeeds, the handshake never ends.
            let _ = dialling.write_all(&[22, 3, 1, 0x3f, 0, 1]);
            while dialling.write_all(&[0]).is_ok() && started.elapsed() < PATIENCE {
                std::thread::sleep(Duration::from_millis(30));
            }
        });
        let error = accept_tls(dialled.into(), &identity, expect_worker(1, 2), Duration::from_millis(300));
        let error = error.expect_err("too slow");
        assert!(started.elapsed() < Duration::from_secs(5), "{error} after {:?}", started.elapsed());
    });
}

#[test]
fn a_plain_other_side_is_refused() {
    let own = node(&authority(), 1);
    let identity = worker(&own, 1);
    for plain in [&b"GET / HTTP/1.1\r\n\r\n"[..], b"\0\0\0\0\0\0\0\0\0\0\0\0"] {
        let (mut dialling, dialled) = socket_pair();
        dialling.write_all(plain).expect("written");
        let error = accept_tls(dialled.into(), &identity, expect_worker(1, 2), PATIENCE).expect_err("plain");
        assert!(said(&error).contains("does not speak TLS"), "{error}");
    }
}

#[test]
fn the_deadline_is_lifted_after_the_handshake() {
    let own = node(&authority(), 1);
    let (first, second) = (worker(&own, 1), worker(&own, 2));
    let (dialling, dialled) = socket_pair();
    let patience = Duration::from_millis(500);
    scope(|scope| {
        scope.spawn(|| {
            let mut stream = accept_tls(dialled.into(), &second, expect_worker(1, 1), PATIENCE).expect("accepted");
            std::thread::sleep(patience * 2);
            stream.write_all(b"late").expect("written");
        });
        let mut stream = connect_tls(dialling.into(), &first, expect_worker(1, 2), patience).expect("connected");
        let mut late = [0; 4];
        stream.read_exact(&mut late).expect("no deadline");
        assert_eq!(&late, b"late");
    });
}
