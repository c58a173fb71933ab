//! One event of the journal, in bytes, with a checksum.

use crate::storage::LargeBody;
use trygon_ids::NodeId;

/// Bytes before the label: index, time, node, checksum, whether there is a large value, length of the label.
const HEADER_BYTES: usize = 8 + 8 + NodeId::LEN + 4 + 1 + 1;

/// One event.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// Its place among all events of the cluster, from 1, without a gap.
    pub index: u64,
    /// The head's clock when it came, in microseconds since 1970; never goes back from one record to the next.
    pub at_us: u64,
    /// The node that it came from; nil for the control service itself.
    pub origin: NodeId,
    /// What it is, in a word, for whoever looks at the journal. At most 255 bytes.
    pub label: String,
    /// The event.
    pub body: Vec<u8>,
    /// A large value that belongs into it, kept beside it.
    pub large: Option<LargeBody>,
}

impl Record {
    /// The checksum over everything in it.
    pub fn checksum(&self) -> u32 {
        let mut checksum = Checksum::new();
        checksum.add(&self.index.to_le_bytes());
        checksum.add(&self.at_us.to_le_bytes());
        checksum.add(self.origin.as_bytes());
        checksum.add(&[u8::from(self.large.is_some()), self.label_bytes().len() as u8]);
        checksum.add(self.label_bytes());
        if let Some(large) = &self.large {
            checksum.add(&large.digest);
        }
        checksum.add(&self.body);
        checksum.finish()
    }

    /// What it takes in a journal, in bytes, without its large value.
    pub fn size_bytes(&self) -> u64 {
        let digest_bytes = self.large.as_ref().map_or(0, |large| large.digest.len());
        (HEADER_BYTES + self.label_bytes().len() + digest_bytes + self.body.len()) as u64
    }

    /// The byte form.
    pub fn encode(&self) -> Vec<u8> {
        let mut bytes = Vec::with_capacity(self.size_bytes() as usize);
        self.encode_into(&mut bytes);
        bytes
    }

    /// Adds the byte form.
    pub(crate) fn encode_into(&self, bytes: &mut Vec<u8>) {
        let label = self.label_bytes();
        bytes.extend_from_slice(&self.checksum().to_le_bytes());
        bytes.extend_from_slice(&self.index.to_le_bytes());
        bytes.extend_from_slice(&self.at_us.to_le_bytes());
        bytes.extend_from_slice(self.origin.as_bytes());
        bytes.push(u8::from(self.large.is_some()));
        bytes.push(label.len() as u8);
        bytes.extend_from_slice(label);
        if let Some(large) = &self.large {
            bytes.extend_from_slice(&large.digest);
        }
        bytes.extend_from_slice(&self.body);
    }

    /// Reads the byte form; `None` when it is not what was written. The large value is to be fetched by its digest.
    pub fn decode(bytes: &[u8]) -> Option<Self> {
        let (checksum, bytes) = bytes.split_first_chunk::<4>()?;
        let (index, bytes) = bytes.split_first_chunk::<8>()?;
        let (at_us, bytes) = bytes.split_first_chunk::<8>()?;
        let (origin, bytes) = bytes.split_first_chunk::<{ NodeId::LEN }>()?;
        let (has_large, bytes) = bytes.split_first()?;
        let (label_len, bytes) = bytes.split_first()?;
        let (label, mut body) = bytes.split_at_checked(usize::from(*label_len))?;
        let mut large = None;
        if *has_large > 0 {
            let (digest, rest) = body.split_first_chunk::<32>()?;
            large = Some(LargeBody { digest: *digest, bytes: Vec::new() });
            body = rest;
        }
        let record = Self {
            index: u64::from_le_bytes(*index),
            at_us: u64::from_le_bytes(*at_us),
            origin: NodeId::new(*origin),
            label: String::from_utf8(label.to_vec()).ok()?,
            body: body.to_vec(),
            large,
        };
        (*has_large < 2 && record.checksum() == u32::from_le_bytes(*checksum)).then_some(record)
    }

    fn label_bytes(&self) -> &[u8] {
        let mut end = self.label.len().min(usize::from(u8::MAX));
        while !self.label.is_char_boundary(end) {
            end -= 1;
        }
        &self.label.as_bytes()[..end]
    }
}

/// CRC-32 with the reflected polynomial of Ethernet (IEEE 802.3).
#[derive(Debug)]
pub(crate) struct Checksum(u32);

impl Checksum {
    /// Of nothing yet.
    pub(crate) const fn new() -> Self {
        Self(u32::MAX)
    }

    /// Takes these bytes in.
    pub(crate) fn add(&mut self, bytes: &[u8]) {
        self.0 = bytes.iter().fold(self.0, |sum, byte| TABLE[usize::from(sum as u8 ^ byte)] ^ (sum >> 8));
    }

    /// The sum.
    pub(crate) const fn finish(self) -> u32 {
        !self.0
    }
}

const TABLE: [u32; 256] = table();

const fn table() -> [u32; 256] {
    let mut table = [0; 256];
    let mut index = 0;
    while index < 256 {
        let mut value = index as u32;
        let mut bit = 0;
        while bit < 8 {
            value = if value & 1 == 1 { (value >> 1) ^ 0xEDB8_8320 } else { value >> 1 };
            bit += 1;
        }
        table[index] = value;
        index += 1;
    }
    table
}

#[cfg(test)]
mod tests {
    use super::{Checksum, LargeBody, Record};
    use trygon_ids::NodeId;

    #[test]
    fn the_checksum_is_the_well_known_one() {
        let mut checksum = Checksum::new();
        checksum.add(b"1234");
        checksum.add(b"56789");
        assert_eq!(checksum.finish(), 0xCBF4_3926);
    }

    #[test]
    fn every_changed_byte_and_every_missing_one_is_seen() {
        for large in [None, Some(LargeBody { digest: [9; 32], bytes: Vec::new() })] {
            let (origin, label) = (NodeId::new([3; 28]), "kv_put".to_owned());
            let record = Record { index: 7, at_us: 9, origin, label, body: vec![1; 40], large };
            let bytes = record.encode();
            assert_eq!(bytes.len() as u64, record.size_bytes());
            assert_eq!(Record::decode(&bytes), Some(record));
            for place in 0..bytes.len() {
                for bit in 0..8 {
                    let mut changed = bytes.clone();
                    changed[place] ^= 1 << bit;
                    assert_eq!(Record::decode(&changed), None, "byte {place}");
                }
                assert_eq!(Record::decode(&bytes[..place]), None, "{place} bytes");
            }
        }
    }

    #[test]
    fn a_label_that_is_too_long_is_shortened_between_letters() {
        let record =
            Record { index: 1, at_us: 0, origin: NodeId::nil(), label: "ä".repeat(200), body: vec![], large: None };
        let read = Record::decode(&record.encode()).expect("sound");
        assert_eq!(read.label, "ä".repeat(127));
    }
}
