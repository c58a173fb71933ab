//! How many lines go to drivers on other nodes.

/// FLOW-1 for drivers elsewhere: so much is sent in one slice of time; what is more stays with its worker, where it is bounded.
const ROOM_BYTES: usize = 512 << 10;
const SLICE_MS: u64 = 100;

/// How much may be sent at present.
#[derive(Debug, Default)]
pub(crate) struct LogRoom {
    sent_bytes: usize,
    slice_ms: u64,
    /// When lines that stayed are sent.
    pub(crate) retry_ms: Option<u64>,
}

impl LogRoom {
    /// Whether more may be sent now.
    pub(crate) fn is_open(&mut self, now_ms: u64) -> bool {
        if self.slice_ms + SLICE_MS <= now_ms {
            *self = Self { slice_ms: now_ms, ..Self::default() };
        }
        if self.sent_bytes >= ROOM_BYTES {
            self.retry_ms = Some(self.slice_ms + SLICE_MS);
        }
        self.sent_bytes < ROOM_BYTES
    }

    /// So much was sent.
    pub(crate) fn note_sent(&mut self, bytes: usize) {
        self.sent_bytes += bytes;
    }
}
