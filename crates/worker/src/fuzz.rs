//! Doors for the fuzz targets: a process between a daemon and a peer that may say anything, and TLS whose other side may.

use crate::link::{Credentials, RetryRule, Scratch, TlsLink};
use crate::runtime::Runtime;
use crate::submit::FunctionExport;
use rustix::fd::{AsFd, BorrowedFd, OwnedFd};
use rustix::fs::MemfdFlags;
use rustix::net::{
    AddressFamily, RecvFlags, SendAncillaryBuffer, SendAncillaryMessage, SendFlags, SocketFlags, SocketType, recv,
    sendmsg, socketpair,
};
use std::collections::BTreeMap;
use std::io::IoSlice;
use std::mem::MaybeUninit;
use std::sync::OnceLock;
use std::time::{Duration, SystemTime};
use trygon_ids::{JobId, NodeId, OwnerIncarnation, WorkerId};
use trygon_rpc::{Authority, NodeCertificate};
use trygon_wire::FrameReader;
use trygon_wire::control::{Certificate, TLS_CLIENT, TLS_SERVER};
use trygon_worker_core::{Arguments, Core, Identity, Submission, Value};

/// What lies beside a frame of the daemon.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Beside {
    /// Nothing.
    Nothing,
    /// A page of memory.
    Memory,
    /// A socket whose other end is closed.
    Socket,
}

/// A process with two tasks that wait, an object of its own, and one peer.
#[derive(Debug)]
pub struct Process {
    runtime: Runtime,
    daemon: OwnedFd,
    peer: OwnedFd,
}

fn pair() -> (OwnedFd, OwnedFd) {
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    socketpair(AddressFamily::UNIX, SocketType::STREAM, flags, None).expect("a pair of sockets")
}

impl Process {
    /// One to which nothing was said yet.
    pub fn new() -> Self {
        let ((daemon, control), (peer, socket)) = (pair(), pair());
        let runtime = Runtime::new(control).expect("a runtime");
        let identity = Identity {
            job: JobId::new([7; 4]),
            worker: WorkerId::new([1; 28]),
            incarnation: OwnerIncarnation::new([1; 12]),
        };
        let mut engine = runtime.lock();
        engine.core = Core::new(identity);
        let other = WorkerId::new([3; 28]);
        let index = engine.links.add(other, 7, socket);
        engine.peer_of.insert(other, index);
        engine.core.put(Value::Inline(trygon_worker_core::SmallBytes::copy_of(b"value")), &[]);
        drop(engine);
        let resources = BTreeMap::from([("CPU".to_owned(), 1.0)]);
        let retries = RetryRule::default();
        let export =
            FunctionExport { name: "f", body: b"body", resources: &resources, environment: &[], max_calls: 0, retries };
        let function = runtime.export_function(&export);
        for num_returns in [1, trygon_worker_core::STREAMING] {
            let arguments = Arguments { payload: &[0; 4], dependencies: &[], contained: &[] };
            runtime.submit(&Submission {
                function,
                arguments,
                num_returns,
                stream_limit: 2,
                max_retries: 1,
                retry_errors: false,
                parent: 0,
                depth: 0,
            });
        }
        Self { runtime, daemon, peer }
    }

    /// The daemon says something.
    pub fn hear_daemon(&self, bytes: &[u8], beside: Beside) {
        send(self.daemon.as_fd(), bytes, beside);
        self.go_on(self.daemon.as_fd());
    }

    /// The peer says something.
    pub fn hear_peer(&self, bytes: &[u8]) {
        send(self.peer.as_fd(), bytes, Beside::Nothing);
        self.go_on(self.peer.as_fd());
    }

    fn go_on(&self, socket: BorrowedFd<'_>) {
        self.runtime.poll_sockets(Some(Duration::ZERO));
        let mut engine = self.runtime.lock();
        engine.look_after_remotes();
        engine.settle_and_flush();
        engine.work.clear();
        drop(engine);
        // Answers are read, so that the socket never fills.
        while recv(socket, &mut [0; 4096][..], RecvFlags::DONTWAIT).is_ok_and(|(count, _)| count > 0) {}
    }
}

impl Default for Process {
    fn default() -> Self {
        Self::new()
    }
}

fn send(socket: BorrowedFd<'_>, bytes: &[u8], beside: Beside) {
    let descriptor = match beside {
        Beside::Nothing => None,
        Beside::Memory => {
            let memory = rustix::fs::memfd_create("trygon-fuzz", MemfdFlags::CLOEXEC).expect("memory");
            rustix::fs::ftruncate(&memory, 4096).expect("a page");
            Some(memory)
        }
        Beside::Socket => Some(pair().0),
    };
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
    let mut ancillary = SendAncillaryBuffer::new(&mut space);
    let descriptors: Vec<_> = descriptor.iter().map(|descriptor| descriptor.as_fd()).collect();
    if !descriptors.is_empty() {
        ancillary.push(SendAncillaryMessage::ScmRights(&descriptors));
    }
    // It fails when the process has closed its end.
    let _ = sendmsg(socket, &[IoSlice::new(bytes)], &mut ancillary, SendFlags::NOSIGNAL);
}

/// One side of TLS with a process of another machine, which sends these bytes, `cut` at a time. True when it was refused.
pub fn tls(is_server: bool, bytes: &[u8], cut: usize) -> bool {
    static CERTIFICATE: OnceLock<(Certificate, WorkerId)> = OnceLock::new();
    let (certificate, other) = CERTIFICATE.get_or_init(certificate);
    let mut credentials = Credentials::default();
    credentials.renew(certificate.clone());
    let side = if is_server { TLS_SERVER } else { TLS_CLIENT };
    let mut link: TlsLink = credentials.secure(side, *other, JobId::new([7; 4])).expect("a side of TLS");
    let (mut scratch, mut reader) = (Scratch::new(), FrameReader::new());
    for part in bytes.chunks(cut) {
        link.room(&mut scratch)[..part.len()].copy_from_slice(part);
        if link.open(&mut scratch, part.len(), &mut reader).is_err() {
            return true;
        }
        assert!(link.is_handshaking(), "nobody knows these keys");
        assert_eq!(reader.pending_bytes(), 0, "what was not sealed was read");
    }
    false
}

fn certificate() -> (Certificate, WorkerId) {
    let (now, day) = (SystemTime::now(), Duration::from_secs(86_400));
    let authority = Authority::create(now).expect("an authority");
    let node: NodeCertificate = authority.issue_node(NodeId::new([1; 28]), now, day).expect("a certificate");
    let worker = WorkerId::new([1; 28]);
    let made = node.issue_process(worker, JobId::new([7; 4]), now, day).expect("a certificate");
    let certificate = Certificate {
        certificate_chain: made.chain().iter().map(|part| part.to_vec()).collect(),
        private_key: made.private_key_der().to_vec(),
        authority: made.authority().to_vec(),
    };
    (certificate, worker)
}
