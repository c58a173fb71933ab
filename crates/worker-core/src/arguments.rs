//! The byte form of a task's payload: `{dependencies: u32, each dependency}`, then the arguments, opaque here.
//!
//! A dependency: object 28, owner 28, form u8 (0 inline, 1 stored, 2 to be asked for), inline: `{length u32, bytes}`, stored: `{segment u64, offset u64,
//! length u64}`; then `{contained: u32, each: object 28, owner 28}`.

use crate::entry::{Location, Reference, Value};
use trygon_ids::{ObjectId, SegmentId, WorkerId};

/// A payload without dependencies begins with this.
pub(crate) const NO_DEPENDENCIES: [u8; 4] = [0; 4];

const INLINE: u8 = 0;
const STORED: u8 = 1;
const AWAITED: u8 = 2;

/// One dependency, read in place.
#[derive(Debug, PartialEq, Eq)]
pub struct DependencyView<'a> {
    /// The object and its owner.
    pub reference: Reference,
    /// The encoded value, when it travels inline.
    pub inline: Option<&'a [u8]>,
    /// Where it lies otherwise; with neither, it is to be asked for.
    pub stored: Option<Location>,
    /// References inside it.
    pub contained: Vec<Reference>,
}

fn put_reference(out: &mut Vec<u8>, reference: &Reference) {
    out.extend_from_slice(reference.object.as_bytes());
    out.extend_from_slice(reference.owner.as_bytes());
}

/// Appends a dependency. For a task its value is there and is no error.
pub(crate) fn put_dependency(out: &mut Vec<u8>, reference: &Reference, value: &Value, contained: &[Reference]) {
    put_reference(out, reference);
    match value {
        Value::Inline(bytes) => {
            out.push(INLINE);
            out.extend_from_slice(&(bytes.as_slice().len() as u32).to_le_bytes());
            out.extend_from_slice(bytes.as_slice());
        }
        Value::Stored(location) => {
            out.push(STORED);
            out.extend_from_slice(&location.segment.0.to_le_bytes());
            out.extend_from_slice(&location.offset_bytes.to_le_bytes());
            out.extend_from_slice(&location.size_bytes.to_le_bytes());
        }
        // Only a constructor is sent before its arguments exist: it asks for them itself.
        Value::Pending | Value::Error(_) => out.push(AWAITED),
    }
    out.extend_from_slice(&(contained.len() as u32).to_le_bytes());
    for inner in contained {
        put_reference(out, inner);
    }
}

struct Reader<'a>(&'a [u8]);

impl<'a> Reader<'a> {
    fn take(&mut self, len: usize) -> Option<&'a [u8]> {
        let (head, tail) = self.0.split_at_checked(len)?;
        self.0 = tail;
        Some(head)
    }

    fn u32(&mut self) -> Option<usize> {
        let bytes = self.take(4)?;
        Some(u32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]) as usize)
    }

    fn u64(&mut self) -> Option<u64> {
        let mut word = [0; 8];
        word.copy_from_slice(self.take(8)?);
        Some(u64::from_le_bytes(word))
    }

    fn reference(&mut self) -> Option<Reference> {
        let object = ObjectId::from_bytes(self.take(ObjectId::LEN)?).ok()?;
        let owner = WorkerId::from_bytes(self.take(WorkerId::LEN)?).ok()?;
        Some(Reference { object, owner })
    }

    fn dependency(&mut self) -> Option<DependencyView<'a>> {
        let reference = self.reference()?;
        let (inline, stored) = match self.take(1)?[0] {
            INLINE => {
                let len = self.u32()?;
                (Some(self.take(len)?), None)
            }
            STORED => {
                let segment = SegmentId(self.u64()?);
                (None, Some(Location { segment, offset_bytes: self.u64()?, size_bytes: self.u64()? }))
            }
            AWAITED => (None, None),
            _ => return None,
        };
        let mut contained = Vec::new();
        for _ in 0..self.u32()? {
            contained.push(self.reference()?);
        }
        Some(DependencyView { reference, inline, stored, contained })
    }
}

/// Reads the dependencies of a payload; what is left are the arguments. `None` when the bytes are malformed.
pub fn read_dependencies(payload: &[u8]) -> Option<(Vec<DependencyView<'_>>, &[u8])> {
    let mut reader = Reader(payload);
    let count = reader.u32()?;
    let mut dependencies = Vec::new();
    for _ in 0..count {
        dependencies.push(reader.dependency()?);
    }
    Some((dependencies, reader.0))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::bytes::SmallBytes;

    fn reference(byte: u8) -> Reference {
        Reference { object: ObjectId::new([byte; 28]), owner: WorkerId::new([byte; 28]) }
    }

    #[test]
    fn dependencies_survive_and_cuts_are_refused() {
        let location = Location { segment: SegmentId(3), offset_bytes: 64, size_bytes: 100 };
        let mut bytes = 2u32.to_le_bytes().to_vec();
        put_dependency(&mut bytes, &reference(1), &Value::Inline(SmallBytes::copy_of(b"abc")), &[reference(9)]);
        put_dependency(&mut bytes, &reference(2), &Value::Stored(location), &[]);
        let dependencies_end = bytes.len();
        bytes.extend_from_slice(b"rest");
        let (dependencies, rest) = read_dependencies(&bytes).expect("well formed");
        assert_eq!(rest, b"rest");
        assert_eq!((dependencies[0].inline, &dependencies[0].contained[..]), (Some(&b"abc"[..]), &[reference(9)][..]));
        assert_eq!(dependencies[1].stored, Some(location));
        for cut in 0..dependencies_end {
            assert!(read_dependencies(&bytes[..cut]).is_none(), "cut at {cut}");
        }
    }
}
