//! TLS on a connection with another machine's process, driven by whoever polls: no thread of its own, nothing that waits.
//!
//! Frames stay in the connection's ordinary buffer until the socket has room for them; only what the socket took half of is kept here. So
//! "nothing waits" means the same as on a connection without TLS: the kernel has it all.

use crate::link::out_buffer::{Flushed, OutBuffer};
use rustix::fd::BorrowedFd;
use rustix::io::Errno;
use rustix::net::{SendFlags, Shutdown, send, shutdown};
use rustls::client::UnbufferedClientConnection;
use rustls::pki_types::ServerName;
use rustls::server::UnbufferedServerConnection;
use rustls::unbuffered::{ConnectionState, EncodeError, UnbufferedStatus};
use rustls::{ClientConfig, ServerConfig};
use std::sync::Arc;
use trygon_wire::FrameReader;

/// A handshake that takes longer has failed.
pub(crate) const HANDSHAKE_LIMIT_NS: u64 = 10_000_000_000;
/// So much is sealed at once: eight records.
const SEAL_BYTES: usize = 128 << 10;
/// What the records around that, and a change of keys, add at most.
const SEAL_ROOM_BYTES: usize = 8 << 10;
/// Asked of a socket at once, beside a record that came in part before.
const OPEN_BYTES: usize = 128 << 10;
/// The longest record, with its head.
const RECORD_BYTES: usize = (16 << 10) + 2048 + 5;
/// A message of a handshake may span records; a longer wait for its end is none of ours.
const MAX_PARTIAL_BYTES: usize = 4 * RECORD_BYTES;

/// Memory that all connections of a process use in turn.
#[derive(Debug)]
pub(crate) struct Scratch {
    sealed: Vec<u8>,
    opened: Vec<u8>,
}

impl Scratch {
    pub(crate) fn new() -> Self {
        Self { sealed: vec![0; SEAL_BYTES + SEAL_ROOM_BYTES], opened: vec![0; MAX_PARTIAL_BYTES + OPEN_BYTES] }
    }
}

enum Session {
    Client(UnbufferedClientConnection),
    Server(UnbufferedServerConnection),
}

impl std::fmt::Debug for Session {
    // Keys must not reach a log.
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str(match self {
            Self::Client(_) => "Client",
            Self::Server(_) => "Server",
        })
    }
}

/// Calls rustls with `bytes`: the two sides have different types, and one meaning.
macro_rules! advance {
    ($session:expr, $bytes:expr, $status:ident => $then:expr) => {
        match $session {
            Session::Client(session) => {
                let $status = session.process_tls_records($bytes);
                $then
            }
            Session::Server(session) => {
                let $status = session.process_tls_records($bytes);
                $then
            }
        }
    };
}

/// What a step asks for next.
enum Step {
    Again,
    /// Nothing more can be done with the bytes that are here.
    Rest,
    /// The other side says that it sends no more.
    Ended,
}

/// Why a connection is of no use any more.
#[derive(Debug)]
pub(crate) enum TlsError {
    /// The protocol or a certificate.
    Protocol(rustls::Error),
    /// The other side said that it was done.
    Ended,
    /// More came of one message than a message has.
    TooLong,
}

impl std::fmt::Display for TlsError {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Protocol(error) => formatter.write_str(&trygon_rpc::explain(error)),
            Self::Ended => formatter.write_str("the other side has closed the connection"),
            Self::TooLong => formatter.write_str("a message of the handshake is too long"),
        }
    }
}

impl From<rustls::Error> for TlsError {
    fn from(error: rustls::Error) -> Self {
        Self::Protocol(error)
    }
}

/// The TLS of one connection.
#[derive(Debug)]
pub(crate) struct TlsLink {
    session: Box<Session>,
    /// Records that the socket has no room for yet.
    sealed: OutBuffer,
    /// The beginning of a record whose rest is to come.
    partial: Vec<u8>,
    /// Until the other side is known, nothing is sent to it.
    is_handshaking: bool,
}

