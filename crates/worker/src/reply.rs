//! The results in a reply: `{form u8, contained u32, body, each contained: object 28, owner 28}` for each, where the body is
//! `{length u32, bytes}` for a value (0) or an error (2), and `{segment u64, offset u64, length u64}` for a stored one (1). After them,
//! when the reply says so, the references that the executor kept: `{number u32, each: object 28, owner 28}`.

use trygon_ids::{ObjectId, SegmentId, WorkerId};
use trygon_worker_core::{Location, Reference, Returned, SmallBytes, Value};

const INLINE: u8 = 0;
const STORED: u8 = 1;
const ERROR: u8 = 2;

/// One result on its way out.
#[derive(Debug)]
pub enum ReturnedValue<'a> {
    /// An encoded value and the references inside it.
    Inline(&'a [u8], &'a [Reference]),
    /// Where it lies in shared memory, and the references inside it.
    Stored(Location, &'a [Reference]),
    /// An error's byte form.
    Error(&'a [u8]),
}

pub(crate) fn put_references(references: &[Reference], out: &mut Vec<u8>) {
    for reference in references {
        out.extend_from_slice(reference.object.as_bytes());
        out.extend_from_slice(reference.owner.as_bytes());
    }
}

pub(crate) fn put_return(returned: &ReturnedValue<'_>, out: &mut Vec<u8>) {
    let head = |form: u8, contained: &[Reference], out: &mut Vec<u8>| {
        out.push(form);
        out.extend_from_slice(&(contained.len() as u32).to_le_bytes());
    };
    match returned {
        ReturnedValue::Inline(bytes, contained) => {
            head(INLINE, contained, out);
            out.extend_from_slice(&(bytes.len() as u32).to_le_bytes());
            out.extend_from_slice(bytes);
            put_references(contained, out);
        }
        ReturnedValue::Stored(location, contained) => {
            head(STORED, contained, out);
            out.extend_from_slice(&location.segment.0.to_le_bytes());
            out.extend_from_slice(&location.offset_bytes.to_le_bytes());
            out.extend_from_slice(&location.size_bytes.to_le_bytes());
            put_references(contained, out);
        }
        ReturnedValue::Error(bytes) => {
            head(ERROR, &[], out);
            out.extend_from_slice(&(bytes.len() as u32).to_le_bytes());
            out.extend_from_slice(bytes);
        }
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

    fn references(&mut self, count: usize) -> Option<Vec<Reference>> {
        let mut references = Vec::new();
        for _ in 0..count {
            let object = ObjectId::from_bytes(self.take(ObjectId::LEN)?).ok()?;
            let owner = WorkerId::from_bytes(self.take(WorkerId::LEN)?).ok()?;
            references.push(Reference { object, owner });
        }
        Some(references)
    }

    fn returned(&mut self) -> Option<Returned> {
        let form = self.take(1)?[0];
        let contained = self.u32()?;
        let value = match form {
            INLINE => {
                let len = self.u32()?;
                Value::Inline(SmallBytes::copy_of(self.take(len)?))
            }
            STORED => {
                let segment = SegmentId(self.u64()?);
                Value::Stored(Location { segment, offset_bytes: self.u64()?, size_bytes: self.u64()? })
            }
            ERROR => {
                let len = self.u32()?;
                Value::Error(self.take(len)?.into())
            }
            _ => return None,
        };
        Some(Returned { value, contained: self.references(contained)? })
    }
}

/// Reads `count` results into `returns`, and the references that were kept if `has_kept`. `None` when the bytes are malformed.
pub fn parse_returns(bytes: &[u8], count: u16, has_kept: bool, returns: &mut Vec<Returned>) -> Option<Vec<Reference>> {
    let mut reader = Reader(bytes);
    for _ in 0..count {
        returns.push(reader.returned()?);
    }
    if !has_kept {
        return Some(Vec::new());
    }
    let kept = reader.u32()?;
    reader.references(kept)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn results_survive_and_cuts_are_refused() {
        let inner = Reference { object: ObjectId::new([1; 28]), owner: WorkerId::new([2; 28]) };
        let location = Location { segment: SegmentId(1), offset_bytes: 64, size_bytes: 3 };
        let mut bytes = Vec::new();
        put_return(&ReturnedValue::Inline(b"abc", &[inner]), &mut bytes);
        put_return(&ReturnedValue::Stored(location, &[]), &mut bytes);
        put_return(&ReturnedValue::Error(b"boom"), &mut bytes);
        bytes.extend_from_slice(&1u32.to_le_bytes());
        put_references(&[inner], &mut bytes);
        let mut returns = Vec::new();
        assert_eq!(parse_returns(&bytes, 3, true, &mut returns), Some(vec![inner]));
        assert_eq!(returns[0].contained, [inner]);
        assert!(matches!(returns[1].value, Value::Stored(stored) if stored == location));
        assert!(matches!(&returns[2].value, Value::Error(error) if **error == *b"boom"));
        for cut in 0..bytes.len() {
            assert_eq!(parse_returns(&bytes[..cut], 3, true, &mut Vec::new()), None, "cut at {cut}");
        }
    }
}
