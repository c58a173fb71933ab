//! What a worker prints, through a real pipe. The byte 0xfe in the input stands for 40,000 letters, so that short inputs make lines over the
//! limit.

use crate::lines::LineStream;
use std::io::Write;
use std::os::fd::OwnedFd;

const LONG: u8 = 0xfe;
const LONG_BYTES: usize = 40_000;
/// No more long lines after so much: enough for what is dropped, and not so much that runs become rare.
const MOST_LONG_BYTES: usize = 280_000;
/// Below the size of a pipe, so that writing never waits.
const ROUND_BYTES: usize = 60_000;
/// Where the reader cuts a line.
const MAX_LINE_BYTES: usize = 64 << 10;

/// Nothing that was printed is lost without being counted, and no line is over the limit.
pub(crate) fn log_lines(data: &[u8]) {
    let mut printed = Vec::new();
    for byte in data.iter().take(2_000) {
        if *byte == LONG && printed.len() < MOST_LONG_BYTES {
            printed.resize(printed.len() + LONG_BYTES, b'x');
        } else {
            printed.push(*byte);
        }
    }
    let (reader, mut writer) = std::io::pipe().expect("a pipe");
    let mut stream = LineStream::new(Some(OwnedFd::from(reader)));
    for round in printed.chunks(ROUND_BYTES) {
        writer.write_all(round).expect("the pipe has room");
        assert!(stream.read());
    }
    drop(writer);
    assert!(!stream.read(), "the stream has ended");
    let mut lines = 0;
    let mut dropped = 0;
    for batch in stream.take_batches() {
        assert!(!batch.lines.is_empty() || batch.dropped > 0, "a batch of nothing");
        lines += batch.lines.len();
        dropped += batch.dropped as usize;
        assert!(batch.lines.iter().all(|line| line.len() <= 3 * MAX_LINE_BYTES && !line.contains('\n')));
    }
    assert!(!stream.has_batches());
    let ends = printed.iter().filter(|byte| **byte == b'\n').count();
    // A marker alone on its line prints nothing; text before one is a line more.
    assert!(lines + dropped <= ends + 2 + printed.len() / MAX_LINE_BYTES, "lines out of nothing");
    if !printed.windows(5).any(|window| window == b"\x01tryg") {
        assert!(lines + dropped >= ends, "a line was lost");
    }
}
