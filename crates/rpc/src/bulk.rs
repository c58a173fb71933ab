//! TLS for many bytes at once: few and large system calls, whatever the size of a record.
//!
//! `rustls` asks its socket for 4 KiB at a time and hands over one record of 16 KiB at a time; for an object of a gigabyte that is most of
//! what its transfer costs. Here a read takes what the socket has, up to 128 KiB, and a write seals 64 KiB before it sends.

use crate::stream::{ClientStream, ServerStream, TimedStream};
use rustls::Connection;
use std::io::{ErrorKind, Read, Result, Write};
use std::net::TcpStream;

/// Read from the socket at once: fits into a core's own cache together with where it goes.
const READ_BYTES: usize = 128 << 10;
/// Sealed before it is sent: what a network card takes at once. Sealed records are allocations of their own; where 128 KiB of them are freed
/// together, the allocator gives their pages back, and the next ones cost a page fault for each 4 KiB.
const WRITE_BYTES: usize = 64 << 10;
/// What is written in smaller parts waits for more; a read, a flush or a larger part sends it.
const SMALL_BYTES: usize = 4 << 10;

/// A blocking TLS stream after its handshake. Limits of time are those of the socket.
#[derive(Debug)]
pub struct BulkStream {
    connection: Connection,
    socket: TcpStream,
    /// What came and was not given to TLS yet: from `taken` to `filled`.
    arrived: Vec<u8>,
    taken: usize,
    filled: usize,
}

impl BulkStream {
    /// Of the side that dialled.
    ///
    /// # Errors
    /// When the system refuses to lift the deadline of the handshake.
    pub fn from_client(stream: ClientStream) -> Result<Self> {
        Self::new(Connection::Client(stream.conn), stream.sock)
    }

    /// Of the side that was dialled.
    ///
    /// # Errors
    /// When the system refuses to lift the deadline of the handshake.
    pub fn from_server(stream: ServerStream) -> Result<Self> {
        Self::new(Connection::Server(stream.conn), stream.sock)
    }

    fn new(mut connection: Connection, socket: TimedStream) -> Result<Self> {
        connection.set_buffer_limit(Some(WRITE_BYTES));
        let socket = socket.into_socket()?;
        Ok(Self { connection, socket, arrived: vec![0; READ_BYTES], taken: 0, filled: 0 })
    }

    /// The socket underneath, for its limits of time.
    pub fn socket(&self) -> &TcpStream {
        &self.socket
    }

    fn send(&mut self) -> Result<()> {
        while self.connection.wants_write() {
            if self.connection.write_tls(&mut self.socket)? == 0 {
                return Err(ErrorKind::WriteZero.into());
            }
        }
        Ok(())
    }

    /// Gives TLS more of what came; false at the end of the stream.
    fn take(&mut self) -> Result<bool> {
        if self.taken == self.filled {
            self.taken = 0;
            self.filled = read_some(&mut self.socket, &mut self.arrived)?;
        }
        let mut waiting = self.arrived.get(self.taken..self.filled).unwrap_or_default();
        let given = self.connection.read_tls(&mut waiting)?;
        self.taken += given;
        if let Err(error) = self.connection.process_new_packets() {
            // The other side is told why, as far as it still listens.
            let _ = self.send();
            return Err(std::io::Error::new(ErrorKind::InvalidData, error));
        }
        Ok(given > 0)
    }
}

fn read_some(socket: &mut TcpStream, buffer: &mut [u8]) -> Result<usize> {
    loop {
        match socket.read(buffer) {
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            done => return done,
        }
    }
}

impl Read for BulkStream {
    fn read(&mut self, buffer: &mut [u8]) -> Result<usize> {
        loop {
            match self.connection.reader().read(buffer) {
                Err(error) if error.kind() == ErrorKind::WouldBlock => {}
                done => return done,
            }
            self.send()?;
            // At the end without a farewell the next look at the reader says so.
            self.take()?;
        }
    }
}

impl Write for BulkStream {
    fn write(&mut self, bytes: &[u8]) -> Result<usize> {
        let mut written = self.connection.writer().write(bytes)?;
        if written == 0 && !bytes.is_empty() {
            self.send()?;
            written = self.connection.writer().write(bytes)?;
        }
        if written > SMALL_BYTES {
            self.send()?;
        }
        Ok(written)
    }

    fn flush(&mut self) -> Result<()> {
        self.send()
    }
}

#[cfg(test)]
mod tests;
