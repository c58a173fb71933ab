//! The hot frames: a task on its way to a worker, and its reply. Fixed layouts, little endian, read in place.
//!
//! What every task of a connection shares (job, owner, incarnations) was settled when the daemon made the connection; the function and the lease
//! were bound to short numbers by earlier frames. What is left:
//!
//! `Push`: slot u32, generation u32, attempt u32, function u32, sequence u64, lease u32, returns u16, depth u16, then, when
//! flag `FLAG_OPTIONAL` is set, u32 length and that many bytes of optional fields; then the dependencies and arguments.
//!
//! `Done`: slot u32, generation u32, attempt u32, execution time u32 (ns, saturating), status u8, flags u8, returns u16; then each return.

use crate::{FrameError, Header, Kind};

/// Optional fields (deadline, trace context, ...) follow the fixed part; readers skip what they do not know.
pub const FLAG_OPTIONAL: u8 = 1;
/// The push is a call of an actor's method.
pub const FLAG_ACTOR: u8 = 2;
/// The task is tried again when its worker dies: of two workers, this one's end loses less.
pub const FLAG_RETRIABLE: u8 = 4;

/// The task returned.
pub const STATUS_OK: u8 = 0;
/// User code raised; the first return holds the encoded error.
pub const STATUS_ERROR: u8 = 1;
/// The worker could not run it (function missing, arguments could not be read); the first return holds the encoded error.
pub const STATUS_SYSTEM_ERROR: u8 = 2;
/// The task was cancelled; there are no returns, or an error that says where it was interrupted.
pub const STATUS_CANCELLED: u8 = 3;
/// As `STATUS_ERROR`, but the error is none of those that are worth another attempt.
pub const STATUS_FINAL_ERROR: u8 = 4;

/// In `Done.flags`: a list of references that the worker kept follows the returns (OWN-4).
pub const DONE_KEPT: u8 = 1;
/// In `Done.flags`: the worker exits after this reply (`max_calls`).
pub const DONE_EXITING: u8 = 2;

/// The fixed part of a task.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Push {
    /// Place in the owner's table.
    pub slot: u32,
    /// Generation of that place.
    pub generation: u32,
    /// Which attempt, from 0.
    pub attempt: u32,
    /// Number given by `FunctionDefine`.
    pub function: u32,
    /// The caller's sequence: for an actor, the order of its calls.
    pub sequence: u64,
    /// Low half of the lease's id.
    pub lease: u32,
    /// How many values it returns.
    pub num_returns: u16,
    /// How deep it is nested.
    pub depth: u16,
}

/// The fixed part of a reply.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Done {
    /// Place in the owner's table.
    pub slot: u32,
    /// Generation of that place.
    pub generation: u32,
    /// Which attempt.
    pub attempt: u32,
    /// How long it ran.
    pub execution_ns: u32,
    /// `STATUS_*`.
    pub status: u8,
    /// `DONE_*`.
    pub flags: u8,
    /// How many values follow.
    pub num_returns: u16,
}

fn u16_at(bytes: &[u8], at: usize) -> u16 {
    u16::from_le_bytes([bytes[at], bytes[at + 1]])
}

fn u32_at(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}

fn u64_at(bytes: &[u8], at: usize) -> u64 {
    u64::from(u32_at(bytes, at)) | u64::from(u32_at(bytes, at + 4)) << 32
}

impl Push {
    /// Length of the fixed part.
    pub const LEN: usize = 32;

    /// Appends a whole frame; `payload` is dependencies and arguments.
    pub fn write(&self, flags: u8, payload: &[u8], out: &mut Vec<u8>) {
        let header = Header { body_len: Self::LEN + payload.len(), kind: Kind::TaskPush, flags };
        let mut head = [0; Header::LEN + Self::LEN];
        head[..8].copy_from_slice(&header.to_bytes());
        head[8..12].copy_from_slice(&self.slot.to_le_bytes());
        head[12..16].copy_from_slice(&self.generation.to_le_bytes());
        head[16..20].copy_from_slice(&self.attempt.to_le_bytes());
        head[20..24].copy_from_slice(&self.function.to_le_bytes());
        head[24..32].copy_from_slice(&self.sequence.to_le_bytes());
        head[32..36].copy_from_slice(&self.lease.to_le_bytes());
        head[36..38].copy_from_slice(&self.num_returns.to_le_bytes());
        head[38..40].copy_from_slice(&self.depth.to_le_bytes());
        out.extend_from_slice(&head);
        out.extend_from_slice(payload);
    }

