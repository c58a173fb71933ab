//! For the tests: a cluster's authority, ids, and two ends of TLS without a socket.

use crate::{Authority, Expected, Identity, NodeCertificate};
use rustls::{ClientConnection, ServerConnection};
use std::net::{TcpListener, TcpStream};
use std::time::{Duration, SystemTime};
use trygon_ids::{JobId, NodeId, WorkerId};

pub(crate) const HOUR: Duration = Duration::from_secs(3600);
pub(crate) const JOB: JobId = JobId::new([1, 0, 0, 7]);

pub(crate) fn now() -> SystemTime {
    SystemTime::now()
}

pub(crate) fn authority() -> Authority {
    Authority::create(now()).expect("an authority")
}

pub(crate) fn node_id(number: u8) -> NodeId {
    NodeId::new([number; NodeId::LEN])
}

/// Process `number` of node `node`.
pub(crate) fn worker_id(node: u8, number: u64) -> WorkerId {
    let mut bytes = [node; WorkerId::LEN];
    bytes[20..].copy_from_slice(&number.to_be_bytes());
    WorkerId::new(bytes)
}

pub(crate) fn node(authority: &Authority, number: u8) -> NodeCertificate {
    authority.issue_node(node_id(number), now(), HOUR).expect("a node's certificate")
}

pub(crate) fn worker(node: &NodeCertificate, number: u64) -> Identity {
    let id = worker_id(node.node().as_bytes()[0], number);
    Identity::new(&node.issue_process(id, JOB, now(), HOUR).expect("a process's certificate")).expect("an identity")
}

pub(crate) fn service(node: &NodeCertificate) -> Identity {
    Identity::new(&node.issue_service(now(), HOUR).expect("a daemon's certificate")).expect("an identity")
}

/// Whom a process named so expects.
pub(crate) fn expect_worker(node: u8, number: u64) -> Expected {
    Expected::Worker(worker_id(node, number), JOB)
}

/// How a handshake ended for the side that dialled and for the side that was dialled.
pub(crate) type Outcome = (Result<(), rustls::Error>, Result<(), rustls::Error>);

/// Carries bytes between two ends until nothing is left to say.
pub(crate) fn shake_hands(client: &mut ClientConnection, server: &mut ServerConnection) -> Outcome {
    let mut outcome = (Ok(()), Ok(()));
    loop {
        let mut moved = Vec::new();
        while client.wants_write() {
            client.write_tls(&mut moved).expect("memory takes all");
        }
        let mut is_quiet = moved.is_empty();
        feed(&moved, |bytes| server.read_tls(bytes));
        if outcome.1.is_ok() {
            outcome.1 = server.process_new_packets().map(drop);
        }
        moved.clear();
        while server.wants_write() {
            server.write_tls(&mut moved).expect("memory takes all");
        }
        is_quiet &= moved.is_empty();
        feed(&moved, |bytes| client.read_tls(bytes));
        if outcome.0.is_ok() {
            outcome.0 = client.process_new_packets().map(drop);
        }
        if is_quiet {
            return outcome;
        }
    }
}

fn feed(bytes: &[u8], mut read: impl FnMut(&mut &[u8]) -> std::io::Result<usize>) {
    let mut rest = bytes;
    while !rest.is_empty() && read(&mut rest).expect("room") > 0 {}
}

/// A handshake between two identities, each with its expectation.
pub(crate) fn meet(client: (&Identity, Expected), server: (&Identity, Expected)) -> Outcome {
    let mut dialling = client.0.connect(client.1).expect("a client");
    let mut dialled = server.0.accept(server.1).expect("a server");
    let outcome = shake_hands(&mut dialling, &mut dialled);
    assert!(outcome.0.is_err() || outcome.1.is_err() || !(dialling.is_handshaking() || dialled.is_handshaking()));
    outcome
}

/// Two connected sockets.
pub(crate) fn socket_pair() -> (TcpStream, TcpStream) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let dialling = TcpStream::connect(listener.local_addr().expect("bound")).expect("loopback");
    (dialling, listener.accept().expect("a connection").0)
}

/// A folder of its own, removed at the end.
pub(crate) struct Folder(std::path::PathBuf);

impl Folder {
    pub(crate) fn new() -> Self {
        static COUNT: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(0);
        let count = COUNT.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("trygon-rpc-{}-{count}", std::process::id()));
        std::fs::create_dir(&path).expect("a new folder");
        Self(path)
    }

    pub(crate) fn path(&self) -> &std::path::Path {
        &self.0
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
