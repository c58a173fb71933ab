//! Connections to other processes of the job, and the tables that give functions short numbers on each of them.

use crate::link::out_buffer::{COALESCE_BYTES, Flushed, OutBuffer};
use crate::link::remote::{Remote, Remotes};
use rustix::event::epoll;
use rustix::fd::{AsFd, OwnedFd};
use rustix::io::Errno;
use rustix::net::{RecvFlags, recv};
use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use trygon_ids::{ActorId, FunctionHash, WorkerId};
use trygon_shm::Recorder;
use trygon_wire::{FrameReader, Kind, Message, encode_into, peer, task};
use trygon_worker_core::{FunctionIndex, Outbox, PeerIndex, Registry, Task};

/// Bytes asked of a socket at once.
const RECEIVE_BYTES: usize = 64 << 10;
/// Whose connection ended is remembered for so many: calls of theirs may still run.
const REMEMBERED_ENDED: usize = 256;

/// A function or method of this process, as peers are told of it.
#[derive(Debug, Clone, Default)]
pub(crate) struct Export {
    pub(crate) name: String,
    /// `None` for a method.
    pub(crate) hash: Option<FunctionHash>,
    pub(crate) actor: Option<ActorId>,
    pub(crate) max_calls: u32,
    /// The concurrency group of a method's calls, when the caller names one.
    pub(crate) group: String,
    pub(crate) retries: RetryRule,
}

/// Which errors of user code are worth another attempt.
#[derive(Debug, Clone, Default)]
pub struct RetryRule {
    /// Whether any is.
    pub errors: bool,
    /// Only those of these classes, a pickled tuple; empty for all.
    pub classes: Vec<u8>,
}

/// A function or method that a peer defined.
#[derive(Debug)]
pub struct Definition {
    /// Its name.
    pub name: String,
    /// Its hash; `None` for a method.
    pub hash: Option<FunctionHash>,
    /// The worker exits after so many calls; 0 for never.
    pub max_calls: u32,
    /// The concurrency group that the caller names; empty for the method's own.
    pub group: String,
    /// An error that it raises may be retried.
    pub retries_errors: bool,
    /// Only errors of these classes, a pickled tuple; empty for any.
    pub retry_classes: Vec<u8>,
}

/// The functions that a peer was told of. In a driver of many actors each peer knows its own methods, of thousands: nothing here may be as
/// long as the list of all.
#[derive(Debug, Default)]
struct Sent {
    /// Functions with their numbers there, in the functions' order.
    numbers: Vec<(FunctionIndex, u32)>,
    /// The one that was asked for last: pushes come in runs.
    last: Option<(FunctionIndex, u32)>,
}

impl Sent {
    fn number_of(&mut self, function: FunctionIndex) -> Option<u32> {
        if let Some((last, number)) = self.last
            && last == function
        {
            return Some(number);
        }
        let position = self.numbers.binary_search_by_key(&function.0, |(known, _)| known.0).ok()?;
        self.last = self.numbers.get(position).copied();
        self.last.map(|(_, number)| number)
    }

    fn add(&mut self, function: FunctionIndex) -> u32 {
        let number = self.numbers.len() as u32;
        let position = self.numbers.partition_point(|(known, _)| known.0 < function.0);
        self.numbers.insert(position, (function, number));
        self.last = Some((function, number));
        number
    }
}

#[derive(Debug)]
pub(crate) struct Peer {
    pub(crate) worker: WorkerId,
    pub(crate) connection: u64,
    /// `None` once the connection has ended.
    pub(super) socket: Option<OwnedFd>,
    /// For a process of another machine.
    pub(super) remote: Option<Box<Remote>>,
    pub(crate) reader: FrameReader,
    pub(crate) out: OutBuffer,
    /// What this process defined there.
    sent: Sent,
    /// What was defined here.
    pub(crate) definitions: Vec<Arc<Definition>>,
    pub(crate) wants_write: bool,
    pub(crate) is_dirty: bool,
    /// The connection, with another machine, ended before it was secured: nothing was written to it.
    pub(super) never_secured: bool,
    /// It said what makes no sense: what it said after that was not read, and may be answers that it counts as given.
    pub(crate) is_garbled: bool,
}

impl Peer {
    fn new(worker: WorkerId, connection: u64, socket: Option<OwnedFd>) -> Self {
        Self {
            worker,
            connection,
            socket,
            remote: None,
            reader: FrameReader::new(),
            out: OutBuffer::default(),
            sent: Sent::default(),
            definitions: Vec::new(),
            wants_write: false,
            is_dirty: false,
            never_secured: false,
            is_garbled: false,
        }
    }

    /// Whether anything that was said may have arrived.
    pub(crate) fn was_connected(&self) -> bool {
        !self.never_secured && self.remote.as_ref().is_none_or(|remote| !remote.tls.is_handshaking())
    }

