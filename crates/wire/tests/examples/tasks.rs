//! The hot frames with everything in them: optional fields, dependencies, results and kept references.

use super::{Examples, id};
use trygon_wire::Kind;
use trygon_wire::stream::{CREDIT_STOP, Stream};
use trygon_wire::task::{DONE_EXITING, DONE_KEPT, Done, FLAG_ACTOR, FLAG_OPTIONAL, Push, STATUS_ERROR};

const INLINE: u8 = 0;
const STORED: u8 = 1;
const ERROR: u8 = 2;

/// Adds them. Dependencies and results are written by hand: their layouts belong to crates that this one does not know.
pub(crate) fn put(examples: &mut Examples) {
    let push =
        Push { slot: 1, generation: 2, attempt: 3, function: 4, sequence: 5, lease: 6, num_returns: 7, depth: 8 };
    let mut frame = Vec::new();
    push.write(FLAG_OPTIONAL | FLAG_ACTOR, &arguments(), &mut frame);
    examples.0.push((Kind::TaskPush, frame));

    let returns = returns();
    let flags = DONE_KEPT | DONE_EXITING;
    let done =
        Done { slot: 1, generation: 2, attempt: 3, execution_ns: 4, status: STATUS_ERROR, flags, num_returns: 3 };
    let mut frame = done.head(returns.len()).to_vec();
    frame.extend_from_slice(&returns);
    examples.0.push((Kind::TaskDone, frame));

    let stream = Stream { slot: 1, generation: 2, attempt: 3, number: 4 };
    let item = item();
    let mut frame = stream.item_head(0, item.len()).to_vec();
    frame.extend_from_slice(&item);
    examples.0.push((Kind::StreamItem, frame));
    examples.0.push((Kind::StreamCredit, stream.credit(CREDIT_STOP).to_vec()));
}

fn put_bytes(bytes: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(&(bytes.len() as u32).to_le_bytes());
    out.extend_from_slice(bytes);
}

fn put_reference(first: u8, out: &mut Vec<u8>) {
    out.extend_from_slice(&id(first, 28));
    out.extend_from_slice(&id(first + 1, 28));
}

fn put_location(out: &mut Vec<u8>) {
    for word in [3u64, 4096, 200_000] {
        out.extend_from_slice(&word.to_le_bytes());
    }
}

fn arguments() -> Vec<u8> {
    let mut out = Vec::new();
    put_bytes(b"later", &mut out);
    out.extend_from_slice(&2u32.to_le_bytes());
    put_reference(1, &mut out);
    out.push(INLINE);
    put_bytes(b"value", &mut out);
    out.extend_from_slice(&1u32.to_le_bytes());
    put_reference(3, &mut out);
    put_reference(5, &mut out);
    out.push(STORED);
    put_location(&mut out);
    out.extend_from_slice(&0u32.to_le_bytes());
    out.extend_from_slice(b"arguments");
    out
}

fn item() -> Vec<u8> {
    let mut out = vec![INLINE];
    out.extend_from_slice(&1u32.to_le_bytes());
    put_bytes(b"result", &mut out);
    put_reference(1, &mut out);
    out
}

fn returns() -> Vec<u8> {
    let mut out = item();
    out.push(STORED);
    out.extend_from_slice(&0u32.to_le_bytes());
    put_location(&mut out);
    out.push(ERROR);
    out.extend_from_slice(&0u32.to_le_bytes());
    put_bytes(b"\x00ValueError", &mut out);
    // The references that were kept.
    out.extend_from_slice(&1u32.to_le_bytes());
    put_reference(7, &mut out);
    out
}
