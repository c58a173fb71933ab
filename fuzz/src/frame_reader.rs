//! A stream of frames, cut anywhere. Input: one byte for the length of the cuts, then the stream.

use crate::parsers::parse_body;
use trygon_wire::{FrameError, FrameReader, Header};

type Frames = (Vec<(Header, Vec<u8>)>, Option<FrameError>);

fn read(stream: &[u8], cut: usize) -> Frames {
    let mut reader = FrameReader::new();
    let mut frames = Vec::new();
    for chunk in stream.chunks(cut) {
        reader.push(chunk);
        loop {
            match reader.next_frame() {
                Ok(Some((header, body))) => frames.push((header, body.to_vec())),
                Ok(None) => break,
                Err(error) => return (frames, Some(error)),
            }
        }
    }
    let frame_bytes: usize = frames.iter().map(|(_, body)| Header::LEN + body.len()).sum();
    assert_eq!(frame_bytes + reader.pending_bytes(), stream.len(), "bytes are lost or invented");
    (frames, None)
}

/// The same frames and the same error come out however the stream is cut, and every body meets the parser of its kind.
pub(crate) fn frame_reader(data: &[u8]) {
    let Some((cut, stream)) = data.split_first() else { return };
    let (frames, error) = read(stream, usize::from(*cut) + 1);
    assert_eq!((&frames, &error), (&read(stream, usize::MAX).0, &read(stream, usize::MAX).1));
    let mut at = 0;
    for (header, body) in frames {
        assert_eq!(header.to_bytes()[..], stream[at..at + Header::LEN]);
        at += Header::LEN + body.len();
        let _ = parse_body(header, &body);
    }
}
