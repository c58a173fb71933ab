//! What comes to a node's port: by purpose.

use std::fs::File;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::fd::OwnedFd;
use std::time::{Duration, SystemTime};

use trygon_cluster::{Incoming, JoinDesk, Outgoing};
use trygon_ids::{JobId, WorkerId};
use trygon_rpc::{Authority, JoinError, NODE_LIFETIME, Preamble, Purpose, Versions};

use crate::common::{NO_HEAD, Node, bound, certificate, identity, introduce, node_id, quick};

fn accepted(node: &mut Node) -> (Preamble, OwnedFd) {
    node.wait_for("a connection", |incoming| match incoming {
        Incoming::Accepted { preamble, socket, .. } => Some((preamble, socket)),
        _ => None,
    })
}

#[test]
fn a_dialled_connection_comes_out_on_the_other_side_with_its_preamble() {
    let authority = Authority::create(SystemTime::now()).unwrap();
    let mut dialling = Node::start(&authority, 1, NO_HEAD, quick());
    let mut dialled = Node::start(&authority, 2, NO_HEAD, quick());
    let preamble = Preamble::between_processes(WorkerId::new([2; 28]), WorkerId::new([1; 28]), 77, JobId::new([3; 4]));
    dialling.network.send(Outgoing::Dial { token: 5, address: dialled.address(), preamble });
    let socket = dialling.wait_for("the connection", |incoming| match incoming {
        Incoming::Dialed { token: 5, result } => Some(result.unwrap()),
        _ => None,
    });
    let (arrived, other) = accepted(&mut dialled);
    assert_eq!(arrived, preamble);
    File::from(socket).write_all(b"TLS comes here").unwrap();
    let mut text = [0; 14];
    File::from(other).read_exact(&mut text).unwrap();
    assert_eq!(&text, b"TLS comes here");
}

#[test]
fn dialling_where_nobody_listens_is_an_error() {
    let authority = Authority::create(SystemTime::now()).unwrap();
    let mut node = Node::start(&authority, 1, NO_HEAD, quick());
    let preamble = Preamble::between_nodes(Purpose::Object, node_id(2), node_id(1), 0);
    node.network.send(Outgoing::Dial { token: 6, address: NO_HEAD.to_owned(), preamble });
    let error = node.wait_for("the answer", |incoming| match incoming {
        Incoming::Dialed { token: 6, result } => Some(result.unwrap_err()),
        _ => None,
    });
    assert_eq!(error.kind(), std::io::ErrorKind::ConnectionRefused);
}

#[test]
fn an_unknown_purpose_and_another_protocol_are_dropped() {
    let authority = Authority::create(SystemTime::now()).unwrap();
    let mut node = Node::start(&authority, 1, NO_HEAD, quick());
    let mut unknown = Preamble::between_nodes(Purpose::Object, node_id(1), node_id(2), 0).to_bytes();
    unknown[10] = 99;
    for bytes in [&unknown[..], b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n"] {
        let mut stream = TcpStream::connect(node.address()).unwrap();
        stream.set_read_timeout(Some(Duration::from_secs(10))).unwrap();
        stream.write_all(bytes).unwrap();
        let mut answer = Vec::new();
        // A reset is as good as an end: nothing was said.
        let _ = stream.read_to_end(&mut answer);
        assert!(answer.is_empty());
    }
    assert!(!node.drain().iter().any(|incoming| matches!(incoming, Incoming::Accepted { .. })));
}

