//! The listener over real sockets: what passes, what is dropped, and that nothing is ever answered.

use super::*;
use crate::dial::dial;
use crate::preamble::Purpose;
use crate::sample::node_id;
use rustix::net::sockopt;
use std::io::{ErrorKind, Read, Write};
use std::net::IpAddr;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};

const SOON: Duration = Duration::from_secs(5);
const QUICK: Limits = Limits { patience: Duration::from_millis(400), max_half_open: 64 };

fn preamble(purpose: Purpose, connection: u64) -> Preamble {
    Preamble::between_nodes(purpose, node_id(1), node_id(2), connection)
}

/// A listener, its address, and what passes it.
fn listen(limits: Limits) -> (Listener, SocketAddr, Receiver<Incoming>) {
    let bound = Bound::bind(&[local(0)]).expect("a port");
    let (sender, receiver) = channel();
    let listener = bound.start_within(limits, move |incoming| drop(sender.send(incoming))).expect("a thread");
    let address = local(listener.port());
    (listener, address, receiver)
}

fn local(port: u16) -> SocketAddr {
    SocketAddr::from(([127, 0, 0, 1], port))
}

/// Asserts that the listener ends this connection without having said anything.
fn assert_dropped_silently(mut socket: TcpStream) {
    socket.set_read_timeout(Some(SOON)).expect("set");
    match socket.read(&mut [0; 16]) {
        Ok(0) => {}
        Err(error) if error.kind() == ErrorKind::ConnectionReset => {}
        other => panic!("the listener was to end the connection, and gave {other:?}"),
    }
}

#[test]
fn a_preamble_passes_and_the_next_bytes_stay() {
    let (_listener, address, passed) = listen(LIMITS);
    let sent = preamble(Purpose::Peer, 42);
    let mut socket = TcpStream::from(dial(address, &sent, SOON).expect("a connection"));
    socket.write_all(b"tls").expect("written");
    let incoming = passed.recv_timeout(SOON).expect("it passes");
    assert_eq!(incoming.preamble, sent);
    assert_eq!(incoming.peer_address, socket.local_addr().expect("bound"));
    assert!(sockopt::tcp_nodelay(&incoming.socket).expect("asked"));
    assert!(sockopt::socket_keepalive(&incoming.socket).expect("asked"));
    let mut accepted = TcpStream::from(incoming.socket);
    let mut rest = [0; 3];
    // A socket that does not block would fail here now and then.
    accepted.read_exact(&mut rest).expect("the bytes after the preamble");
    assert_eq!(&rest, b"tls");
}

#[test]
fn garbage_is_dropped_at_its_first_byte() {
    let (_listener, address, passed) = listen(LIMITS);
    for garbage in [&b"G"[..], b"\x16\x03\x01", b"TRYGON\0\x02", &[0; 80]] {
        let mut socket = TcpStream::connect(address).expect("a connection");
        socket.write_all(garbage).expect("written");
        let started = Instant::now();
        assert_dropped_silently(socket);
        assert!(started.elapsed() < LIMITS.patience / 2, "garbage was waited for");
    }
    let mut unknown_purpose = preamble(Purpose::Node, 1).to_bytes();
    unknown_purpose[10] = 77;
    let mut other_version = preamble(Purpose::Node, 1);
    other_version.version += 1;
    for bytes in [unknown_purpose, other_version.to_bytes()] {
        let mut socket = TcpStream::connect(address).expect("a connection");
        socket.write_all(&bytes).expect("written");
        assert_dropped_silently(socket);
    }
    assert!(passed.try_recv().is_err());
}

#[test]
fn another_version_may_ask_to_join() {
    let (_listener, address, passed) = listen(LIMITS);
    let mut sent = preamble(Purpose::Join, 1);
    sent.version = 7;
    let _socket = dial(address, &sent, SOON).expect("a connection");
    assert_eq!(passed.recv_timeout(SOON).expect("it passes").preamble, sent);
}

#[test]
fn a_slow_trickle_is_dropped_at_the_deadline_of_all_of_it() {
    let (_listener, address, passed) = listen(QUICK);
    let mut socket = TcpStream::connect(address).expect("a connection");
    socket.set_nodelay(true).expect("set");
    let started = Instant::now();
    // 80 bytes, each well inside of the patience, all of them beyond it.
    for byte in preamble(Purpose::Node, 1).to_bytes() {
        if socket.write_all(&[byte]).is_err() {
            break;
        }
        std::thread::sleep(QUICK.patience / 40);
    }
    assert!(started.elapsed() > QUICK.patience);
    assert_dropped_silently(socket);
    assert!(passed.try_recv().is_err());
}

#[test]
fn silence_is_dropped_at_the_deadline() {
    let (_listener, address, _passed) = listen(QUICK);
    let started = Instant::now();
    assert_dropped_silently(TcpStream::connect(address).expect("a connection"));
    assert!(started.elapsed() >= QUICK.patience - Duration::from_millis(50), "{:?}", started.elapsed());
}

#[test]
fn a_preamble_in_pieces_passes() {
    let (_listener, address, passed) = listen(LIMITS);
    let sent = preamble(Purpose::Object, 3);
    let mut socket = TcpStream::connect(address).expect("a connection");
    socket.set_nodelay(true).expect("set");
    for piece in sent.to_bytes().chunks(7) {
        socket.write_all(piece).expect("written");
        std::thread::sleep(Duration::from_millis(2));
    }
    assert_eq!(passed.recv_timeout(SOON).expect("it passes").preamble, sent);
}

