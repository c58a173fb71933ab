//! Bytes that need no allocation while they are few, as most arguments and results are.

/// Up to 22 bytes in place, more on the heap. 24 bytes large.
#[derive(Clone)]
pub struct SmallBytes(Form);

#[derive(Clone)]
enum Form {
    Inline { len: u8, bytes: [u8; INLINE_BYTES] },
    Heap(Box<[u8]>),
}

const INLINE_BYTES: usize = 22;
const _: () = assert!(size_of::<SmallBytes>() == 24);

impl SmallBytes {
    /// No bytes.
    pub const fn new() -> Self {
        Self(Form::Inline { len: 0, bytes: [0; INLINE_BYTES] })
    }

    /// A copy of `bytes`.
    pub fn copy_of(bytes: &[u8]) -> Self {
        if bytes.len() <= INLINE_BYTES {
            let mut inline = [0; INLINE_BYTES];
            inline[..bytes.len()].copy_from_slice(bytes);
            Self(Form::Inline { len: bytes.len() as u8, bytes: inline })
        } else {
            Self(Form::Heap(bytes.into()))
        }
    }

    /// The bytes.
    pub fn as_slice(&self) -> &[u8] {
        match &self.0 {
            Form::Inline { len, bytes } => &bytes[..usize::from(*len)],
            Form::Heap(bytes) => bytes,
        }
    }

    /// Bytes on the heap.
    pub fn heap_bytes(&self) -> usize {
        match &self.0 {
            Form::Inline { .. } => 0,
            Form::Heap(bytes) => bytes.len(),
        }
    }
}

impl Default for SmallBytes {
    fn default() -> Self {
        Self::new()
    }
}

impl std::fmt::Debug for SmallBytes {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "{} bytes", self.as_slice().len())
    }
}
