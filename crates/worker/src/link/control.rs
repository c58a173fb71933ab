//! The connection to the daemon: frames both ways, descriptors towards this process.

use crate::link::out_buffer::{Flushed, OutBuffer};
use rustix::event::epoll;
use rustix::fd::{AsFd, OwnedFd};
use rustix::io::Errno;
use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, recvmsg};
use std::collections::VecDeque;
use std::io::IoSliceMut;
use std::mem::MaybeUninit;
use std::sync::Arc;
use trygon_wire::{FrameReader, Kind, Message, encode_into};

/// Bytes asked of the socket at once.
const RECEIVE_BYTES: usize = 64 << 10;
/// How the poller names the daemon's socket; smaller numbers are peers.
pub(crate) const CONTROL_EVENT: u64 = u64::MAX;
/// Most descriptors beside one read.
const MAX_DESCRIPTORS: usize = 64;

#[derive(Debug)]
pub(crate) struct ControlLink {
    /// `None` once the engine has let go.
    socket: Option<OwnedFd>,
    pub(crate) reader: FrameReader,
    out: OutBuffer,
    epoll: Arc<OwnedFd>,
    wants_write: bool,
    /// Descriptors in the order of the frames that they belong to.
    pub(crate) descriptors: VecDeque<OwnedFd>,
    pub(crate) closed: bool,
    buffer: Vec<u8>,
}

impl ControlLink {
    /// Takes the socket over and has the poller watch it.
    pub(crate) fn new(socket: OwnedFd, epoll: Arc<OwnedFd>) -> std::io::Result<Self> {
        epoll::add(&*epoll, socket.as_fd(), epoll::EventData::new_u64(CONTROL_EVENT), epoll::EventFlags::IN)?;
        Ok(Self {
            socket: Some(socket),
            reader: FrameReader::new(),
            out: OutBuffer::default(),
            epoll,
            wants_write: false,
            descriptors: VecDeque::new(),
            closed: false,
            buffer: vec![0; RECEIVE_BYTES],
        })
    }

    pub(crate) fn close(&mut self) {
        self.socket = None;
        self.descriptors.clear();
        self.closed = true;
    }

    /// Appends a frame and writes it: what goes to the daemon is rare, and somebody waits for it.
    pub(crate) fn send(&mut self, kind: Kind, message: &impl Message) {
        if !self.closed {
            encode_into(kind, message, self.out.bytes_mut());
        }
    }

    /// Writes what waits.
    pub(crate) fn flush(&mut self) {
        let Some(socket) = &self.socket else { return self.out.clear() };
        let flushed = if self.out.is_empty() { Flushed::All } else { self.out.flush(socket.as_fd()) };
        self.closed |= flushed == Flushed::Closed;
        let wants_write = flushed == Flushed::Full;
        if wants_write != self.wants_write {
            self.wants_write = wants_write;
            let flags =
                if wants_write { epoll::EventFlags::IN | epoll::EventFlags::OUT } else { epoll::EventFlags::IN };
            let _ = epoll::modify(&*self.epoll, socket.as_fd(), epoll::EventData::new_u64(CONTROL_EVENT), flags);
        }
    }

    /// Whether something could not be written yet.
    pub(crate) fn has_backlog(&self) -> bool {
        !self.out.is_empty()
    }

    /// Reads once. False when the daemon is gone.
    pub(crate) fn receive(&mut self) -> bool {
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(MAX_DESCRIPTORS))];
        let mut ancillary = RecvAncillaryBuffer::new(&mut space);
        let flags = RecvFlags::DONTWAIT | RecvFlags::CMSG_CLOEXEC;
        let Some(socket) = &self.socket else { return false };
        let received = recvmsg(socket.as_fd(), &mut [IoSliceMut::new(&mut self.buffer)], &mut ancillary, flags);
        match received {
            Ok(message) if message.bytes > 0 => {
                for part in ancillary.drain() {
                    if let RecvAncillaryMessage::ScmRights(descriptors) = part {
                        self.descriptors.extend(descriptors);
                    }
                }
                self.reader.push(&self.buffer[..message.bytes]);
                true
            }
            Err(Errno::AGAIN | Errno::INTR) => true,
            Ok(_) | Err(_) => {
                self.closed = true;
                false
            }
        }
    }
}
