//! A non-blocking socket that carries frames, and descriptors beside them.

use rustix::io::Errno;
use rustix::net::{RecvFlags, SendAncillaryBuffer, SendAncillaryMessage, SendFlags};
use std::collections::VecDeque;
use std::io::IoSlice;
use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use trygon_wire::{FrameReader, Kind, Message, encode_into};

/// Bytes asked for in one receive.
const RECEIVE_BYTES: usize = 64 << 10;
/// Receives in a row for one connection, so that one busy process does not keep the others waiting.
const MAX_RECEIVES: usize = 8;
/// FLOW-1: a process that lets this much pile up does not read any more; its connection is given up.
const MAX_OUT_BYTES: usize = 256 << 20;

/// Bytes to send; the descriptors travel with the first of them.
#[derive(Debug)]
struct Piece {
    bytes: Vec<u8>,
    sent: usize,
    descriptors: Vec<OwnedFd>,
}

/// Whether the other side is still there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Flow {
    /// All is done that can be done now.
    Open,
    /// Bytes are left: wait until the socket takes more.
    Full,
    /// The other side is gone.
    Closed,
}

/// One socket.
#[derive(Debug)]
pub(crate) struct Connection {
    socket: OwnedFd,
    pub(crate) reader: FrameReader,
    out: VecDeque<Piece>,
    out_bytes: usize,
    /// Whether the poller watches for room to write.
    pub(crate) watches_room: bool,
}

impl Connection {
    /// Takes over a non-blocking stream socket.
    pub(crate) fn new(socket: OwnedFd) -> Self {
        Self { socket, reader: FrameReader::new(), out: VecDeque::new(), out_bytes: 0, watches_room: false }
    }

    /// The socket, for the poller.
    pub(crate) fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }

    /// Bytes that wait to be sent.
    pub(crate) fn out_bytes(&self) -> usize {
        self.out_bytes
    }

    /// Queues a frame; `flush` sends it.
    pub(crate) fn send(&mut self, kind: Kind, message: &impl Message, descriptors: Vec<OwnedFd>) {
        let piece = self.piece_for(descriptors);
        let before = piece.bytes.len();
        encode_into(kind, message, &mut piece.bytes);
        self.out_bytes += piece.bytes.len() - before;
    }

    /// Queues a frame that is encoded already.
    pub(crate) fn send_frame(&mut self, frame: &[u8], descriptors: Vec<OwnedFd>) {
        self.piece_for(descriptors).bytes.extend_from_slice(frame);
        self.out_bytes += frame.len();
    }

    fn piece_for(&mut self, descriptors: Vec<OwnedFd>) -> &mut Piece {
        // The kernel delivers descriptors with the first byte of one send, so a frame that has some begins a piece.
        if self.out.is_empty() || !descriptors.is_empty() {
            self.out.push_back(Piece { bytes: Vec::new(), sent: 0, descriptors });
        }
        let last = self.out.len() - 1;
        &mut self.out[last]
    }

    /// Sends what the socket takes.
    pub(crate) fn flush(&mut self) -> Flow {
        while let Some(piece) = self.out.front_mut() {
            match send_piece(self.socket.as_fd(), piece) {
                Ok(sent) => {
                    piece.sent += sent;
                    piece.descriptors.clear();
                    self.out_bytes -= sent;
                    if piece.sent == piece.bytes.len() {
                        self.out.pop_front();
                    }
                }
                Err(Errno::INTR) => {}
                Err(Errno::AGAIN) if self.out_bytes > MAX_OUT_BYTES => return Flow::Closed,
                Err(Errno::AGAIN) => return Flow::Full,
                Err(_) => return Flow::Closed,
            }
        }
        Flow::Open
    }

    /// Receives what is there, up to a share of a turn; `Full` when there may be more.
    pub(crate) fn receive(&mut self) -> Flow {
        for _ in 0..MAX_RECEIVES {
            let buffer = self.reader.room(RECEIVE_BYTES);
            match rustix::net::recv(&self.socket, rustix::buffer::spare_capacity(buffer), RecvFlags::empty()) {
                Ok((0, _)) => return Flow::Closed,
                Ok((len, _)) if len < RECEIVE_BYTES => return Flow::Open,
                Ok(_) | Err(Errno::INTR) => {}
                Err(Errno::AGAIN) => return Flow::Open,
                Err(_) => return Flow::Closed,
            }
        }
        Flow::Full
    }
}

fn send_piece(socket: BorrowedFd<'_>, piece: &Piece) -> rustix::io::Result<usize> {
    let bytes = &piece.bytes[piece.sent..];
    if piece.descriptors.is_empty() {
        return rustix::net::send(socket, bytes, SendFlags::NOSIGNAL);
    }
    let descriptors: Vec<BorrowedFd<'_>> = piece.descriptors.iter().map(AsFd::as_fd).collect();
    let mut space = [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(4))];
    let mut ancillary = SendAncillaryBuffer::new(&mut space);
    if !ancillary.push(SendAncillaryMessage::ScmRights(&descriptors)) {
        return Err(Errno::INVAL);
    }
    rustix::net::sendmsg(socket, &[IoSlice::new(bytes)], &mut ancillary, SendFlags::NOSIGNAL)
}
