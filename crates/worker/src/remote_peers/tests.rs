//! Engines whose peers are on other machines: the daemon and the other end are sockets of the test.

use crate::link::Credentials;
use crate::link::tests::kit::{Cluster, JOB, LIMIT, PEER, Side, tcp_pair};
use crate::runtime::Runtime;
use rustix::fd::{AsFd, OwnedFd};
use rustix::net::{
    AddressFamily, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage, SendFlags, SocketFlags, SocketType, recv,
    sendmsg, socketpair,
};
use sha2::{Digest, Sha256};
use std::io::IoSlice;
use std::mem::MaybeUninit;
use std::sync::Arc;
use std::time::{Duration, Instant};
use trygon_ids::{FunctionHash, OwnerIncarnation, WorkerId};
use trygon_shm::{Recorder, create_recorder_descriptor};
use trygon_wire::control::{CertificateRenewed, ConnectPeer, Death, LogLines, PeerConnected, PeerDied, PeerLost};
use trygon_wire::control::{TLS_CLIENT, TLS_SERVER};
use trygon_wire::{FrameReader, Kind, Message, decode, encode, peer};
use trygon_worker_core::{Core, Identity, PeerIndex};

const HOUR: Duration = Duration::from_secs(3600);
const CONNECTION: u64 = 9;

/// An engine, and its daemon's end of the control socket.
struct Process {
    runtime: Arc<Runtime>,
    daemon: OwnedFd,
    reader: FrameReader,
    id: WorkerId,
}

impl Process {
    fn new(cluster: &Cluster, number: u64, certificate_of: u64) -> Self {
        let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
        let (daemon, control) = socketpair(AddressFamily::UNIX, SocketType::STREAM, flags, None).expect("sockets");
        let runtime = Arc::new(Runtime::new(control).expect("a runtime"));
        let id = cluster.worker(number);
        let identity = Identity { job: JOB, worker: id, incarnation: OwnerIncarnation::new([number as u8; 12]) };
        runtime.lock().core = Core::new(identity);
        let this = Self { runtime, daemon, reader: FrameReader::new(), id };
        let certificate = Some(cluster.certificate(cluster.worker(certificate_of), JOB, HOUR));
        this.tell(Kind::CertificateRenewed, &CertificateRenewed { certificate }, None);
        this
    }

    /// The daemon says something.
    fn tell(&self, kind: Kind, message: &impl Message, descriptor: Option<&OwnedFd>) {
        let frame = encode(kind, message);
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut ancillary = SendAncillaryBuffer::new(&mut space);
        let descriptors: Vec<_> = descriptor.iter().map(|descriptor| descriptor.as_fd()).collect();
        if !descriptors.is_empty() {
            assert!(ancillary.push(SendAncillaryMessage::ScmRights(&descriptors)));
        }
        let sent = sendmsg(&self.daemon, &[IoSlice::new(&frame)], &mut ancillary, SendFlags::empty());
        assert_eq!(sent, Ok(frame.len()));
    }

    fn connect(&self, other: WorkerId, socket: &OwnedFd, tls: u32) {
        let message = PeerConnected {
            worker_id: other.as_bytes().to_vec(),
            incarnation: vec![1; 12],
            connection: CONNECTION,
            tls,
            ..PeerConnected::default()
        };
        self.tell(Kind::PeerConnected, &message, Some(socket));
        self.poll();
    }

    fn poll(&self) {
        self.runtime.poll_sockets(Some(Duration::ZERO));
        let mut engine = self.runtime.lock();
        engine.look_after_remotes();
        engine.settle_and_flush();
    }

    /// The frames of one kind that the daemon got.
    fn heard<M: Message + Default>(&mut self, wanted: Kind) -> Vec<M> {
        let mut bytes = vec![0; 1 << 16];
        while let Ok((count, _)) = recv(&self.daemon, &mut bytes[..], RecvFlags::DONTWAIT) {
            assert!(count > 0);
            self.reader.push(&bytes[..count]);
        }
        let mut messages = Vec::new();
        while let Some((header, body)) = self.reader.next_frame().expect("frames") {
            if header.kind == wanted {
                messages.push(decode(body).expect("a message"));
            }
        }
        messages
    }

    /// Whether a function's body came from the other process.
    fn has(&self, body: &[u8]) -> bool {
        self.runtime.lock().known_body(&FunctionHash::new(Sha256::digest(body).into())).is_some()
    }

    fn is_dead(&self, other: WorkerId) -> bool {
        self.runtime.lock().dead.contains(&other)
    }

    fn poll_until(&self, mut is_done: impl FnMut() -> bool) {
        let began = Instant::now();
        while !is_done() {
            assert!(began.elapsed() < LIMIT, "nothing comes of it");
            self.poll();
            std::thread::sleep(Duration::from_micros(200));
        }
    }
}

