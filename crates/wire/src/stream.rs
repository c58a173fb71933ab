//! The frames of a generator: an item on its way to its owner, and the owner's leave to make more. Fixed layouts, little endian.
//!
//! `Item`: slot u32, generation u32, attempt u32, number u32 (from 0); then the item in the form of a result. With flag [`ITEM_END`] the
//! number says how many items there were, and nothing follows.
//!
//! `Credit`: slot u32, generation u32, attempt u32, taken u32: so many items were taken. With flag [`CREDIT_STOP`] no more are wanted.

use crate::{FrameError, Header, Kind};

/// In the header of an `Item`: there are no more.
pub const ITEM_END: u8 = 1;
/// In the header of a `Credit`: the generator is to end.
pub const CREDIT_STOP: u8 = 1;

/// The fixed part of an item, and the whole of a credit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Stream {
    /// Place in the owner's table.
    pub slot: u32,
    /// Generation of that place.
    pub generation: u32,
    /// Which attempt.
    pub attempt: u32,
    /// An item's number, how many there were, or how many were taken.
    pub number: u32,
}

impl Stream {
    /// Length of the fixed part.
    pub const LEN: usize = 16;

    /// The header and fixed part of an item that takes `payload_len` bytes.
    pub fn item_head(&self, flags: u8, payload_len: usize) -> [u8; Header::LEN + Self::LEN] {
        self.head(Header { body_len: Self::LEN + payload_len, kind: Kind::StreamItem, flags })
    }

    /// A whole credit.
    pub fn credit(&self, flags: u8) -> [u8; Header::LEN + Self::LEN] {
        self.head(Header { body_len: Self::LEN, kind: Kind::StreamCredit, flags })
    }

    fn head(&self, header: Header) -> [u8; Header::LEN + Self::LEN] {
        let mut head = [0; Header::LEN + Self::LEN];
        head[..8].copy_from_slice(&header.to_bytes());
        head[8..12].copy_from_slice(&self.slot.to_le_bytes());
        head[12..16].copy_from_slice(&self.generation.to_le_bytes());
        head[16..20].copy_from_slice(&self.attempt.to_le_bytes());
        head[20..24].copy_from_slice(&self.number.to_le_bytes());
        head
    }

    /// Reads the body of a frame: the fixed part and what follows it.
    pub fn parse(body: &[u8]) -> Result<(Self, &[u8]), FrameError> {
        let Some((head, rest)) = body.split_at_checked(Self::LEN) else {
            return Err(FrameError::Malformed("stream frame shorter than its fixed part"));
        };
        let number = |at: usize| u32::from_le_bytes([head[at], head[at + 1], head[at + 2], head[at + 3]]);
        Ok((Self { slot: number(0), generation: number(4), attempt: number(8), number: number(12) }, rest))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_frames_have_these_bytes() {
        let stream = Stream { slot: 1, generation: 2, attempt: 3, number: 4 };
        let hex = |frame: &[u8]| frame.iter().map(|byte| format!("{byte:02x}")).collect::<String>();
        assert_eq!(hex(&stream.item_head(ITEM_END, 2)), "120000000e01010101000000020000000300000004000000");
        assert_eq!(hex(&stream.credit(CREDIT_STOP)), "100000000f01010101000000020000000300000004000000");
        assert_eq!(Stream::parse(&stream.credit(0)[Header::LEN..]), Ok((stream, &[][..])));
        assert!(Stream::parse(&[0; 15]).is_err());
    }
}
