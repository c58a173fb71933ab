//! Blocking streams: a socket whose reads and writes end at one deadline, and TLS on top of it.

use crate::error::CertificateError;
use crate::names::Expected;
use crate::tls::Identity;
use rustls::{ClientConnection, ServerConnection, StreamOwned};
use std::io::{Error, ErrorKind, Read, Write};
use std::net::TcpStream;
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

/// A blocking TLS stream of the side that dialled.
pub type ClientStream = StreamOwned<ClientConnection, TimedStream>;

/// A blocking TLS stream of the side that was dialled.
pub type ServerStream = StreamOwned<ServerConnection, TimedStream>;

/// A blocking socket all of whose reads and writes fail with `TimedOut` after one instant, however slowly the other side goes on.
#[derive(Debug)]
pub struct TimedStream {
    socket: TcpStream,
    deadline: Option<Instant>,
}

impl TimedStream {
    /// A stream that ends at `deadline`.
    pub fn new(socket: TcpStream, deadline: Instant) -> Self {
        Self { socket, deadline: Some(deadline) }
    }

    /// Sets when reads and writes fail; `None`: they may take for ever.
    pub fn set_deadline(&mut self, deadline: Option<Instant>) -> std::io::Result<()> {
        self.deadline = deadline;
        if deadline.is_none() {
            self.socket.set_read_timeout(None)?;
            self.socket.set_write_timeout(None)?;
        }
        Ok(())
    }

    /// The socket underneath.
    pub fn socket(&self) -> &TcpStream {
        &self.socket
    }

    /// Gives the socket back, blocking and without a deadline.
    pub fn into_socket(mut self) -> std::io::Result<TcpStream> {
        self.set_deadline(None)?;
        Ok(self.socket)
    }

    fn left(&self) -> std::io::Result<Option<Duration>> {
        match self.deadline.map(|deadline| deadline.saturating_duration_since(Instant::now())) {
            Some(left) if left.is_zero() => Err(ErrorKind::TimedOut.into()),
            left => Ok(left),
        }
    }
}

/// A socket's timeout shows as `WouldBlock`, which would read as "try again".
fn timed_out(error: Error) -> Error {
    if error.kind() == ErrorKind::WouldBlock { ErrorKind::TimedOut.into() } else { error }
}

impl Read for TimedStream {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        if let Some(left) = self.left()? {
            self.socket.set_read_timeout(Some(left))?;
        }
        self.socket.read(buffer).map_err(timed_out)
    }
}

impl Write for TimedStream {
    fn write(&mut self, buffer: &[u8]) -> std::io::Result<usize> {
        if let Some(left) = self.left()? {
            self.socket.set_write_timeout(Some(left))?;
        }
        self.socket.write(buffer).map_err(timed_out)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        Ok(())
    }
}

/// Speaks TLS as the side that dialled (`dial` gave the socket), and returns when this side has checked `expected`.
///
/// The other side checks this side's certificate after that, so its refusal shows at the first read. The stream has no deadline any more.
pub fn connect_tls(
    socket: OwnedFd,
    identity: &Identity,
    expected: Expected,
    patience: Duration,
) -> std::io::Result<ClientStream> {
    let connection = identity.connect(expected).map_err(no_certificate)?;
    let mut stream = StreamOwned::new(connection, timed(socket, patience)?);
    handshake(&mut stream.conn, &mut stream.sock)?;
    Ok(stream)
}

/// Speaks TLS as the side that was dialled (`Incoming` gave the socket), and returns when both sides have accepted each other.
pub fn accept_tls(
    socket: OwnedFd,
    identity: &Identity,
    expected: Expected,
    patience: Duration,
) -> std::io::Result<ServerStream> {
    let connection = identity.accept(expected).map_err(no_certificate)?;
    let mut stream = StreamOwned::new(connection, timed(socket, patience)?);
    handshake(&mut stream.conn, &mut stream.sock)?;
    Ok(stream)
}

fn timed(socket: OwnedFd, patience: Duration) -> std::io::Result<TimedStream> {
    let socket = TcpStream::from(socket);
    socket.set_nonblocking(false)?;
    // With Nagle's delay, a handshake would take 40 ms.
    socket.set_nodelay(true)?;
    Ok(TimedStream::new(socket, Instant::now() + patience))
}

fn no_certificate(error: CertificateError) -> Error {
    Error::other(error)
}

/// Finishes the handshake and lifts the deadline. A refusal is told to the other side by rustls before it is returned here.
fn handshake<Side, Data>(connection: &mut Side, stream: &mut TimedStream) -> std::io::Result<()>
where
    Side: std::ops::DerefMut<Target = rustls::ConnectionCommon<Data>>,
    Data: rustls::SideData,
{
    while connection.is_handshaking() {
        connection.complete_io(stream)?;
    }
    while connection.wants_write() {
        connection.write_tls(stream)?;
    }
    stream.set_deadline(None)
}

#[cfg(test)]
mod tests;
