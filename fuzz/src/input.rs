//! Reading choices out of a target's bytes.

/// What is left of the input. When it is used up, everything is zero.
pub(crate) struct Input<'a>(&'a [u8]);

impl<'a> Input<'a> {
    pub(crate) fn new(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    pub(crate) fn byte(&mut self) -> u8 {
        let Some((first, rest)) = self.0.split_first() else { return 0 };
        self.0 = rest;
        *first
    }

    /// So many bytes, or those that are left.
    pub(crate) fn take(&mut self, len: usize) -> &'a [u8] {
        let (taken, rest) = self.0.split_at(len.min(self.0.len()));
        self.0 = rest;
        taken
    }

    /// Bytes behind their length in one byte; 255 means: all that are left.
    pub(crate) fn part(&mut self) -> &'a [u8] {
        match self.byte() {
            u8::MAX => self.take(usize::MAX),
            len => self.take(usize::from(len)),
        }
    }

    /// A number: small ones and extreme ones more often than others.
    pub(crate) fn number(&mut self) -> u64 {
        match self.byte() {
            first @ 0..=199 => u64::from(first),
            shift @ 200..=250 => 1 << (shift - 190),
            251 => u64::MAX,
            252 => u64::MAX / 2,
            253 => u64::from(u32::MAX),
            _ => self.take(8).iter().fold(0, |number, byte| number << 8 | u64::from(*byte)),
        }
    }

    /// Milliseconds that pass: none, few, or many.
    pub(crate) fn pause_ms(&mut self) -> u64 {
        match self.byte() & 3 {
            0 => 0,
            1 => 20,
            2 => 1_000,
            _ => 70_000,
        }
    }
}
