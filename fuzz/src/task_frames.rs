//! A task's arguments and a reply's results. Input: one byte, its lowest bit for task or reply, the others the header's flags; then the
//! body of the frame.

use crate::parsers::parse_body;
use trygon_wire::task::{DONE_KEPT, Done, Push};
use trygon_wire::{Header, Kind};
use trygon_worker::parse_returns;
use trygon_worker_core::{Value, read_dependencies};

/// Bytes of a reference: the object's id and its owner's.
const REFERENCE_BYTES: usize = 56;

/// What is read out of a body is never more than the body.
pub(crate) fn task_frames(data: &[u8]) {
    let Some((selector, body)) = data.split_first() else { return };
    let flags = selector >> 1;
    if selector & 1 == 0 {
        let header = Header { body_len: body.len(), kind: Kind::TaskPush, flags };
        let _ = parse_body(header, body);
        if let Ok((_, payload)) = Push::parse(flags, body) {
            task(payload);
        }
    } else {
        let header = Header { body_len: body.len(), kind: Kind::TaskDone, flags };
        let _ = parse_body(header, body);
        if let Ok((done, payload)) = Done::parse(body) {
            reply(&done, payload);
        }
    }
}

fn task(payload: &[u8]) {
    let Some((dependencies, arguments)) = read_dependencies(payload) else { return };
    let mut len = 4 + arguments.len();
    for dependency in &dependencies {
        let value_len = match (dependency.inline, dependency.stored) {
            (Some(bytes), None) => 4 + bytes.len(),
            (None, Some(_)) => 24,
            (None, None) => 0,
            other => panic!("a dependency lies in one place: {other:?}"),
        };
        len += REFERENCE_BYTES + 1 + value_len + 4 + REFERENCE_BYTES * dependency.contained.len();
    }
    assert_eq!(len, payload.len(), "every byte of the payload is read once");
}

fn reply(done: &Done, payload: &[u8]) {
    let has_kept = done.flags & DONE_KEPT != 0;
    let mut returns = Vec::new();
    let Some(kept) = parse_returns(payload, done.num_returns, has_kept, &mut returns) else { return };
    assert_eq!(returns.len(), usize::from(done.num_returns));
    let mut len = if has_kept { 4 + REFERENCE_BYTES * kept.len() } else { 0 };
    for returned in &returns {
        let value_len = match &returned.value {
            Value::Inline(bytes) => 4 + bytes.as_slice().len(),
            Value::Stored(_) => 24,
            Value::Error(bytes) => 4 + bytes.len(),
            Value::Pending => panic!("a result that is no result"),
        };
        len += 1 + 4 + value_len + REFERENCE_BYTES * returned.contained.len();
    }
    // What comes after the last field is left for fields to come.
    assert!(len <= payload.len(), "more was read than there is");
}
