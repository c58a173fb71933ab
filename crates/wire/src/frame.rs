//! The frame: an 8-byte header `{body length: u32, kind: u16, version: u8, flags: u8}`, little endian, and a body.

use crate::Kind;
use prost::Message;

/// The version this build speaks, in every header.
pub const VERSION: u8 = 1;

/// A longer body is refused. Room for it is made only as its bytes come.
pub const MAX_BODY_BYTES: usize = (1 << 31) - 1;

/// Why bytes are no frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum FrameError {
    /// The kind's number is not known to this version.
    UnknownKind(u16),
    /// The header carries a version that this build does not speak.
    UnknownVersion(u8),
    /// The body would be longer than the limit.
    TooLong(usize),
    /// The body does not have the layout of its kind.
    Malformed(&'static str),
}

impl std::fmt::Display for FrameError {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::UnknownKind(number) => write!(formatter, "frame of unknown kind {number:#06x}"),
            Self::UnknownVersion(version) => {
                write!(formatter, "frame of version {version}; this build speaks version {VERSION}")
            }
            Self::TooLong(len) => write!(formatter, "frame of {len} bytes; the limit is {MAX_BODY_BYTES}"),
            Self::Malformed(what) => write!(formatter, "malformed frame: {what}"),
        }
    }
}

impl std::error::Error for FrameError {}

/// A frame's header.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Header {
    /// Length of the body.
    pub body_len: usize,
    /// What the frame is.
    pub kind: Kind,
    /// Bits whose meaning depends on the kind.
    pub flags: u8,
}

impl Header {
    /// Length of the header itself.
    pub const LEN: usize = 8;

    /// Reads a header; `bytes` has at least `LEN` bytes.
    pub fn parse(bytes: &[u8]) -> Result<Self, FrameError> {
        let [a, b, c, d, e, f, version, flags, ..] = *bytes else {
            return Err(FrameError::Malformed("header shorter than 8 bytes"));
        };
        let body_len = u32::from_le_bytes([a, b, c, d]) as usize;
        if version != VERSION {
            return Err(FrameError::UnknownVersion(version));
        }
        if body_len > MAX_BODY_BYTES {
            return Err(FrameError::TooLong(body_len));
        }
        let number = u16::from_le_bytes([e, f]);
        let kind = Kind::from_number(number).ok_or(FrameError::UnknownKind(number))?;
        Ok(Self { body_len, kind, flags })
    }

    /// The byte form.
    pub fn to_bytes(self) -> [u8; Self::LEN] {
        let [a, b, c, d] = (self.body_len as u32).to_le_bytes();
        let [e, f] = (self.kind as u16).to_le_bytes();
        [a, b, c, d, e, f, VERSION, self.flags]
    }
}

/// Appends a frame with a protobuf body.
pub fn encode_into(kind: Kind, message: &impl Message, out: &mut Vec<u8>) {
    let body_len = message.encoded_len();
    out.reserve(Header::LEN + body_len);
    out.extend_from_slice(&Header { body_len, kind, flags: 0 }.to_bytes());
    // Encoding into a Vec cannot run out of room.
    let _ = message.encode(out);
}

/// A frame with a protobuf body.
pub fn encode(kind: Kind, message: &impl Message) -> Vec<u8> {
    let mut out = Vec::new();
    encode_into(kind, message, &mut out);
    out
}

/// Reads a protobuf body.
pub fn decode<M: Message + Default>(body: &[u8]) -> Result<M, FrameError> {
    M::decode(body).map_err(|_| FrameError::Malformed("body is no message of its kind"))
}

/// Cuts a stream of bytes into frames. Bytes are appended at the end and taken off the front.
#[derive(Debug, Default)]
pub struct FrameReader {
    buffer: Vec<u8>,
    start: usize,
}

impl FrameReader {
    /// A reader with nothing in it.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds received bytes.
    pub fn push(&mut self, bytes: &[u8]) {
        self.compact();
        self.buffer.extend_from_slice(bytes);
    }

    /// Room for `len` bytes to receive into; call `advance` with what came. What lies beyond stays as it was.
    pub fn room(&mut self, len: usize) -> &mut Vec<u8> {
        self.compact();
        self.buffer.reserve(len);
        &mut self.buffer
    }

    /// The next whole frame, if there is one: header and body. The body stays valid until the next call that adds bytes.
    pub fn next_frame(&mut self) -> Result<Option<(Header, &[u8])>, FrameError> {
        let pending = &self.buffer[self.start..];
        if pending.len() < Header::LEN {
            return Ok(None);
        }
        let header = Header::parse(pending)?;
        let end = Header::LEN + header.body_len;
        if pending.len() < end {
            return Ok(None);
        }
        let body_start = self.start + Header::LEN;
        self.start += end;
        Ok(Some((header, &self.buffer[body_start..self.start])))
    }

    /// Bytes that wait for the rest of their frame.
    pub fn pending_bytes(&self) -> usize {
        self.buffer.len() - self.start
    }

    fn compact(&mut self) {
        if self.start == self.buffer.len() {
            self.buffer.clear();
            self.start = 0;
            // One huge message must not keep its memory for ever.
            if self.buffer.capacity() > (1 << 20) {
                self.buffer.shrink_to(1 << 16);
            }
        } else if self.start > (1 << 16) {
            self.buffer.drain(..self.start);
            self.start = 0;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn frames_survive_any_cut() {
        let mut stream = Vec::new();
        for number in 0..5u64 {
            encode_into(Kind::LeaseCancel, &crate::control::LeaseCancel { request_id: number }, &mut stream);
        }
        for cut in 1..stream.len() {
            let mut reader = FrameReader::new();
            let mut seen = Vec::new();
            for chunk in stream.chunks(cut) {
                reader.push(chunk);
                while let Some((header, body)) = reader.next_frame().expect("valid frames") {
                    assert_eq!(header.kind, Kind::LeaseCancel);
                    seen.push(decode::<crate::control::LeaseCancel>(body).expect("valid body").request_id);
                }
            }
            assert_eq!(seen, [0, 1, 2, 3, 4]);
            assert_eq!(reader.pending_bytes(), 0);
        }
    }

    #[test]
    fn what_is_no_frame_is_refused() {
        assert_eq!(Header::parse(&[0, 0, 0, 0, 9, 9, VERSION, 0]), Err(FrameError::UnknownKind(0x0909)));
        assert_eq!(Header::parse(&[0, 0, 0, 0, 1, 1, 9, 0]), Err(FrameError::UnknownVersion(9)));
        assert_eq!(Header::parse(&[0xff; 8]), Err(FrameError::UnknownVersion(0xff)));
        assert_eq!(Header::parse(&[0, 0, 0, 0x80, 1, 1, 1, 0]), Err(FrameError::TooLong(0x8000_0000)));
    }
}
