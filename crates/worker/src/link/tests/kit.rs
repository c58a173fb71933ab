//! Two ends of connections over real TCP sockets, with certificates of a real authority.

use crate::link::credentials::Credentials;
use crate::link::peer::Links;
use rustix::event::{Timespec, epoll};
use rustix::fd::OwnedFd;
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};
use trygon_ids::{JobId, NodeId, WorkerId};
use trygon_rpc::{Authority, NodeCertificate};
use trygon_wire::control::{Certificate, LeaseCancel, TLS_CLIENT, TLS_SERVER};
use trygon_wire::{Header, Kind, decode};
use trygon_worker_core::PeerIndex;

/// No test takes longer, on a machine that does much else.
pub(crate) const LIMIT: Duration = Duration::from_secs(60);
pub(crate) const JOB: JobId = JobId::new([7; 4]);

/// A cluster of one node, whose processes are numbered.
pub(crate) struct Cluster {
    node: NodeCertificate,
    id: NodeId,
}

impl Cluster {
    pub(crate) fn new(first: u8) -> Self {
        let authority = Authority::create(SystemTime::now()).expect("an authority");
        let id = NodeId::new([first; 28]);
        let day = Duration::from_secs(86_400);
        Self { node: authority.issue_node(id, SystemTime::now(), day).expect("a node's certificate"), id }
    }

    pub(crate) fn worker(&self, number: u64) -> WorkerId {
        let mut bytes = [0; 28];
        bytes[..20].copy_from_slice(&self.id.as_bytes()[..20]);
        bytes[20..].copy_from_slice(&number.to_be_bytes());
        WorkerId::new(bytes)
    }

    pub(crate) fn certificate(&self, worker: WorkerId, job: JobId, lifetime: Duration) -> Certificate {
        let made = self.node.issue_process(worker, job, SystemTime::now(), lifetime).expect("a certificate");
        Certificate {
            certificate_chain: made.chain().iter().map(|part| part.to_vec()).collect(),
            private_key: made.private_key_der().to_vec(),
            authority: made.authority().to_vec(),
        }
    }
}

/// Two connected sockets of the loopback interface.
pub(crate) fn tcp_pair() -> (OwnedFd, OwnedFd) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let dialled = TcpStream::connect(listener.local_addr().expect("an address")).expect("a connection");
    let (accepted, _) = listener.accept().expect("the other end");
    (dialled.into(), accepted.into())
}

/// One process's connections, polled as its engine does.
pub(crate) struct Side {
    pub(crate) links: Links,
    epoll: Arc<OwnedFd>,
    /// What the body of a large frame begins with.
    pattern: Vec<u8>,
    /// Frames that came, bytes in their bodies, and the last number.
    pub(crate) frames: u64,
    pub(crate) bytes: u64,
    pub(crate) last: u64,
    pub(crate) is_ordered: bool,
}

pub(crate) const PEER: PeerIndex = PeerIndex(0);

impl Side {
    pub(crate) fn new() -> Self {
        let epoll = Arc::new(epoll::create(epoll::CreateFlags::CLOEXEC).expect("a poller"));
        let links = Links::new(Arc::clone(&epoll), None);
        Self { links, epoll, pattern: Vec::new(), frames: 0, bytes: 0, last: 0, is_ordered: true }
    }

    /// With one connection, secured as `credentials` say.
    pub(crate) fn connected(
        socket: OwnedFd,
        side: u32,
        credentials: &mut Credentials,
        other: WorkerId,
        handshake_limit: Duration,
    ) -> Self {
        let mut this = Self::new();
        let tls = credentials.secure(side, other, JOB).expect("a side of TLS");
        let limit_ns = handshake_limit.as_nanos() as u64;
        assert_eq!(this.links.add_remote(other, 1, socket, tls, limit_ns), PEER);
        this.links.flush();
        this
    }

    /// Sends a small frame with a number.
    pub(crate) fn send(&mut self, number: u64) {
        self.links.send(PEER, Kind::LeaseCancel, &LeaseCancel { request_id: number });
    }

