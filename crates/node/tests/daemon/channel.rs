//! A blocking end of a socket that carries frames and descriptors.

use rustix::net::{RecvAncillaryBuffer, RecvAncillaryMessage, RecvFlags, SendFlags};
use std::collections::VecDeque;
use std::io::IoSliceMut;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, OwnedFd};
use std::time::{Duration, Instant};
use trygon_wire::{FrameReader, Kind, Message, decode, encode};

/// A frame that was received.
#[derive(Debug, Clone)]
pub(crate) struct Frame {
    pub(crate) kind: Kind,
    pub(crate) body: Vec<u8>,
}

impl Frame {
    pub(crate) fn read<M: Message + Default>(&self) -> M {
        decode(&self.body).expect("a body of its kind")
    }
}

/// One end of a socket.
pub(crate) struct Channel {
    socket: OwnedFd,
    reader: FrameReader,
    frames: VecDeque<Frame>,
    pub(crate) descriptors: VecDeque<OwnedFd>,
}

impl Channel {
    pub(crate) fn new(socket: OwnedFd) -> Self {
        Self { socket, reader: FrameReader::new(), frames: VecDeque::new(), descriptors: VecDeque::new() }
    }

    pub(crate) fn send(&self, kind: Kind, message: &impl Message) {
        self.send_bytes(&encode(kind, message));
    }

    pub(crate) fn send_bytes(&self, bytes: &[u8]) {
        let mut left = bytes;
        while !left.is_empty() {
            match rustix::net::send(&self.socket, left, SendFlags::NOSIGNAL) {
                Ok(sent) => left = &left[sent..],
                Err(_) => return,
            }
        }
    }

    /// The next frame; `None` when the other side is gone or the time is over.
    pub(crate) fn next(&mut self, limit: Duration) -> Option<Frame> {
        let until = Instant::now() + limit;
        loop {
            if let Some(frame) = self.frames.pop_front() {
                return Some(frame);
            }
            let left = until.checked_duration_since(Instant::now())?;
            let flags = rustix::event::PollFlags::IN;
            let mut polled = [rustix::event::PollFd::from_borrowed_fd(self.socket.as_fd(), flags)];
            let timeout = rustix::event::Timespec::try_from(left).expect("a short time");
            if rustix::event::poll(&mut polled, Some(&timeout)) == Ok(0) || !self.receive() {
                return None;
            }
        }
    }

    /// The next frame of this kind; others are left out.
    pub(crate) fn expect(&mut self, kind: Kind) -> Frame {
        loop {
            let frame = self.next(Duration::from_secs(10)).unwrap_or_else(|| panic!("{kind:?} did not come"));
            if frame.kind == kind {
                return frame;
            }
        }
    }

    fn receive(&mut self) -> bool {
        let mut buffer = vec![0; 1 << 16];
        let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(8))];
        let mut ancillary = RecvAncillaryBuffer::new(&mut space);
        let slices = &mut [IoSliceMut::new(&mut buffer)];
        let Ok(received) = rustix::net::recvmsg(&self.socket, slices, &mut ancillary, RecvFlags::CMSG_CLOEXEC) else {
            return false;
        };
        for message in ancillary.drain() {
            if let RecvAncillaryMessage::ScmRights(descriptors) = message {
                self.descriptors.extend(descriptors);
            }
        }
        self.reader.push(&buffer[..received.bytes]);
        while let Ok(Some((header, body))) = self.reader.next_frame() {
            self.frames.push_back(Frame { kind: header.kind, body: body.to_vec() });
        }
        received.bytes > 0
    }
}
