//! What goes over a stream. Everything has a fixed length, numbers are little-endian.
//!
//! Request, 100 bytes: `{version u8, kind u8, flags u8, 0 u8, node u32, job 4, object 28, segment u64, offset u64, size u64, from u64, to u64,
//! own segment u64, own offset u64, failed node u32}`: the bytes `from..to` of the object that lies there, which are one span. `node` and
//! `own ...` say who asks and where its copy comes to lie; `failed node`, when the flag for it is set, whom this node named before, in vain.
//!
//! Reply to `get`, 32 bytes: `{status u8, 0 × 3, node u32, segment u64, offset u64, size u64}`; the fields after the status are those of a
//! redirect. After `DATA`, for each chunk `{status u8, bytes}`, and after the last chunk one more status: whether the object was still there.
//! In place of each of these statuses `WAIT` may come any number of times before it: the sender waits for the bytes itself. Any other
//! status is the last byte. Reply to `free`: one status.

use std::io;
use trygon_ids::{JobId, ObjectId, SegmentId};
use trygon_store_core::{CHUNK_BYTES, ObjectLocation, SPAN_BYTES, Source};

/// The version of everything here.
const VERSION: u8 = 2;

pub(crate) const DATA: u8 = 0;
pub(crate) const GONE: u8 = 1;
pub(crate) const REFUSED: u8 = 2;
pub(crate) const REDIRECT: u8 = 3;
/// The sender waits for the bytes itself, in vain.
pub(crate) const FAILED: u8 = 4;
/// The sender waits for the bytes itself, and something does come there.
pub(crate) const WAIT: u8 = 5;
/// The sender got the span anew meanwhile: it is to be asked for again.
pub(crate) const AGAIN: u8 = 6;

const GET: u8 = 1;
const FREE: u8 = 2;
const FLAG_DIRECT: u8 = 1;
const FLAG_FAILED: u8 = 2;

pub(crate) const REQUEST_BYTES: usize = 100;
pub(crate) const REPLY_BYTES: usize = 32;

/// What is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Ask {
    /// The bytes of a range.
    Get { from: u64, to: u64 },
    /// The owner needs the object no more.
    Free,
}

/// A request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Request {
    pub(crate) ask: Ask,
    pub(crate) job: JobId,
    pub(crate) object: ObjectId,
    /// Where it lies at the one that is asked.
    pub(crate) location: ObjectLocation,
    /// Who asks, and where its copy comes to lie.
    pub(crate) asker: Source,
}

/// The head of a reply.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reply {
    Data,
    Gone,
    Refused,
    Redirect(Source),
}

struct Fields<'a>(&'a [u8]);

impl Fields<'_> {
    fn take<const LEN: usize>(&mut self) -> [u8; LEN] {
        let mut field = [0; LEN];
        if let Some((head, tail)) = self.0.split_at_checked(LEN) {
            field.copy_from_slice(head);
            self.0 = tail;
        }
        field
    }

    fn number(&mut self) -> u64 {
        u64::from_le_bytes(self.take())
    }
}

impl Request {
    /// The owner of an object needs it no more.
    pub(crate) fn free(object: ObjectId, location: ObjectLocation, asker: Source) -> Self {
        Self { ask: Ask::Free, job: object.task_id().job_id(), object, location, asker }
    }

    pub(crate) fn encode(&self) -> [u8; REQUEST_BYTES] {
        let (kind, from, to) = match self.ask {
            Ask::Get { from, to } => (GET, from, to),
            Ask::Free => (FREE, 0, 0),
        };
        let direct = if self.asker.is_direct { FLAG_DIRECT } else { 0 };
        let flags = direct | if self.asker.failed_node.is_some() { FLAG_FAILED } else { 0 };
        let mut bytes = Vec::with_capacity(REQUEST_BYTES);
        bytes.extend_from_slice(&[VERSION, kind, flags, 0]);
        bytes.extend_from_slice(&self.asker.node.to_le_bytes());
        bytes.extend_from_slice(self.job.as_bytes());
        bytes.extend_from_slice(self.object.as_bytes());
        let ObjectLocation { segment, offset_bytes, size_bytes } = self.location;
        let own = self.asker.location;
        for number in [segment.0, offset_bytes, size_bytes, from, to, own.segment.0, own.offset_bytes] {
            bytes.extend_from_slice(&number.to_le_bytes());
        }
        bytes.extend_from_slice(&self.asker.failed_node.unwrap_or(0).to_le_bytes());
        let mut fixed = [0; REQUEST_BYTES];
        fixed[..bytes.len()].copy_from_slice(&bytes);
        fixed
    }