    /// Sends a frame of `len` bytes, each of which depends on its place.
    pub(crate) fn send_large(&mut self, len: usize) {
        grow(&mut self.pattern, len);
        self.links.send_bytes(PEER, &Header { body_len: len, kind: Kind::TaskPush, flags: 0 }.to_bytes());
        self.links.send_bytes(PEER, &self.pattern[..len]);
    }

    /// One round of the poller. True when something happened.
    pub(crate) fn turn(&mut self, limit: Duration) -> bool {
        let timeout = Timespec { tv_sec: limit.as_secs() as i64, tv_nsec: limit.subsec_nanos().into() };
        let mut buffer = [const { std::mem::MaybeUninit::<epoll::Event>::uninit() }; 8];
        let (events, _) = epoll::wait(&*self.epoll, &mut buffer, Some(&timeout)).expect("events");
        let happened = !events.is_empty();
        for event in events.iter() {
            let (data, flags) = (event.data, event.flags);
            let index = PeerIndex(data.u64() as u32);
            if flags.contains(epoll::EventFlags::OUT) {
                self.links.flush_peer(index);
            }
            if flags.intersects(epoll::EventFlags::IN | epoll::EventFlags::HUP | epoll::EventFlags::ERR) {
                self.links.receive(index);
                self.take_frames(index);
            }
        }
        self.links.flush();
        happened
    }

    fn take_frames(&mut self, index: PeerIndex) {
        while let Some((header, body)) = self.links.peer(index).reader.next_frame().expect("frames") {
            let (kind, body_len) = (header.kind, header.body_len);
            if kind == Kind::LeaseCancel {
                let number = decode::<LeaseCancel>(body).expect("a number").request_id;
                self.is_ordered &= number == self.last + 1;
                self.last = number;
            } else {
                grow(&mut self.pattern, body_len);
                self.is_ordered &= body == &self.pattern[..body_len];
            }
            self.frames += 1;
            self.bytes += body_len as u64;
        }
    }

    pub(crate) fn is_open(&mut self) -> bool {
        self.links.peer(PEER).is_open()
    }

    pub(crate) fn is_known(&mut self) -> bool {
        self.is_open() && self.links.may_bring_more(PEER)
    }

    /// Why the connection was lost.
    pub(crate) fn lost(&mut self) -> String {
        self.links.take_lost().map(|(_, reason)| reason).unwrap_or_default()
    }
}

fn grow(pattern: &mut Vec<u8>, len: usize) {
    pattern.extend((pattern.len()..len).map(|place| ((place * 31) >> 3) as u8));
}

/// Two processes of one cluster, connected; `through` may put something between them.
pub(crate) fn two_sides(through: impl FnOnce(OwnedFd, OwnedFd) -> (OwnedFd, OwnedFd)) -> (Side, Side) {
    let cluster = Cluster::new(1);
    let (left, right) = (cluster.worker(1), cluster.worker(2));
    let hour = Duration::from_secs(3600);
    let (mut left_credentials, mut right_credentials) = (Credentials::default(), Credentials::default());
    left_credentials.renew(cluster.certificate(left, JOB, hour));
    right_credentials.renew(cluster.certificate(right, JOB, hour));
    let (dialled, accepted) = tcp_pair();
    let (dialled, accepted) = through(dialled, accepted);
    (
        Side::connected(dialled, TLS_CLIENT, &mut left_credentials, right, LIMIT),
        Side::connected(accepted, TLS_SERVER, &mut right_credentials, left, LIMIT),
    )
}

/// Turns both sides until `is_done`, at most for [`LIMIT`].
pub(crate) fn turn_until(left: &mut Side, right: &mut Side, mut is_done: impl FnMut(&mut Side, &mut Side) -> bool) {
    let began = Instant::now();
    while !is_done(left, right) {
        assert!(began.elapsed() < LIMIT, "nothing comes of it: {} and {} frames came", left.frames, right.frames);
        let happened = left.turn(Duration::ZERO) | right.turn(Duration::ZERO);
        if !happened {
            left.turn(Duration::from_millis(1));
        }
    }
}