    /// Whether the connection has not ended.
    pub(crate) fn is_open(&self) -> bool {
        self.socket.is_some()
    }

    /// Whether the kernel has everything that was said.
    pub(crate) fn is_written(&self) -> bool {
        self.out.is_empty() && self.remote.as_ref().is_none_or(|remote| remote.is_written())
    }

    /// Whether the other side gets everything that was said, even if this process ends now.
    pub(crate) fn is_delivered(&mut self) -> bool {
        let is_written = self.is_written();
        let (Some(socket), Some(remote)) = (&self.socket, &mut self.remote) else { return is_written };
        is_written && remote.is_acknowledged(socket.as_fd())
    }
}

/// Every connection of the process, and what they are told.
#[derive(Debug)]
pub(crate) struct Links {
    pub(crate) peers: Registry<Peer>,
    /// Connections that ended, the oldest first, until they are forgotten.
    ended: VecDeque<PeerIndex>,
    pub(crate) dirty: Vec<PeerIndex>,
    pub(crate) exports: Registry<Export>,
    /// How often exports were forgotten: who knows a number from before asks whether it still stands for something.
    pub(crate) forgotten: Arc<AtomicU64>,
    epoll: Arc<OwnedFd>,
    /// In a worker: replies that were not written yet survive it here (OWN-8).
    pub(crate) recorder: Option<Recorder>,
    /// A reply had no room in it: until it is written, nothing else keeps it.
    pub(crate) has_unstaged: bool,
    /// Connections with other machines.
    pub(super) remotes: Remotes,
}

impl Links {
    pub(crate) fn new(epoll: Arc<OwnedFd>, recorder: Option<Recorder>) -> Self {
        Self {
            peers: Registry::new(Peer::new(WorkerId::nil(), 0, None)),
            ended: VecDeque::new(),
            dirty: Vec::new(),
            exports: Registry::new(Export::default()),
            forgotten: Arc::default(),
            epoll,
            recorder,
            has_unstaged: false,
            remotes: Remotes::default(),
        }
    }

    /// Adds a connection with a process of this machine.
    pub(crate) fn add(&mut self, worker: WorkerId, connection: u64, socket: OwnedFd) -> PeerIndex {
        self.add_link(worker, connection, socket, None)
    }

    pub(super) fn add_link(
        &mut self,
        worker: WorkerId,
        connection: u64,
        socket: OwnedFd,
        remote: Option<Box<Remote>>,
    ) -> PeerIndex {
        let index = PeerIndex(self.peers.count());
        // Failing to watch the socket would mean silence: treat the peer as gone instead.
        let data = epoll::EventData::new_u64(u64::from(index.0));
        let watched = epoll::add(&*self.epoll, socket.as_fd(), data, epoll::EventFlags::IN).is_ok();
        let mut peer = Peer::new(worker, connection, watched.then_some(socket));
        peer.remote = remote;
        self.peers.push(peer);
        index
    }

    pub(crate) fn peer(&mut self, index: PeerIndex) -> &mut Peer {
        &mut self.peers[index.0]
    }

    pub(crate) fn close(&mut self, index: PeerIndex) {
        let peer = self.peer(index);
        // Closing takes it off the poller's list too.
        peer.socket = None;
        peer.remote = None;
        peer.out.clear();
        // The kernel's buffers go at once; the number stays taken, because tables refer to it.
        peer.reader = FrameReader::new();
        peer.definitions = Vec::new();
        peer.sent = Sent::default();
        self.ended.push_back(index);
        if self.ended.len() > REMEMBERED_ENDED
            && let Some(oldest) = self.ended.pop_front()
        {
            self.peers.forget(oldest.0);
        }
    }

    /// Methods that nobody will call under these numbers.
    pub(crate) fn forget_exports(&mut self, functions: &[FunctionIndex]) {
        functions.iter().for_each(|function| self.exports.forget(function.0));
        self.forgotten.fetch_add(1, Ordering::Release);
    }

    pub(crate) fn mark_dirty(&mut self, index: PeerIndex) {
        let peer = &mut self.peers[index.0];
        // What comes is not on its way.
        self.remotes.is_underway = false;
        if !peer.is_dirty {
            peer.is_dirty = true;
            self.dirty.push(index);
        }
    }

    /// Appends a frame with a protobuf body.
    pub(crate) fn send(&mut self, index: PeerIndex, kind: Kind, message: &impl Message) {
        let peer = self.peer(index);
        if peer.socket.is_none() {
            return;
        }
        encode_into(kind, message, peer.out.bytes_mut());
        self.mark_dirty(index);
    }

    /// Appends a frame of fixed layout.
    pub(crate) fn send_bytes(&mut self, index: PeerIndex, frame: &[u8]) {
        let peer = self.peer(index);
        if peer.socket.is_none() {
            return;
        }
        peer.out.bytes_mut().extend_from_slice(frame);
        self.mark_dirty(index);
    }

