//! One output stream of one worker: bytes in, named lines out.

use rustix::io::Errno;
use std::os::fd::OwnedFd;

/// Begins a line that names what prints from now on; such a line is never forwarded.
const MARKER: &[u8] = b"\x01trygon:name:";
/// A line longer than this is forwarded in parts.
const MAX_LINE_BYTES: usize = 64 << 10;
/// Lines kept for the next batch; more are dropped and counted.
const MAX_PENDING_BYTES: usize = 256 << 10;
/// Bytes read in one turn.
const READ_BYTES: usize = 64 << 10;

/// Lines under one name.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Batch {
    pub(crate) name: String,
    pub(crate) lines: Vec<String>,
    pub(crate) dropped: u64,
}

/// The reading end of a worker's output.
#[derive(Debug)]
pub(crate) struct LineStream {
    pipe: Option<OwnedFd>,
    partial: Vec<u8>,
    name: String,
    batches: Vec<Batch>,
    pending_bytes: usize,
}

impl LineStream {
    /// A stream from the reading end of a pipe, which must not block.
    pub(crate) fn new(pipe: Option<OwnedFd>) -> Self {
        Self { pipe, partial: Vec::new(), name: String::new(), batches: Vec::new(), pending_bytes: 0 }
    }

    /// Reads what is there, once. False: the stream ended, or nothing is there.
    pub(crate) fn read(&mut self) -> bool {
        let Some(pipe) = &self.pipe else { return false };
        let mut buffer = vec![0; READ_BYTES];
        match rustix::io::read(pipe, &mut buffer) {
            Ok(0) => {
                self.pipe = None;
                self.finish();
                false
            }
            Ok(len) => {
                self.take(&buffer[..len]);
                true
            }
            Err(Errno::INTR) => true,
            Err(_) => false,
        }
    }

    /// A last line without an end counts as a line.
    pub(crate) fn finish(&mut self) {
        let partial = std::mem::take(&mut self.partial);
        if !partial.is_empty() {
            self.line(&partial);
        }
    }

    /// What came since the last call.
    pub(crate) fn take_batches(&mut self) -> Vec<Batch> {
        self.pending_bytes = 0;
        std::mem::take(&mut self.batches)
    }

    /// Whether there is something to publish.
    pub(crate) fn has_batches(&self) -> bool {
        !self.batches.is_empty()
    }

    fn take(&mut self, mut bytes: &[u8]) {
        while let Some(end) = bytes.iter().position(|byte| *byte == b'\n') {
            self.extend_partial(&bytes[..end]);
            let line = std::mem::take(&mut self.partial);
            self.line(&line);
            bytes = &bytes[end + 1..];
        }
        self.extend_partial(bytes);
    }

    fn extend_partial(&mut self, mut bytes: &[u8]) {
        while self.partial.len() + bytes.len() > MAX_LINE_BYTES {
            let (head, tail) = bytes.split_at(MAX_LINE_BYTES - self.partial.len());
            self.partial.extend_from_slice(head);
            let part = std::mem::take(&mut self.partial);
            self.line(&part);
            bytes = tail;
        }
        self.partial.extend_from_slice(bytes);
    }

    fn line(&mut self, line: &[u8]) {
        // Almost no line has the marker's first byte: the search for the whole is rarely begun.
        let marker =
            line.contains(&MARKER[0]).then(|| line.windows(MARKER.len()).position(|window| window == MARKER)).flatten();
        let Some(at) = marker else {
            return self.push(line);
        };
        if at > 0 {
            // Text that was printed without a line's end before something else began.
            self.push(&line[..at]);
        }
        self.name = String::from_utf8_lossy(&line[at + MARKER.len()..]).into_owned();
    }

    fn push(&mut self, line: &[u8]) {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        if self.batches.last().is_none_or(|batch| batch.name != self.name) {
            self.batches.push(Batch { name: self.name.clone(), ..Batch::default() });
        }
        let last = self.batches.len() - 1;
        let batch = &mut self.batches[last];
        if self.pending_bytes + line.len() > MAX_PENDING_BYTES {
            batch.dropped += 1;
        } else {
            self.pending_bytes += line.len() + 1;
            batch.lines.push(String::from_utf8_lossy(line).into_owned());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn markers_name_what_follows_and_are_not_forwarded() {
        let mut stream = LineStream::new(None);
        stream.take(b"first\n\x01trygon:name:f\nsec");
        stream.take(b"ond\r\nloose\x01trygon:name:g\nlast");
        stream.finish();
        let seen: Vec<_> = stream.take_batches().into_iter().map(|batch| (batch.name, batch.lines.join("|"))).collect();
        let expected = [("", "first"), ("f", "second|loose"), ("g", "last")];
        assert_eq!(seen, expected.map(|(name, lines)| (name.to_owned(), lines.to_owned())));
    }

    #[test]
    fn a_flood_is_counted() {
        // FLOW-1
        let mut stream = LineStream::new(None);
        for _ in 0..100_000 {
            stream.take(b"0123456789\n");
        }
        let batches = stream.take_batches();
        assert_eq!(batches.len(), 1);
        assert!(batches[0].dropped > 0);
        assert_eq!(batches[0].lines.len() as u64 + batches[0].dropped, 100_000);
    }
}
