//! Connections whose preamble has not come yet: bounded in number and in time, the oldest gives way.

use crate::preamble::{Preamble, may_begin};
use std::collections::VecDeque;
use std::io::Read as _;
use std::net::{SocketAddr, TcpStream};
use std::time::Instant;

/// One connection without a preamble.
#[derive(Debug)]
pub(super) struct HalfOpen {
    pub(super) socket: TcpStream,
    pub(super) peer_address: SocketAddr,
    deadline: Instant,
    bytes: [u8; Preamble::LEN],
    filled: usize,
}

/// What reading brought.
#[derive(Debug)]
pub(super) enum Progress {
    /// More bytes are needed.
    Waiting,
    /// The preamble is there.
    Done(Preamble),
    /// It has ended, or what came is no preamble.
    Dropped,
}

impl HalfOpen {
    pub(super) fn new(socket: TcpStream, peer_address: SocketAddr, deadline: Instant) -> Self {
        Self { socket, peer_address, deadline, bytes: [0; Preamble::LEN], filled: 0 }
    }

    /// Reads what is there, and never a byte beyond the preamble: those are of TLS, for whoever gets the socket.
    pub(super) fn read(&mut self) -> Progress {
        loop {
            match self.socket.read(&mut self.bytes[self.filled..]) {
                Ok(0) => return Progress::Dropped,
                Ok(count) => self.filled += count,
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => return Progress::Waiting,
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
                Err(_) => return Progress::Dropped,
            }
            if !may_begin(&self.bytes[..self.filled]) {
                return Progress::Dropped;
            }
            if self.filled == Preamble::LEN {
                return Preamble::parse(&self.bytes).map_or(Progress::Dropped, Progress::Done);
            }
        }
    }
}

/// The half-open connections, oldest first. All have the same patience, so they are sorted by deadline too.
#[derive(Debug)]
pub(super) struct HalfOpens {
    queue: VecDeque<HalfOpen>,
    max: usize,
    /// How many were dropped from the front since this was last asked.
    dropped: usize,
}

impl HalfOpens {
    pub(super) fn new(max: usize) -> Self {
        Self { queue: VecDeque::with_capacity(max), max, dropped: 0 }
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &HalfOpen> {
        self.queue.iter()
    }

    /// Adds the newest; the oldest gives way when there are too many.
    pub(super) fn push(&mut self, half_open: HalfOpen) {
        if self.queue.len() >= self.max {
            self.drop_oldest();
        }
        self.queue.push_back(half_open);
    }

    pub(super) fn drop_oldest(&mut self) {
        if self.queue.pop_front().is_some() {
            self.dropped += 1;
        }
    }

    /// How many went from the front since the last call, by which an index from before is too large.
    pub(super) fn take_dropped_count(&mut self) -> usize {
        std::mem::take(&mut self.dropped)
    }

    pub(super) fn read(&mut self, index: usize) -> Progress {
        self.queue.get_mut(index).map_or(Progress::Waiting, HalfOpen::read)
    }

    pub(super) fn remove(&mut self, index: usize) -> Option<HalfOpen> {
        self.queue.remove(index)
    }

    pub(super) fn first_deadline(&self) -> Option<Instant> {
        self.queue.front().map(|half_open| half_open.deadline)
    }

    /// Drops those whose time is over.
    pub(super) fn drop_late(&mut self, now: Instant) {
        while self.first_deadline().is_some_and(|deadline| deadline <= now) {
            self.queue.pop_front();
        }
    }
}