fn body_frame(body: &[u8]) -> Vec<u8> {
    let hash = Sha256::digest(body).to_vec();
    encode(Kind::FunctionBody, &peer::FunctionBody { hash, body: body.to_vec() })
}

fn death(worker: WorkerId, kind: &str) -> PeerDied {
    let death = Death { kind: kind.to_owned(), message: "It was ended by signal 9.".to_owned(), ..Death::default() };
    PeerDied { worker_id: worker.as_bytes().to_vec(), death: Some(death), ..PeerDied::default() }
}

#[test]
fn two_processes_of_different_machines_talk() {
    let cluster = Cluster::new(1);
    let (mut one, mut two) = (Process::new(&cluster, 1, 1), Process::new(&cluster, 2, 2));
    let (dialled, accepted) = tcp_pair();
    let body = b"a function's body".to_vec();
    let hash = FunctionHash::new(Sha256::digest(&body).into());
    two.runtime.lock().exported.insert(hash, body.clone().into());
    one.connect(two.id, &dialled, TLS_CLIENT);
    two.connect(one.id, &accepted, TLS_SERVER);
    drop((dialled, accepted));
    let fetch = peer::FunctionFetch { hash: hash.as_bytes().to_vec() };
    one.runtime.lock().links.send(PEER, Kind::FunctionFetch, &fetch);
    one.poll_until(|| {
        two.poll();
        one.has(&body)
    });
    assert_eq!((one.heard::<PeerLost>(Kind::PeerLost), two.heard::<PeerLost>(Kind::PeerLost)), (vec![], vec![]));
    two.runtime.lock().let_go();
    one.poll_until(|| !one.runtime.lock().links.peer(PEER).is_open());
    one.poll();
    let lost = one.heard::<PeerLost>(Kind::PeerLost);
    assert_eq!(lost.len(), 1);
    assert_eq!((lost[0].worker_id.as_slice(), lost[0].connection), (two.id.as_bytes().as_slice(), CONNECTION));
}

#[test]
fn the_daemon_hears_of_a_peer_that_is_not_who_it_should_be() {
    let cluster = Cluster::new(1);
    let (mut one, two) = (Process::new(&cluster, 1, 1), Process::new(&cluster, 2, 3));
    let (dialled, accepted) = tcp_pair();
    one.connect(two.id, &dialled, TLS_CLIENT);
    two.connect(one.id, &accepted, TLS_SERVER);
    one.poll_until(|| {
        two.poll();
        !one.runtime.lock().links.peer(PEER).is_open()
    });
    one.poll();
    let lost = one.heard::<PeerLost>(Kind::PeerLost);
    assert!(lost.len() == 1 && lost[0].reason.contains("expected"), "{lost:?}");
    // The daemon ends it as it ends a dead one.
    one.tell(Kind::PeerDied, &death(two.id, "unknown"), None);
    one.poll();
    assert!(one.is_dead(two.id));
    // A side of TLS that there is not is no reason to fall over.
    let three = cluster.worker(3);
    one.connect(three, &accepted, 7);
    one.poll();
    assert!(one.heard::<PeerLost>(Kind::PeerLost)[0].reason.contains("unknown side"));
}

/// A peer of an engine, as the test plays it.
fn remote_end(cluster: &Cluster, process: &Process) -> (Side, WorkerId) {
    let id = cluster.worker(50);
    let mut credentials = Credentials::default();
    credentials.renew(cluster.certificate(id, JOB, HOUR));
    let (dialled, accepted) = tcp_pair();
    process.connect(id, &dialled, TLS_CLIENT);
    let mut side = Side::connected(accepted, TLS_SERVER, &mut credentials, process.id, LIMIT);
    process.poll_until(|| {
        side.turn(Duration::ZERO);
        side.is_known() && process.runtime.lock().links.may_bring_more(PEER)
    });
    (side, id)
}

#[test]
fn a_death_waits_for_what_the_dead_one_wrote() {
    let cluster = Cluster::new(1);
    let process = Process::new(&cluster, 1, 1);
    let (mut side, id) = remote_end(&cluster, &process);
    process.tell(Kind::PeerDied, &death(id, "signal"), None);
    let later = LogLines { name: "later".to_owned(), lines: vec!["a line".to_owned()], ..LogLines::default() };
    process.tell(Kind::LogLines, &later, None);
    process.poll();
    assert!(!process.is_dead(id), "more may come");
    assert!(process.runtime.lock().logs.is_empty(), "what the daemon said after it waits too");
    side.links.send_bytes(PEER, &body_frame(b"last words"));
    side.links.flush();
    process.poll_until(|| process.has(b"last words"));
    assert!(!process.is_dead(id));
    side.links.close(PEER);
    process.poll_until(|| process.is_dead(id));
    assert_eq!(process.runtime.lock().logs.len(), 1);
    assert!(!process.runtime.lock().links.peer(PEER).is_open());
}

