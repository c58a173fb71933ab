//! Dialling writes the preamble and nothing else, and says what is wrong when it cannot.

use super::*;
use crate::preamble::Purpose;
use crate::sample::node_id;
use rustix::net::sockopt;
use std::io::Read as _;
use std::net::TcpListener;

const PATIENCE: Duration = Duration::from_secs(5);

fn preamble() -> Preamble {
    Preamble::between_nodes(Purpose::Node, node_id(1), node_id(2), 7)
}

#[test]
fn the_preamble_comes_first_and_the_socket_is_prepared() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("bound");
    let socket = dial(address, &preamble(), PATIENCE).expect("a connection");
    assert!(sockopt::tcp_nodelay(&socket).expect("asked"));
    assert!(sockopt::socket_keepalive(&socket).expect("asked"));
    assert_eq!(sockopt::socket_timeout(&socket, sockopt::Timeout::Recv).expect("asked"), None);
    assert_eq!(sockopt::socket_timeout(&socket, sockopt::Timeout::Send).expect("asked"), None);
    drop(socket);
    let mut bytes = Vec::new();
    listener.accept().expect("a connection").0.read_to_end(&mut bytes).expect("read");
    assert_eq!(bytes, preamble().to_bytes());
}

#[test]
fn nobody_there_is_said_with_the_address() {
    let closed = TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("bound");
    let error = dial_any(&closed.to_string(), &preamble(), PATIENCE).expect_err("nobody").to_string();
    assert!(error.contains(&format!("nobody answers at {closed}")) && error.contains("trygon start --head"), "{error}");
}

#[test]
fn no_answer_is_said_with_the_time() {
    // A queue of one that nobody empties: the kernel lets further connections wait.
    let socket =
        rustix::net::socket(rustix::net::AddressFamily::INET, rustix::net::SocketType::STREAM, None).expect("a socket");
    rustix::net::bind(&socket, &"127.0.0.1:0".parse::<SocketAddr>().expect("an address")).expect("bound");
    rustix::net::listen(&socket, 0).expect("listening");
    let listener = TcpListener::from(socket);
    let address = listener.local_addr().expect("bound");
    let _held: Vec<_> = (0..3).map(|_| TcpStream::connect_timeout(&address, Duration::from_millis(100))).collect();
    let started = Instant::now();
    let error = dial(address, &preamble(), Duration::from_millis(300)).expect_err("no answer").to_string();
    assert!(error.contains("within 0.3 s") && error.contains("firewall"), "{error}");
    assert!(started.elapsed() < Duration::from_secs(3));
}

#[test]
fn what_is_no_address_is_said() {
    for wrong in ["", "10.0.0.1", "10.0.0.1:port", ":"] {
        let error = dial_any(wrong, &preamble(), PATIENCE).expect_err("no address").to_string();
        assert!(error.contains("Give HOST:PORT"), "{error}");
    }
    assert_eq!(resolve("[::1]:6379").expect("an address"), ["[::1]:6379".parse().expect("an address")]);
}