    /// Reads the body of a frame: the fixed part and the payload.
    pub fn parse(flags: u8, body: &[u8]) -> Result<(Self, &[u8]), FrameError> {
        if body.len() < Self::LEN {
            return Err(FrameError::Malformed("task shorter than its fixed part"));
        }
        let push = Self {
            slot: u32_at(body, 0),
            generation: u32_at(body, 4),
            attempt: u32_at(body, 8),
            function: u32_at(body, 12),
            sequence: u64_at(body, 16),
            lease: u32_at(body, 24),
            num_returns: u16_at(body, 28),
            depth: u16_at(body, 30),
        };
        let mut payload = &body[Self::LEN..];
        if flags & FLAG_OPTIONAL != 0 {
            let len = payload.get(..4).map(|head| u32_at(head, 0) as usize);
            payload = len
                .and_then(|len| payload.get(4 + len..))
                .ok_or(FrameError::Malformed("optional fields longer than the task"))?;
        }
        Ok((push, payload))
    }
}

impl Done {
    /// Length of the fixed part.
    pub const LEN: usize = 20;

    /// The header and fixed part of a frame whose returns take `payload_len` bytes.
    pub fn head(&self, payload_len: usize) -> [u8; Header::LEN + Self::LEN] {
        let header = Header { body_len: Self::LEN + payload_len, kind: Kind::TaskDone, flags: 0 };
        let mut head = [0; Header::LEN + Self::LEN];
        head[..8].copy_from_slice(&header.to_bytes());
        head[8..12].copy_from_slice(&self.slot.to_le_bytes());
        head[12..16].copy_from_slice(&self.generation.to_le_bytes());
        head[16..20].copy_from_slice(&self.attempt.to_le_bytes());
        head[20..24].copy_from_slice(&self.execution_ns.to_le_bytes());
        head[24] = self.status;
        head[25] = self.flags;
        head[26..28].copy_from_slice(&self.num_returns.to_le_bytes());
        head
    }

    /// Reads the body of a frame: the fixed part and the returns.
    pub fn parse(body: &[u8]) -> Result<(Self, &[u8]), FrameError> {
        if body.len() < Self::LEN {
            return Err(FrameError::Malformed("reply shorter than its fixed part"));
        }
        let done = Self {
            slot: u32_at(body, 0),
            generation: u32_at(body, 4),
            attempt: u32_at(body, 8),
            execution_ns: u32_at(body, 12),
            status: body[16],
            flags: body[17],
            num_returns: u16_at(body, 18),
        };
        Ok((done, &body[Self::LEN..]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_task_has_these_bytes() {
        let push =
            Push { slot: 1, generation: 2, attempt: 3, function: 4, sequence: 5, lease: 6, num_returns: 7, depth: 8 };
        let mut frame = Vec::new();
        push.write(FLAG_ACTOR, &[0xaa], &mut frame);
        let hex: String = frame.iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(
            hex,
            "210000000101010201000000020000000300000004000000050000000000000006000000070008 00aa".replace(' ', "")
        );
        assert_eq!(Push::parse(FLAG_ACTOR, &frame[8..]), Ok((push, &[0xaa][..])));
    }

    #[test]
    fn a_reply_has_these_bytes() {
        let done = Done { slot: 1, generation: 2, attempt: 3, execution_ns: 4, status: 5, flags: 6, num_returns: 7 };
        let frame = done.head(0);
        let hex: String = frame.iter().map(|byte| format!("{byte:02x}")).collect();
        assert_eq!(hex, "140000000201010001000000020000000300000004000000 05060700".replace(' ', ""));
        assert_eq!(Done::parse(&frame[8..]), Ok((done, &[][..])));
    }

    #[test]
    fn optional_fields_are_skipped() {
        let push = Push::default();
        let mut frame = Vec::new();
        push.write(FLAG_OPTIONAL, &[3, 0, 0, 0, 1, 2, 3, 0xbb], &mut frame);
        assert_eq!(Push::parse(FLAG_OPTIONAL, &frame[8..]), Ok((push, &[0xbb][..])));
        assert!(Push::parse(FLAG_OPTIONAL, &frame[8..frame.len() - 5]).is_err());
    }
}
