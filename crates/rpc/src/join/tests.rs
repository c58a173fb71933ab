//! Joining over real sockets: who gets in, and what everybody else is told.

use super::messages::{Facts, Request, is_proven, proof};
use super::*;
use crate::key::ClusterKey;
use crate::preamble::Purpose;
use crate::sample::{HOUR, authority, expect_worker, meet, node, node_id, now, service, shake_hands, worker};
use crate::tls::{any_server_name, client_builder, finish_client, finish_server, server_builder};
use crate::{Authority, Bound, Expected, Incoming, Listener, NodeCertificate};
use prost::Message as _;
use rustls::{ClientConnection, ServerConnection};
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpListener};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};
use std::time::{Duration, Instant, SystemTime};

const PATIENCE: Duration = Duration::from_secs(10);

fn versions() -> Versions {
    Versions { trygon: "0.1.0".to_owned(), protocol: 1, python: "3.11.9".to_owned() }
}

fn terms<'a>(key: &'a ClusterKey, authority: &'a Authority, versions: &'a Versions, now: SystemTime) -> JoinTerms<'a> {
    JoinTerms { key, authority, versions, now, lifetime: HOUR, patience: PATIENCE }
}

/// A head: its authority and key, and a thread that serves every joining.
struct Head {
    authority: Arc<Authority>,
    key: ClusterKey,
    address: String,
    outcomes: Receiver<Result<Joined, ServeJoinError>>,
    _listener: Listener,
}

impl Head {
    fn start() -> Self {
        Self::start_with(now, |_| {})
    }

    /// A head whose clock is `clock`, and whose versions differ by `change`.
    fn start_with(clock: fn() -> SystemTime, change: fn(&mut Versions)) -> Self {
        let authority = Arc::new(Authority::create(clock()).expect("an authority"));
        let key = ClusterKey::generate(authority.fingerprint()).expect("a key");
        let mut own = versions();
        change(&mut own);
        let (sender, outcomes) = channel();
        let (serving_authority, serving_key) = (authority.clone(), key.clone());
        let bound = Bound::bind(&[SocketAddr::from(([127, 0, 0, 1], 0))]).expect("a port");
        let address = format!("127.0.0.1:{}", bound.port());
        let serve = move |incoming: Incoming| {
            assert_eq!(incoming.preamble.purpose, Purpose::Join);
            let outcome =
                serve_join(incoming.socket, &terms(&serving_key, &serving_authority, &own, clock()), |_| Ok(()));
            let _ = sender.send(outcome);
        };
        let listener = bound.start(serve).expect("a thread");
        Self { authority, key, address, outcomes, _listener: listener }
    }

    fn join(&self, key: &ClusterKey, own: &Versions) -> Result<NodeCertificate, JoinError> {
        join(&self.address, key, node_id(2), own, now(), PATIENCE)
    }

    fn outcome(&self) -> Result<Joined, ServeJoinError> {
        self.outcomes.recv_timeout(PATIENCE).expect("the head has served it")
    }
}

#[test]
fn who_has_the_key_becomes_a_node() {
    let head = Head::start();
    let joined = head.join(&head.key, &versions()).expect("it joins");
    assert_eq!(joined.node(), node_id(2));
    assert_eq!(head.outcome().expect("it has joined"), Joined { node: node_id(2), versions: versions() });
    let own = node(&head.authority, 1);
    let outcome = meet((&worker(&joined, 1), expect_worker(1, 1)), (&worker(&own, 1), expect_worker(2, 1)));
    assert_eq!(outcome, (Ok(()), Ok(())));
    let outcome = meet((&service(&joined), Expected::Node(node_id(1))), (&service(&own), Expected::Node(node_id(2))));
    assert_eq!(outcome, (Ok(()), Ok(())));
}

#[test]
fn the_host_may_be_a_name() {
    let head = Head::start();
    let address = head.address.replace("127.0.0.1", "localhost");
    assert!(join(&address, &head.key, node_id(2), &versions(), now(), PATIENCE).is_ok());
}

#[test]
fn the_head_may_refuse_an_id() {
    let authority = authority();
    let key = ClusterKey::generate(authority.fingerprint()).expect("a key");
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("bound").to_string();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut socket = listener.accept().expect("a connection").0;
            socket.read_exact(&mut [0; crate::Preamble::LEN]).expect("the preamble");
            let own = versions();
            let admit = |asking: &Joined| Err(format!("node {} is known already", asking.node));
            let refused = serve_join(socket.into(), &terms(&key, &authority, &own, now()), admit);
            assert!(matches!(refused, Err(ServeJoinError::NotAdmitted(_))));
        });
        let error = join(&address, &key, node_id(2), &versions(), now(), PATIENCE).expect_err("refused");
        let said = error.to_string();
        assert!(matches!(error, JoinError::Refused { .. }) && said.contains("02 is known already"), "{said}");
    });
}