    pub(crate) fn parse(bytes: &[u8; REQUEST_BYTES]) -> io::Result<Self> {
        let mut fields = Fields(bytes);
        let [version, kind, flags, _] = fields.take();
        let node = u32::from_le_bytes(fields.take());
        let (job, object) = (JobId::new(fields.take()), ObjectId::new(fields.take()));
        let segment = SegmentId(fields.number());
        let (offset_bytes, size_bytes) = (fields.number(), fields.number());
        let (from, to) = (fields.number(), fields.number());
        let location = ObjectLocation { segment, offset_bytes, size_bytes };
        let own_segment = SegmentId(fields.number());
        let own = ObjectLocation { segment: own_segment, offset_bytes: fields.number(), size_bytes };
        let failed_node = Some(u32::from_le_bytes(fields.take())).filter(|_| flags & FLAG_FAILED != 0);
        let is_span = |from: u64, to: u64| {
            from.is_multiple_of(SPAN_BYTES) && to.checked_sub(from).is_some_and(|length| length <= SPAN_BYTES)
        };
        let invalid = |message: &str| io::Error::new(io::ErrorKind::InvalidData, message.to_owned());
        if version != VERSION {
            return Err(invalid("a request of another version"));
        }
        if offset_bytes.checked_add(size_bytes).is_none() {
            return Err(invalid("a request for an object beyond any segment"));
        }
        let ask = match kind {
            GET if is_span(from, to) && to <= size_bytes => Ask::Get { from, to },
            FREE => Ask::Free,
            _ => return Err(invalid("a request for no range")),
        };
        let asker = Source { node, location: own, is_direct: flags & FLAG_DIRECT != 0, failed_node };
        Ok(Self { ask, job, object, location, asker })
    }
}

impl Reply {
    pub(crate) fn encode(&self) -> [u8; REPLY_BYTES] {
        let mut bytes = [0; REPLY_BYTES];
        bytes[0] = match self {
            Self::Data => DATA,
            Self::Gone => GONE,
            Self::Refused => REFUSED,
            Self::Redirect(source) => {
                let ObjectLocation { segment, offset_bytes, size_bytes } = source.location;
                bytes[4..8].copy_from_slice(&source.node.to_le_bytes());
                bytes[8..16].copy_from_slice(&segment.0.to_le_bytes());
                bytes[16..24].copy_from_slice(&offset_bytes.to_le_bytes());
                bytes[24..32].copy_from_slice(&size_bytes.to_le_bytes());
                REDIRECT
            }
        };
        bytes
    }

    pub(crate) fn parse(bytes: &[u8; REPLY_BYTES]) -> io::Result<Self> {
        let mut fields = Fields(bytes);
        let [status, ..] = fields.take::<4>();
        let node = u32::from_le_bytes(fields.take());
        let segment = SegmentId(fields.number());
        let location = ObjectLocation { segment, offset_bytes: fields.number(), size_bytes: fields.number() };
        match status {
            DATA => Ok(Self::Data),
            GONE => Ok(Self::Gone),
            REFUSED => Ok(Self::Refused),
            REDIRECT => Ok(Self::Redirect(Source { node, location, is_direct: false, failed_node: None })),
            _ => Err(io::Error::new(io::ErrorKind::InvalidData, "a reply with an unknown status")),
        }
    }
}

/// Where the chunks of a range begin and end.
pub(crate) fn chunks(from: u64, to: u64) -> impl Iterator<Item = (u64, u64)> {
    (from..to).step_by(CHUNK_BYTES as usize).map(move |start| (start, (start + CHUNK_BYTES).min(to)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn requests_and_replies_survive_and_nonsense_is_refused() {
        let at =
            |segment, offset_bytes| ObjectLocation { segment: SegmentId(segment), offset_bytes, size_bytes: 19 << 20 };
        let asker = Source { node: 3, location: at(3 << 40 | 5, 128), is_direct: true, failed_node: Some(9) };
        let request = Request {
            ask: Ask::Get { from: 16 << 20, to: 19 << 20 },
            job: JobId::new([1, 2, 3, 4]),
            object: ObjectId::new([7; 28]),
            location: at(1 << 40 | 2, 64),
            asker,
        };
        assert_eq!(Request::parse(&request.encode()).expect("well formed"), request);
        let free = Request { ask: Ask::Free, ..request };
        assert_eq!(Request::parse(&free.encode()).expect("well formed"), free);
        for (from, to) in [(5, 10), (16 << 20, 20 << 20), (0, 9 << 20), (16 << 20, 1 << 20)] {
            let ask = Ask::Get { from, to };
            assert!(Request::parse(&Request { ask, ..request }.encode()).is_err());
        }
        let mut other_version = request.encode();
        other_version[0] = 9;
        assert!(Request::parse(&other_version).is_err());
        let redirect = Source { is_direct: false, failed_node: None, ..asker };
        for reply in [Reply::Data, Reply::Gone, Reply::Refused, Reply::Redirect(redirect)] {
            assert_eq!(Reply::parse(&reply.encode()).expect("well formed"), reply);
        }
        assert!(Reply::parse(&[9; REPLY_BYTES]).is_err());
    }

    #[test]
    fn chunks_cover_a_range() {
        let parts: Vec<_> = chunks(CHUNK_BYTES, 3 * CHUNK_BYTES + 5).collect();
        let unit = CHUNK_BYTES;
        assert_eq!(parts, [(unit, 2 * unit), (2 * unit, 3 * unit), (3 * unit, 3 * unit + 5)]);
        assert_eq!(chunks(0, 0).count(), 0);
    }
}
