//! A driver or worker hears anything from its daemon and from a peer. Input: frames, each a byte (its lowest bit: who speaks; the next two:
//! what lies beside it), the kind, the flags, and a part with the body. A kind that is none of them stands for bytes that are no frame.

use crate::input::Input;
use trygon_wire::{Header, Kind};
use trygon_worker::fuzz::{Beside, Process};

const MOST_FRAMES: usize = 32;

/// It goes on, or takes the other side for broken; it does not panic, and holds no more memory than it was sent.
pub(crate) fn process(data: &[u8]) {
    let mut input = Input::new(data);
    let process = Process::new();
    for _ in 0..MOST_FRAMES {
        if input.is_empty() {
            break;
        }
        let form = input.byte();
        let (kind, flags, body) = (input.byte(), input.byte(), input.part());
        let frame = match Kind::ALL.get(usize::from(kind)) {
            Some(kind) => [&Header { body_len: body.len(), kind: *kind, flags }.to_bytes()[..], body].concat(),
            None => body.to_vec(),
        };
        if form & 1 == 1 {
            process.hear_peer(&frame);
            continue;
        }
        let beside = match form >> 1 & 3 {
            0 | 1 => Beside::Nothing,
            2 => Beside::Memory,
            _ => Beside::Socket,
        };
        process.hear_daemon(&frame, beside);
    }
}