#[test]
fn a_wrong_secret_is_refused_and_learns_nothing() {
    let head = Head::start();
    let wrong = ClusterKey::generate(head.authority.fingerprint()).expect("a key");
    let mut own = versions();
    own.protocol = 99;
    // The versions differ too, but who does not know the secret is not told.
    let error = head.join(&wrong, &own).expect_err("refused");
    assert!(matches!(error, JoinError::WrongKey { .. }), "{error}");
    assert!(!error.may_pass());
    assert!(error.to_string().contains("Copy the key file from the head again"), "{error}");
    assert!(matches!(head.outcome(), Err(ServeJoinError::WrongKey)));
}

#[test]
fn the_head_of_another_cluster_is_not_told_anything() {
    let head = Head::start();
    let other = ClusterKey::generate(authority().fingerprint()).expect("a key");
    let error = head.join(&other, &versions()).expect_err("another cluster");
    assert!(matches!(error, JoinError::OtherCluster { .. }), "{error}");
    assert!(error.to_string().contains("is of another cluster than the cluster key"), "{error}");
    assert!(matches!(head.outcome(), Err(ServeJoinError::Io(_))));
}

#[test]
fn versions_that_differ_are_named_on_both_sides() {
    type Change = fn(&mut Versions);
    let changes: [(Change, &str, &str); 3] = [
        (|own| own.trygon = "0.2.0".to_owned(), "Trygon 0.2.0 (protocol 1)", "Trygon 0.1.0 (protocol 1)"),
        (|own| own.protocol = 2, "(protocol 2)", "(protocol 1)"),
        (|own| own.python = "3.12.1".to_owned(), "with Python 3.12.1", "with Python 3.11.9"),
    ];
    for (change, heads, owns) in changes {
        let head = Head::start_with(now, change);
        let error = head.join(&head.key, &versions()).expect_err("refused").to_string();
        assert!(error.contains("the versions differ") && error.contains(heads) && error.contains(owns), "{error}");
        let logged = head.outcome().expect_err("refused").to_string();
        assert!(logged.contains(heads) && logged.contains(owns), "{logged}");
    }
    let head = Head::start_with(now, |own| own.python = "3.11.2".to_owned());
    assert!(head.join(&head.key, &versions()).is_ok(), "a patch of Python makes no difference");
}

#[test]
fn clocks_that_differ_are_named_on_both_sides() {
    // Beyond what the head's certificate bears, so that TLS notices; the difference is told from its times.
    let far: [fn() -> SystemTime; 2] = [|| now() + 3 * HOUR, || now() - 3 * HOUR];
    // Within that, so that the head notices.
    let near: [fn() -> SystemTime; 2] = [|| now() + HOUR * 2 / 3, || now() - HOUR * 2 / 3];
    for clock in far.into_iter().chain(near) {
        let head = Head::start_with(clock, |_| {});
        match head.join(&head.key, &versions()).expect_err("refused") {
            JoinError::Clock { head_s, own_s, .. } => {
                let at = crate::validity::unix_s(clock());
                assert!(head_s.abs_diff(at) < 60, "the head's clock is told as {head_s}, it is {at}");
                assert!(own_s.abs_diff(crate::validity::unix_s(now())) < 60);
            }
            error => panic!("{error}"),
        }
    }
    let head = Head::start_with(|| now() + HOUR / 4, |_| {});
    assert!(head.join(&head.key, &versions()).is_ok(), "a quarter of an hour is borne");
}

