//! A value in its byte form, its large parts still where Python has them.

use crate::errors;
use crate::session::Session;
use pyo3::buffer::PyBuffer;
use pyo3::prelude::*;
use pyo3::types::PyBytes;
use std::sync::Arc;
use trygon_ids::{ObjectId, WorkerId};
use trygon_worker::core::{Location, Reference};

/// Larger values go to shared memory.
pub(crate) const INLINE_BYTES: usize = 100 << 10;
/// Buffers begin at multiples of this, counted from the beginning of the value.
pub(crate) const ALIGNMENT: usize = 64;

/// A large part, borrowed from Python.
pub(crate) enum Part {
    /// The memory of a `bytes` object.
    Bytes(Py<PyBytes>),
    /// The memory behind a `PickleBuffer`.
    Buffer(PyBuffer<u8>),
}

impl Part {
    fn as_slice<'a>(&'a self, py: Python<'a>) -> &'a [u8] {
        match self {
            Self::Bytes(bytes) => bytes.as_bytes(py),
            // SAFETY: the buffer is contiguous (checked when it was taken), the view keeps it alive and in place while `self` lives, and the
            // GIL is held, so that no Python code changes it during the copy.
            Self::Buffer(buffer) => unsafe {
                std::slice::from_raw_parts(buffer.buf_ptr().cast::<u8>(), buffer.len_bytes())
            },
        }
    }
}

/// A value's byte form: `head`, then each part at its alignment.
#[derive(Default)]
pub(crate) struct Encoded {
    pub(crate) head: Vec<u8>,
    pub(crate) parts: Vec<Part>,
    /// References inside the value.
    pub(crate) contained: Vec<Reference>,
}

/// Up to the next multiple of the alignment.
pub(crate) fn aligned(len: usize) -> usize {
    len.next_multiple_of(ALIGNMENT)
}

impl Encoded {
    /// Length of the whole byte form.
    pub(crate) fn len(&self, py: Python<'_>) -> usize {
        self.parts.iter().fold(self.head.len(), |len, part| aligned(len) + part.as_slice(py).len())
    }

    /// Whether it travels inside messages.
    pub(crate) fn is_inline(&self, py: Python<'_>) -> bool {
        self.head.len() <= INLINE_BYTES && (self.parts.is_empty() || self.len(py) <= INLINE_BYTES)
    }

    /// The whole byte form, copied together.
    pub(crate) fn flatten(&mut self, py: Python<'_>) -> &[u8] {
        for part in std::mem::take(&mut self.parts) {
            self.head.resize(aligned(self.head.len()), 0);
            self.head.extend_from_slice(part.as_slice(py));
        }
        &self.head
    }

    /// Writes it into shared memory, one copy, and seals it.
    pub(crate) fn store(
        &self,
        py: Python<'_>,
        session: &Arc<Session>,
        object: ObjectId,
        owner: WorkerId,
    ) -> PyResult<Location> {
        let size_bytes = self.len(py);
        let runtime = &session.runtime;
        let reserved = crate::gil::detached(py, || runtime.reserve(size_bytes as u64));
        let mut write = reserved.map_err(|error| errors::store(py, &error))?;
        const PADDING: [u8; ALIGNMENT] = [0; ALIGNMENT];
        let mut slices: Vec<&[u8]> = vec![&self.head];
        let mut written = self.head.len();
        for part in &self.parts {
            let bytes = part.as_slice(py);
            slices.push(&PADDING[..aligned(written) - written]);
            slices.push(bytes);
            written = aligned(written) + bytes.len();
        }
        write.write(&slices);
        Ok(runtime.seal(write, object, owner))
    }
}