#[test]
fn a_death_does_not_wait_for_ever_nor_for_a_machine_that_is_gone() {
    let cluster = Cluster::new(1);
    let process = Process::new(&cluster, 1, 1);
    let (_side, id) = remote_end(&cluster, &process);
    process.tell(Kind::PeerDied, &death(id, "signal"), None);
    let began = Instant::now();
    process.poll_until(|| process.is_dead(id));
    assert!(began.elapsed() >= Duration::from_millis(900), "{:?}", began.elapsed());

    let process = Process::new(&cluster, 2, 2);
    let (_side, id) = remote_end(&cluster, &process);
    process.tell(Kind::PeerDied, &death(id, "node"), None);
    process.poll();
    assert!(process.is_dead(id), "nothing more can come");
}

/// OWN-8: the kernel may forget what it took for another machine when the process ends, so the recorder keeps it until that machine has it.
#[test]
fn replies_stay_in_the_recorder_until_the_other_machine_has_them() {
    let cluster = Cluster::new(1);
    let process = Process::new(&cluster, 1, 1);
    let recorder = create_recorder_descriptor().expect("a recorder");
    process.runtime.lock().links.recorder = Some(Recorder::new(recorder.as_fd()).expect("a mapped recorder"));
    let (mut side, _) = remote_end(&cluster, &process);
    let staged = || process.runtime.lock().links.recorder.as_ref().map(Recorder::staged_bytes);
    // More than the other side's window takes while nobody reads there, less than this side's kernel takes.
    let frame = body_frame(&[5; 1000]);
    let mut sent = 0;
    loop {
        let mut engine = process.runtime.lock();
        engine.links.send_bytes(PEER, &frame);
        engine.stage_last(PEER, frame.len());
        sent += 1;
        engine.settle_and_flush();
        assert!(engine.links.peer(PEER).is_written(), "the test wants the kernel to have it all");
        if engine.links.recorder.as_ref().is_some_and(|recorder| recorder.staged_bytes() > 100_000) {
            break;
        }
        assert!(sent < 10_000, "the other side's machine takes it all");
    }
    assert!(process.runtime.lock().links.replies_are_written(), "the worker may go on");
    assert!(process.runtime.lock().links.recorder.as_ref().is_some_and(|recorder| recorder.staged_bytes() > 100_000));
    process.poll();
    assert!(staged().is_some_and(|bytes| bytes > 100_000), "the other machine does not have it yet");
    process.poll_until(|| {
        side.turn(Duration::ZERO);
        staged() == Some(0) && side.frames == sent
    });
}

#[test]
fn a_process_whose_connection_broke_may_be_connected_with_again() {
    let cluster = Cluster::new(1);
    let mut process = Process::new(&cluster, 1, 1);
    let (mut side, id) = remote_end(&cluster, &process);
    side.links.close(PEER);
    process.poll_until(|| !process.runtime.lock().links.peer(PEER).is_open());
    process.poll();
    assert_eq!(process.heard::<PeerLost>(Kind::PeerLost).len(), 1);
    process.tell(Kind::PeerDied, &death(id, "connection"), None);
    process.poll();
    assert!(!process.is_dead(id) && !process.runtime.lock().peer_of.contains_key(&id));
    process.runtime.lock().send_to(id, Kind::ObjectQuery, &peer::ObjectQuery { object_id: vec![1; 28] });
    process.poll();
    assert_eq!(process.heard::<ConnectPeer>(Kind::ConnectPeer).len(), 1, "it is asked for again");
}

#[test]
fn a_newer_certificate_serves_new_connections() {
    let cluster = Cluster::new(1);
    // The first one is somebody else's.
    let (mut one, two) = (Process::new(&cluster, 1, 9), Process::new(&cluster, 2, 2));
    let certificate = Some(cluster.certificate(one.id, JOB, HOUR));
    one.tell(Kind::CertificateRenewed, &CertificateRenewed { certificate }, None);
    let (dialled, accepted) = tcp_pair();
    one.connect(two.id, &dialled, TLS_CLIENT);
    two.connect(one.id, &accepted, TLS_SERVER);
    one.poll_until(|| {
        two.poll();
        let is_known = |process: &Process| process.runtime.lock().links.may_bring_more(PeerIndex(0));
        is_known(&one) && is_known(&two)
    });
    assert_eq!(one.heard::<PeerLost>(Kind::PeerLost), []);
}