    /// Writes what waits. What a socket does not take now is written when it says it can.
    pub(crate) fn flush(&mut self) {
        while let Some(index) = self.dirty.pop() {
            self.peer(index).is_dirty = false;
            self.flush_peer(index);
        }
        self.remotes.is_underway = false;
        if !self.is_recorder_empty()
            && self.peers.iter().all(|(_, peer)| peer.is_written())
            && let Some(recorder) = &mut self.recorder
        {
            self.remotes.is_underway = self.remotes.are_there() && !self.peers.values_mut().all(Peer::is_delivered);
            if !self.remotes.is_underway {
                recorder.clear_staged();
                self.has_unstaged = false;
            }
        }
    }

    /// Whether every reply is on its way, and those that another machine did not acknowledge yet are in the flight recorder.
    pub(crate) fn replies_are_written(&self) -> bool {
        let is_kept = |recorder: &Recorder| recorder.staged_bytes() == 0 || self.remotes.is_underway;
        !self.has_unstaged && self.recorder.as_ref().is_none_or(is_kept)
    }

    /// Whether the flight recorder holds nothing that may be lost.
    fn is_recorder_empty(&self) -> bool {
        self.recorder.as_ref().is_none_or(|recorder| recorder.staged_bytes() == 0 && !self.has_unstaged)
    }

    pub(crate) fn flush_peer(&mut self, index: PeerIndex) {
        let peer = &mut self.peers[index.0];
        let Some(socket) = &peer.socket else { return peer.out.clear() };
        let flushed = match &mut peer.remote {
            None => peer.out.flush(socket.as_fd()),
            Some(remote) => remote.flush(socket.as_fd(), &mut peer.out, self.remotes.scratch()),
        };
        let wants_write = match flushed {
            Flushed::All => false,
            Flushed::Full => true,
            // The daemon says what became of the peer; until then there is nothing to write to.
            Flushed::Closed => false,
        };
        if wants_write != peer.wants_write {
            peer.wants_write = wants_write;
            let flags =
                if wants_write { epoll::EventFlags::IN | epoll::EventFlags::OUT } else { epoll::EventFlags::IN };
            let _ = epoll::modify(&*self.epoll, socket.as_fd(), epoll::EventData::new_u64(u64::from(index.0)), flags);
        }
    }

    /// Reads once. True when something came.
    pub(crate) fn receive(&mut self, index: PeerIndex) -> bool {
        let peer = &mut self.peers[index.0];
        let Some(socket) = &peer.socket else { return false };
        if peer.remote.is_some() {
            return self.receive_remote(index);
        }
        let room = peer.reader.room(RECEIVE_BYTES);
        let received = recv(socket.as_fd(), rustix::buffer::spare_capacity(room), RecvFlags::DONTWAIT);
        match received {
            Ok((0, _)) => {}
            Ok(_) => return true,
            Err(Errno::AGAIN | Errno::INTR) => return false,
            Err(_) => {}
        }
        // The other side has ended the connection. The daemon says why; until then its tasks stay where they are.
        peer.socket = None;
        peer.out.clear();
        false
    }

    fn define(&mut self, index: PeerIndex, function: FunctionIndex) -> u32 {
        let export = &self.exports[function.0];
        let message = |number| peer::FunctionDefine {
            index: number,
            hash: export.hash.map(|hash| hash.as_bytes().to_vec()).unwrap_or_default(),
            name: export.name.clone(),
            actor_id: export.actor.map(|actor| actor.as_bytes().to_vec()).unwrap_or_default(),
            max_calls: export.max_calls,
            group: export.group.clone(),
            retries_errors: export.retries.errors,
            retry_classes: export.retries.classes.clone(),
        };
        let peer = &mut self.peers[index.0];
        let number = peer.sent.add(function);
        encode_into(Kind::FunctionDefine, &message(number), peer.out.bytes_mut());
        number
    }
}

impl Outbox for Links {
    fn push(&mut self, index: PeerIndex, task: &Task<'_>) {
        let peer = &mut self.peers[index.0];
        if peer.socket.is_none() {
            return;
        }
        let number = match peer.sent.number_of(task.function) {
            Some(number) => number,
            None => self.define(index, task.function),
        };
        let push = task::Push {
            slot: task.slot,
            generation: task.generation,
            attempt: task.attempt,
            function: number,
            sequence: task.sequence,
            lease: task.lease_id as u32,
            num_returns: task.num_returns,
            depth: task.depth,
        };
        let flags = if task.is_actor_call { task::FLAG_ACTOR } else { 0 }
            | if task.is_retriable { task::FLAG_RETRIABLE } else { 0 };
        let peer = &mut self.peers[index.0];
        push.write(flags, task.payload, peer.out.bytes_mut());
        if peer.out.len() >= COALESCE_BYTES && !peer.wants_write {
            self.flush_peer(index);
        } else {
            self.mark_dirty(index);
        }
    }
}
