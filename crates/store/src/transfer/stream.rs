//! What the threads read from and write to: plain sockets in tests, TLS between machines.

use std::io::{self, Read, Write};
use std::net::TcpStream;
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::time::Duration;

/// A blocking byte stream to another node, authenticated by whoever made it.
pub trait Stream: Read + Write + Send {
    /// How long a read or a write may stand still before it fails.
    ///
    /// # Errors
    /// When the system refuses.
    fn set_timeout(&self, limit: Duration) -> io::Result<()>;

    /// The socket underneath: another thread shuts it down to end a read or a write that waits.
    fn socket(&self) -> BorrowedFd<'_>;
}

impl Stream for TcpStream {
    fn socket(&self) -> BorrowedFd<'_> {
        self.as_fd()
    }

    fn set_timeout(&self, limit: Duration) -> io::Result<()> {
        self.set_nodelay(true)?;
        self.set_read_timeout(Some(limit))?;
        self.set_write_timeout(Some(limit))
    }
}

impl Stream for UnixStream {
    fn socket(&self) -> BorrowedFd<'_> {
        self.as_fd()
    }

    fn set_timeout(&self, limit: Duration) -> io::Result<()> {
        self.set_read_timeout(Some(limit))?;
        self.set_write_timeout(Some(limit))
    }
}

impl Stream for Box<dyn Stream> {
    fn socket(&self) -> BorrowedFd<'_> {
        (**self).socket()
    }

    fn set_timeout(&self, limit: Duration) -> io::Result<()> {
        (**self).set_timeout(limit)
    }
}

/// A stream over a socket that it hides, such as TLS; limits are set on the socket.
#[derive(Debug)]
pub struct Over<S> {
    stream: S,
    socket: TcpStream,
}

impl<S: Read + Write + Send> Over<S> {
    /// `socket` is a clone of the one that `stream` is over.
    pub fn new(stream: S, socket: TcpStream) -> Self {
        Self { stream, socket }
    }
}

impl<S: Read> Read for Over<S> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.stream.read(buffer)
    }
}

impl<S: Write> Write for Over<S> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.stream.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.stream.flush()
    }
}

impl<S: Read + Write + Send> Stream for Over<S> {
    fn socket(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }

    fn set_timeout(&self, limit: Duration) -> io::Result<()> {
        self.socket.set_timeout(limit)
    }
}

/// Connects to the node with this number, for the purpose `object`.
pub type Dial = Arc<dyn Fn(u32) -> io::Result<Box<dyn Stream>> + Send + Sync>;