impl TlsLink {
    /// The side that speaks first. The configuration judges the other side's certificate by `name`.
    pub(crate) fn client(config: Arc<ClientConfig>, name: ServerName<'static>) -> Result<Self, TlsError> {
        Self::new(Session::Client(UnbufferedClientConnection::new(config, name)?))
    }

    /// The side that waits. The configuration judges the other side's certificate and the name in it.
    pub(crate) fn server(config: Arc<ServerConfig>) -> Result<Self, TlsError> {
        Self::new(Session::Server(UnbufferedServerConnection::new(config)?))
    }

    fn new(session: Session) -> Result<Self, TlsError> {
        let sealed = OutBuffer::default();
        let mut link = Self { session: Box::new(session), sealed, partial: Vec::new(), is_handshaking: true };
        link.advance_all(&mut [], &mut FrameReader::new())?;
        Ok(link)
    }

    /// Whether it is not known yet who the other side is.
    pub(crate) fn is_handshaking(&self) -> bool {
        self.is_handshaking
    }

    /// Whether the socket took every record.
    pub(crate) fn is_written(&self) -> bool {
        self.sealed.is_empty()
    }

    /// Room in `scratch` to receive into, behind the record that came in part.
    pub(crate) fn room<'a>(&self, scratch: &'a mut Scratch) -> &'a mut [u8] {
        let start = self.partial.len();
        scratch.opened[..start].copy_from_slice(&self.partial);
        &mut scratch.opened[start..start + OPEN_BYTES]
    }

    /// Opens what was received into the room: whole records become bytes of frames.
    pub(crate) fn open(
        &mut self,
        scratch: &mut Scratch,
        received: usize,
        reader: &mut FrameReader,
    ) -> Result<(), TlsError> {
        let end = self.partial.len() + received;
        let bytes = &mut scratch.opened[..end];
        let opened = self.advance_all(bytes, reader);
        let start = match &opened {
            Ok(start) => *start,
            Err(_) => end,
        };
        self.partial.clear();
        if end - start > MAX_PARTIAL_BYTES {
            return Err(TlsError::TooLong);
        }
        self.partial.extend_from_slice(&bytes[start..]);
        opened.map(|_| ())
    }

    /// Lets rustls go on until it wants more bytes. Returns how many of `bytes` are done with.
    fn advance_all(&mut self, bytes: &mut [u8], reader: &mut FrameReader) -> Result<usize, TlsError> {
        let mut start = 0;
        loop {
            let (discard, stepped) =
                advance!(&mut *self.session, &mut bytes[start..], status => step(status, &mut self.sealed, reader));
            start += discard;
            match stepped {
                Ok(Step::Again) => {}
                Ok(Step::Rest) => break,
                Ok(Step::Ended) => return Err(TlsError::Ended),
                Err(error) => {
                    self.put_alert(&mut bytes[start..]);
                    return Err(error.into());
                }
            }
        }
        if self.is_handshaking {
            self.is_handshaking = match &*self.session {
                Session::Client(session) => session.is_handshaking(),
                Session::Server(session) => session.is_handshaking(),
            };
        }
        Ok(start)
    }

    /// After an error rustls has a word for the other side. It wants to see what it was not done with again, but once the word is said it
    /// must not be asked to go on: it would stumble over the same bytes.
    fn put_alert(&mut self, mut rest: &mut [u8]) {
        let mut reader = FrameReader::new();
        while self.has_words() {
            let (discard, stepped) =
                advance!(&mut *self.session, rest, status => step(status, &mut self.sealed, &mut reader));
            rest = &mut rest[discard..];
            if !matches!(stepped, Ok(Step::Again)) {
                break;
            }
        }
    }

    /// Whether rustls itself has something to say.
    fn has_words(&self) -> bool {
        match &*self.session {
            Session::Client(session) => session.wants_write(),
            Session::Server(session) => session.wants_write(),
        }
    }

    /// Writes what waits here, then what waits in `out`, as far as the socket takes it.
    pub(crate) fn flush(&mut self, socket: BorrowedFd<'_>, out: &mut OutBuffer, scratch: &mut Scratch) -> Flushed {
        loop {
            match self.sealed.flush(socket) {
                Flushed::All if out.is_empty() || self.is_handshaking => return Flushed::All,
                Flushed::All => {}
                Flushed::Full => return Flushed::Full,
                Flushed::Closed => {
                    out.clear();
                    return Flushed::Closed;
                }
            }
            let Some(len) = self.seal_next(out, &mut scratch.sealed) else {
                // Whoever reads finds the end, as if the other side had made it.
                let _ = shutdown(socket, Shutdown::Both);
                out.clear();
                return Flushed::Closed;
            };
            let sealed = &scratch.sealed[..len];
            if !self.sealed.is_empty() {
                self.sealed.bytes_mut().extend_from_slice(sealed);
                continue;
            }
            let written = match send(socket, sealed, SendFlags::DONTWAIT | SendFlags::NOSIGNAL) {
                Ok(written) => written,
                Err(Errno::AGAIN | Errno::INTR) => 0,
                Err(_) => {
                    out.clear();
                    return Flushed::Closed;
                }
            };
            if written < len {
                self.sealed.bytes_mut().extend_from_slice(&sealed[written..]);
            }
        }
    }

    /// Seals the front of `out` and takes it off. `None` when the keys are used up or the other side is done.
    fn seal_next(&mut self, out: &mut OutBuffer, sealed: &mut [u8]) -> Option<usize> {
        let front = out.front();
        let front = &front[..front.len().min(SEAL_BYTES)];
        let taken = front.len();
        // Messages of the protocol itself come first: each takes a step, and there are few.
        for _ in 0..8 {
            let mut unread = FrameReader::new();
            let len = advance!(&mut *self.session, &mut self.partial, status => match status.state {
                Ok(ConnectionState::WriteTraffic(mut traffic)) => traffic.encrypt(front, sealed).ok(),
                state => {
                    let again = step(UnbufferedStatus { discard: 0, state }, &mut self.sealed, &mut unread).1;
                    matches!(again, Ok(Step::Again)).then_some(0)
                }
            })?;
            if len > 0 {
                out.consume(taken);
                return Some(len);
            }
            if unread.pending_bytes() > 0 {
                return None;
            }
        }
        None
    }
}

