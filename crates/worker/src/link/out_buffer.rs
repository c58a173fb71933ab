//! Bytes that wait to be written to a socket.

use rustix::fd::BorrowedFd;
use rustix::io::Errno;
use rustix::net::{SendFlags, send};

/// More than this is written at once instead of waiting for more to come.
pub(crate) const COALESCE_BYTES: usize = 16 << 10;

#[derive(Debug, Default)]
pub(crate) struct OutBuffer {
    bytes: Vec<u8>,
    start: usize,
}

/// How a flush ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Flushed {
    /// Everything was written.
    All,
    /// The socket takes no more now.
    Full,
    /// The other side is gone.
    Closed,
}

impl OutBuffer {
    pub(crate) fn bytes_mut(&mut self) -> &mut Vec<u8> {
        &mut self.bytes
    }

    pub(crate) fn len(&self) -> usize {
        self.bytes.len() - self.start
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.start == self.bytes.len()
    }

    /// What waits.
    pub(crate) fn front(&self) -> &[u8] {
        &self.bytes[self.start..]
    }

    /// The first `len` bytes of what waits are taken care of.
    pub(crate) fn consume(&mut self, len: usize) {
        self.start += len;
        if self.is_empty() {
            self.finish();
        } else {
            self.compact();
        }
    }

    pub(crate) fn clear(&mut self) {
        self.bytes.clear();
        self.start = 0;
    }

    pub(crate) fn flush(&mut self, socket: BorrowedFd<'_>) -> Flushed {
        while !self.is_empty() {
            match send(socket, &self.bytes[self.start..], SendFlags::DONTWAIT | SendFlags::NOSIGNAL) {
                Ok(written) => self.start += written,
                Err(Errno::AGAIN) => {
                    self.compact();
                    return Flushed::Full;
                }
                Err(Errno::INTR) => {}
                Err(_) => {
                    self.clear();
                    return Flushed::Closed;
                }
            }
        }
        self.finish();
        Flushed::All
    }

    fn finish(&mut self) {
        self.clear();
        // A burst must not keep its memory for ever.
        if self.bytes.capacity() > (4 << 20) {
            self.bytes.shrink_to(COALESCE_BYTES * 2);
        }
    }

    /// Moves what waits to the front when that is less than what was written: each byte moves a few times at most.
    fn compact(&mut self) {
        if self.start > (1 << 20) && self.start >= self.len() {
            self.bytes.drain(..self.start);
            self.start = 0;
        }
    }
}