#[test]
fn bytes_of_objects_travel_over_tls() {
    let authority = Authority::create(SystemTime::now()).unwrap();
    let asking = Node::start(&authority, 1, NO_HEAD, quick());
    let mut serving = Node::start(&authority, 2, NO_HEAD, quick());
    introduce(&[&asking, &serving]);
    let (streams, id) = (asking.network.object_streams(), serving.id);
    assert_eq!(streams.connect(node_id(9)).map(drop).unwrap_err().kind(), std::io::ErrorKind::NotFound);
    // When this has arrived, the addresses are known.
    asking.tell(id, 1);
    serving.next_number();
    let fetching = std::thread::spawn(move || {
        let mut stream = streams.connect(id).unwrap();
        stream.write_all(b"all of it").unwrap();
        let mut bytes = vec![0; 8 << 20];
        stream.read_exact(&mut bytes).unwrap();
        bytes
    });
    let payload: Vec<u8> = (0..8 << 20).map(|index: u32| (index.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    let (preamble, socket) = accepted(&mut serving);
    assert_eq!(preamble.purpose, Purpose::Object);
    let (node, mut stream) = serving.network.object_streams().accept(&preamble, socket).unwrap();
    assert_eq!(node, asking.id);
    let mut request = [0; 9];
    stream.read_exact(&mut request).unwrap();
    stream.write_all(&payload).unwrap();
    assert!(fetching.join().unwrap() == payload);
}

fn versions() -> Versions {
    Versions { trygon: "0.1.0".to_owned(), protocol: 1, python: "3.11.9".to_owned() }
}

#[test]
fn a_machine_with_the_key_joins_and_is_heard() {
    let folder = std::env::temp_dir().join(format!("trygon-join-{}", std::process::id()));
    let now = SystemTime::now();
    let (authority, key) = Authority::open_or_create(&folder, now).unwrap();
    let own = identity(&certificate(&authority, node_id(1)));
    let desk_key = trygon_rpc::ClusterKey::from_file(&folder.join("cluster.key")).unwrap();
    let desk = JoinDesk { authority, key: desk_key, versions: versions(), lifetime: NODE_LIFETIME };
    let mut head_node = Node::start_with(own, 1, NO_HEAD, Some(desk), quick());
    let patience = Duration::from_secs(10);
    let joined = trygon_rpc::join(&head_node.address(), &key, node_id(2), &versions(), now, patience).unwrap();
    let who = head_node.wait_for("the news", |incoming| match incoming {
        Incoming::Joined(joined) => Some(joined.unwrap()),
        _ => None,
    });
    assert_eq!(who.node, node_id(2));
    let newcomer = Node::start_with(identity(&joined), 2, NO_HEAD, None, quick());
    introduce(&[&head_node, &newcomer]);
    newcomer.tell(head_node.id, 4);
    assert_eq!(head_node.next_number(), (newcomer.id, 4));
    let older = Versions { trygon: "0.0.9".to_owned(), ..versions() };
    let refused = trygon_rpc::join(&head_node.address(), &key, node_id(3), &older, now, patience);
    assert!(matches!(refused, Err(JoinError::Versions { .. })), "{refused:?}");
    // One that could speak for the processes of another node.
    let mut bytes = [2; 28];
    bytes[27] = 9;
    let twin = trygon_ids::NodeId::new(bytes);
    let refused = trygon_rpc::join(&head_node.address(), &key, twin, &versions(), now, patience).unwrap_err();
    assert!(refused.to_string().contains("begins as that of another node"), "{refused}");
    std::fs::remove_dir_all(&folder).unwrap();
}

/// Where no joining is possible the door stays shut without a word.
#[test]
fn only_the_head_lets_join() {
    let folder = std::env::temp_dir().join(format!("trygon-no-join-{}", std::process::id()));
    let now = SystemTime::now();
    let (authority, key) = Authority::open_or_create(&folder, now).unwrap();
    let node = Node::start(&authority, 1, NO_HEAD, quick());
    let refused =
        trygon_rpc::join(&node.address(), &key, node_id(2), &versions(), now, Duration::from_secs(10)).unwrap_err();
    assert!(!refused.to_string().is_empty());
    std::fs::remove_dir_all(&folder).unwrap();
}

#[test]
fn a_port_that_is_taken_is_said_before_anything_starts() {
    let first = bound();
    let address = std::net::SocketAddr::from((std::net::Ipv4Addr::LOCALHOST, first.port()));
    let error = trygon_rpc::Bound::bind(&[address]).unwrap_err().to_string();
    assert!(error.contains(&first.port().to_string()), "{error}");
}