/// Handles one state of rustls. Returns how many bytes it is done with.
fn step<Data>(
    status: UnbufferedStatus<'_, '_, Data>,
    sealed: &mut OutBuffer,
    reader: &mut FrameReader,
) -> (usize, Result<Step, rustls::Error>) {
    let UnbufferedStatus { mut discard, state, .. } = status;
    let stepped = match state {
        Ok(ConnectionState::ReadTraffic(mut traffic)) => {
            let mut read = Ok(Step::Again);
            while let Some(record) = traffic.next_record() {
                match record {
                    Ok(record) => {
                        discard += record.discard;
                        reader.push(record.payload);
                    }
                    Err(error) => read = Err(error),
                }
            }
            read
        }
        Ok(ConnectionState::EncodeTlsData(mut message)) => {
            let out = sealed.bytes_mut();
            let start = out.len();
            let mut encoded = message.encode(&mut []);
            if let Err(EncodeError::InsufficientSize(needed)) = &encoded {
                out.resize(start + needed.required_size, 0);
                encoded = message.encode(&mut out[start..]);
            }
            encoded.map(|_| Step::Again).map_err(|error| rustls::Error::General(error.to_string()))
        }
        // It lies in `sealed`, which goes out before everything else.
        Ok(ConnectionState::TransmitTlsData(message)) => {
            message.done();
            Ok(Step::Again)
        }
        Ok(ConnectionState::BlockedHandshake | ConnectionState::WriteTraffic(_)) => Ok(Step::Rest),
        Ok(ConnectionState::PeerClosed | ConnectionState::Closed) => Ok(Step::Ended),
        // Nothing is offered that could come early.
        Ok(other) => Err(rustls::Error::General(format!("unexpected state {other:?}"))),
        Err(error) => Err(error),
    };
    (discard, stepped)
}