#[test]
fn two_hundred_half_open_connections_do_not_hold_up_a_good_one() {
    let (_listener, address, passed) = listen(Limits { patience: SOON * 10, ..LIMITS });
    let silent: Vec<_> = (0..200)
        .map(|number| {
            let mut socket = TcpStream::connect(address).expect("a connection");
            // Some begin well.
            if number % 2 == 0 {
                socket.write_all(b"TRYGON").expect("written");
            }
            socket
        })
        .collect();
    let started = Instant::now();
    let _socket = dial(address, &preamble(Purpose::Control, 9), SOON).expect("a connection");
    assert_eq!(passed.recv_timeout(SOON).expect("it passes").preamble.connection, 9);
    assert!(started.elapsed() < LIMITS.patience / 2, "{:?}", started.elapsed());
    // The oldest have given way; the newest are still there.
    let is_open = |socket: &TcpStream| {
        socket.set_nonblocking(true).expect("set");
        matches!((&mut &*socket).read(&mut [0; 1]), Err(error) if error.kind() == ErrorKind::WouldBlock)
    };
    let open = silent.iter().filter(|socket| is_open(socket)).count();
    assert_eq!(open, LIMITS.max_half_open);
    assert!(silent[136..].iter().all(is_open));
}

#[test]
fn many_good_ones_at_once_all_pass() {
    let (_listener, address, passed) = listen(Limits { max_half_open: 8, ..LIMITS });
    let _sockets: Vec<_> =
        (0..100).map(|number| dial(address, &preamble(Purpose::Node, number), SOON).expect("a connection")).collect();
    let mut numbers: Vec<_> =
        (0..100).map(|_| passed.recv_timeout(SOON).expect("it passes").preamble.connection).collect();
    numbers.sort_unstable();
    assert_eq!(numbers, (0..100).collect::<Vec<_>>());
}

#[test]
fn the_end_closes_port_and_half_open_connections() {
    let (listener, address, passed) = listen(LIMITS);
    let half_open = TcpStream::connect(address).expect("a connection");
    // The listener has seen it when a later one has passed.
    let _later = dial(address, &preamble(Purpose::Node, 1), SOON).expect("a connection");
    passed.recv_timeout(SOON).expect("it passes");
    drop(listener);
    assert_eq!(passed.recv_timeout(SOON).expect_err("the callback is gone"), RecvTimeoutError::Disconnected);
    assert_dropped_silently(half_open);
    assert!(TcpStream::connect(address).is_err());
    // At once, although connections of before still linger.
    assert!(Bound::bind(&[address]).is_ok());
}

#[test]
fn a_port_in_use_is_named() {
    let bound = Bound::bind(&[local(0)]).expect("a port");
    let error = Bound::bind(&[local(bound.port())]).expect_err("in use").to_string();
    assert!(error.contains(&format!("port {} is in use on 127.0.0.1", bound.port())), "{error}");
    assert!(error.contains("--port"), "{error}");
    let error = Bound::bind(&["192.0.2.1:0".parse().expect("an address")]).expect_err("not here").to_string();
    assert!(error.contains("192.0.2.1 is not an address of this machine"), "{error}");
    assert!(Bound::bind(&[]).is_err());
}

#[test]
fn all_addresses_get_one_port() {
    let addresses = ["127.0.0.1:0", "127.0.0.2:0"].map(|address| address.parse().expect("an address"));
    let (sender, passed) = channel();
    let bound = Bound::bind(&addresses).expect("a port");
    let listener =
        bound.start(move |incoming| assert!(sender.send(incoming.preamble.connection).is_ok())).expect("a thread");
    for (number, ip) in [[127, 0, 0, 1], [127, 0, 0, 2]].into_iter().enumerate() {
        let address = SocketAddr::from((ip, listener.port()));
        let _socket = dial(address, &preamble(Purpose::Node, number as u64), SOON).expect("a connection");
        assert_eq!(passed.recv_timeout(SOON), Ok(number as u64));
    }
}

#[test]
fn a_range_gives_its_first_free_port() {
    let ip = IpAddr::from([127, 0, 0, 1]);
    let taken = Bound::bind(&[local(0)]).expect("a port");
    let port = taken.port();
    let range = PortRange { first: port, last: port.saturating_add(50) };
    let bound = Bound::bind_in_range(&[ip], range).expect("a free one");
    assert!(bound.port() > port && bound.port() <= range.last);
    let only = PortRange { first: port, last: port };
    let error = Bound::bind_in_range(&[ip], only).expect_err("taken").to_string();
    assert!(error.contains(&format!("every port from {port} to {port} is in use")), "{error}");
}

#[test]
fn ranges_are_read() {
    assert_eq!(PortRange::parse("10002-19999"), Some(PortRange { first: 10002, last: 19999 }));
    assert_eq!(PortRange::parse("7000"), Some(PortRange { first: 7000, last: 7000 }));
    for wrong in ["", "-", "5-4", "0-10", "1-70000", "a-b", "1-2-3"] {
        assert_eq!(PortRange::parse(wrong), None, "{wrong}");
    }
}