#[test]
fn what_is_no_head_is_said_to_be_none() {
    type Behave = fn(&mut std::net::TcpStream);
    let behaviours: [(Behave, &str); 2] = [
        (|socket| drop(socket.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n")), "it does not speak TLS"),
        (|socket| drop(socket.shutdown(std::net::Shutdown::Write)), "it closed the connection without an answer"),
    ];
    for (behave, says) in behaviours {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
        let address = listener.local_addr().expect("bound").to_string();
        let key = ClusterKey::generate([1; 32]).expect("a key");
        std::thread::scope(|scope| {
            scope.spawn(|| {
                let mut socket = listener.accept().expect("a connection").0;
                behave(&mut socket);
                // Everything is read, as closing with unread bytes would take back what was said.
                while matches!(socket.read(&mut [0; 4096]), Ok(count) if count > 0) {}
            });
            let error = join(&address, &key, node_id(2), &versions(), now(), PATIENCE).expect_err("no head");
            assert!(matches!(error, JoinError::NotAHead { .. }), "{error}");
            let said = error.to_string();
            assert!(said.contains(says) && said.contains("is not the head") && said.contains(&address), "{said}");
        });
    }
}

#[test]
fn nobody_and_silence_are_told_apart_and_may_pass() {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("bound").to_string();
    let key = ClusterKey::generate([1; 32]).expect("a key");
    let started = Instant::now();
    let error = join(&address, &key, node_id(2), &versions(), now(), PATIENCE / 20).expect_err("silence");
    assert!(matches!(error, JoinError::NoAnswer { .. }) && error.may_pass(), "{error}");
    assert!(started.elapsed() < PATIENCE / 2);
    drop(listener);
    let error = join(&address, &key, node_id(2), &versions(), now(), PATIENCE).expect_err("nobody");
    assert!(matches!(error, JoinError::Dial(_)) && error.may_pass(), "{error}");
    assert!(error.to_string().contains("trygon start --head"), "{error}");
}

#[test]
fn a_node_cannot_pose_as_the_head() {
    let authority = authority();
    let key = ClusterKey::generate(authority.fingerprint()).expect("a key");
    let bad = node(&authority, 1);
    let certificate = bad.issue_service(now(), HOUR).expect("a certificate");
    let mut chain = certificate.chain().to_vec();
    chain.push(authority.certificate().clone());
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("bound").to_string();
    std::thread::scope(|scope| {
        scope.spawn(|| {
            let mut socket = listener.accept().expect("a connection").0;
            socket.read_exact(&mut [0; crate::Preamble::LEN]).expect("the preamble");
            let resolver = crate::tls::certified(chain, &certificate).expect("it fits");
            let config = server_builder().expect("TLS").with_no_client_auth().with_cert_resolver(resolver);
            let mut server = ServerConnection::new(Arc::new(finish_server(config))).expect("a server");
            while server.is_handshaking() && server.complete_io(&mut socket).is_ok() {}
            assert!(server.is_handshaking(), "the machine accepted a node as head");
        });
        let error = join(&address, &key, node_id(2), &versions(), now(), PATIENCE).expect_err("no head");
        assert!(matches!(error, JoinError::Tls { .. }), "{error}");
    });
}

/// Two ends of one TLS connection, as at a joining.
fn connection(authority: &Authority) -> (ClientConnection, ServerConnection) {
    let service = authority.issue_control(now(), HOUR).expect("a certificate");
    let resolver = crate::tls::certified(service.chain().to_vec(), &service).expect("it fits");
    let config = server_builder().expect("TLS").with_no_client_auth().with_cert_resolver(resolver);
    let mut server = ServerConnection::new(Arc::new(finish_server(config))).expect("a server");
    let anchor = crate::verify::anchor(authority.certificate()).expect("an anchor");
    let verifier = crate::verify::Verifier::new(anchor, Expected::Control);
    let config = client_builder().expect("TLS").dangerous().with_custom_certificate_verifier(Arc::new(verifier));
    let config = finish_client(config.with_no_client_auth());
    let mut client = ClientConnection::new(Arc::new(config), any_server_name()).expect("a client");
    assert_eq!(shake_hands(&mut client, &mut server), (Ok(()), Ok(())));
    (client, server)
}

#[test]
fn a_proof_holds_for_its_connection_key_and_facts_only() {
    let authority = authority();
    let key = ClusterKey::generate(authority.fingerprint()).expect("a key");
    let (client, server) = connection(&authority);
    let facts = Facts { node: vec![1; 28], ..Facts::default() }.encode_to_vec();
    let made = proof(&client, &key, &facts).expect("a proof").as_ref().to_vec();
    let good = Request { facts: facts.clone(), proof: made.clone() };
    assert!(is_proven(&server, &key, &good).expect("checked"));
    let (_, other_server) = connection(&authority);
    assert!(!is_proven(&other_server, &key, &good).expect("checked"), "a proof was replayed");
    let other_key = ClusterKey::generate(authority.fingerprint()).expect("a key");
    assert!(!is_proven(&server, &other_key, &good).expect("checked"));
    let changed =
        Request { facts: Facts { node: vec![2; 28], ..Facts::default() }.encode_to_vec(), proof: made.clone() };
    assert!(!is_proven(&server, &key, &changed).expect("checked"));
    for proof in [Vec::new(), made[..31].to_vec(), vec![0; 32]] {
        assert!(!is_proven(&server, &key, &Request { facts: facts.clone(), proof }).expect("checked"));
    }
}

#[test]
fn messages_are_bounded() {
    let mut long = u32::MAX.to_le_bytes().to_vec();
    long.extend([0; 100]);
    let error = messages::receive::<Request>(&mut long.as_slice()).expect_err("too long").to_string();
    assert!(error.contains("at most"), "{error}");
    let mut sent = Vec::new();
    messages::send(&mut sent, &versions()).expect("memory takes all");
    assert_eq!(messages::receive::<Versions>(&mut sent.as_slice()).expect("read"), versions());
    assert!(messages::receive::<Versions>(&mut &sent[..sent.len() - 1]).is_err());
}

#[test]
fn odd_versions_do_not_reach_a_log_as_they_are() {
    let odd = Versions { trygon: format!("\x1b[2J\n{}", "9".repeat(500)), protocol: 1, python: String::new() };
    let shown = odd.describe();
    assert!(shown.len() < 120 && shown.chars().all(|sign| !sign.is_control()), "{shown}");
}
