//! Both ends of the socket.

use crate::options::{ControlCertificate, ControlOptions};
use crate::parent::{ControlSocket, FromControl, Report, ToControl, from_control, receive, send, to_control};
use prost::Message as _;
use std::io::{Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use trygon_ids::NodeId;

fn read(socket: &OwnedFd) -> (to_control::Body, Option<OwnedFd>) {
    let (packet, beside) = receive(socket.as_fd()).expect("a packet").expect("not the end");
    (ToControl::decode(packet.as_slice()).expect("a message").body.expect("a kind"), beside)
}

#[test]
fn options_connections_and_reports_arrive() {
    let (parent, child) = ControlSocket::pair().expect("sockets");
    let certificate =
        ControlCertificate { chain: vec![vec![1; 900]; 3], private_key: vec![2; 130], authority: vec![3; 500] };
    let options =
        ControlOptions { storage: "memory:".to_owned(), certificate: Some(certificate), ..Default::default() };
    parent.start(options.clone()).expect("room");
    let (mut ours, theirs) = UnixStream::pair().expect("sockets");
    let node = NodeId::new([7; 28]);
    parent.pass(node, &theirs.into()).expect("room");
    assert_eq!(read(&child).0, to_control::Body::Start(options));
    let (body, beside) = read(&child);
    assert_eq!(body, to_control::Body::Node(node.as_bytes().to_vec()));
    let mut passed = UnixStream::from(beside.expect("a connection"));
    ours.write_all(b"hello").expect("open");
    let mut heard = [0; 5];
    passed.read_exact(&mut heard).expect("open");
    assert_eq!(&heard, b"hello");
    drop(passed);
    assert_eq!(ours.read(&mut heard).expect("its end"), 0, "nobody else holds it");

    assert_eq!(parent.receive().expect("nothing wrong"), None);
    let note = FromControl { body: Some(from_control::Body::Note("a line".to_owned())) };
    send(child.as_fd(), &note.encode_to_vec(), None).expect("room");
    assert_eq!(parent.receive().expect("a report"), Some(Report::Note("a line".to_owned())));
    drop(child);
    assert_eq!(parent.receive().expect("an end"), Some(Report::Ended));
    assert!(parent.pass(node, &ours.into()).is_err(), "nobody takes it");
}

#[test]
fn what_it_said_before_it_ended_arrives_although_it_left_things_unread() {
    let (parent, child) = ControlSocket::pair().expect("sockets");
    let (ours, _theirs) = UnixStream::pair().expect("sockets");
    parent.pass(NodeId::new([7; 28]), &ours.into()).expect("room");
    let note = FromControl { body: Some(from_control::Body::Note("why".to_owned())) };
    send(child.as_fd(), &note.encode_to_vec(), None).expect("room");
    drop(child);
    assert_eq!(parent.receive().expect("a report"), Some(Report::Note("why".to_owned())));
    assert_eq!(parent.receive().expect("an end"), Some(Report::Ended));
}

#[test]
fn the_private_key_is_not_shown() {
    let certificate = ControlCertificate { private_key: b"secret".to_vec(), ..Default::default() };
    let options = ControlOptions { certificate: Some(certificate), ..Default::default() };
    assert!(!format!("{options:?}").contains("115"), "{options:?}");
}
