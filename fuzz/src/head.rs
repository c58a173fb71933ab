//! The head hears anything from its nodes. Input: messages, each a byte (which node), a byte (how much time passes), and a part with the
//! message; ids of one byte are widened (`universe`). An empty message is a tick.

use crate::input::Input;
use crate::universe::{node, widen_to_head};
use prost::Message;
use trygon_control::{Head, Machine};
use trygon_ids::NodeId;
use trygon_proto::v1::NodeToHead;

/// So many messages, so that each run is short.
const MOST_MESSAGES: usize = 64;

/// Its laws hold whatever a node says, and what it keeps is what it knows.
pub(crate) fn head(data: &[u8]) {
    let head = after(data);
    let kept = head.snapshot().expect("a snapshot");
    let large = kept.large.iter().map(|large| (large.digest, large.bytes.to_vec())).collect();
    let again = Head::restore(&kept.bytes, large).expect("what was kept can be read");
    assert_eq!(again.snapshot().expect("a snapshot").bytes, kept.bytes);
}

/// A head that has heard all this.
pub(crate) fn after(data: &[u8]) -> Head {
    let mut input = Input::new(data);
    let mut head = Head::new();
    let mut now_us = 1_000_000;
    let mut out = Vec::new();
    for _ in 0..MOST_MESSAGES {
        if input.is_empty() {
            break;
        }
        let from = input.byte();
        now_us += input.pause_ms() * 1_000;
        let Ok(mut message) = NodeToHead::decode(input.part()) else { continue };
        widen_to_head(&mut message);
        let origin = if message.body.is_none() { NodeId::nil() } else { node(from) };
        let label = <Head as Machine>::label(&message);
        Machine::apply(&mut head, now_us, origin, message, &mut out);
        if let Err(broken) = head.sanity_check() {
            panic!("{broken}\nafter {label}");
        }
        assert!(out.len() < 100_000, "{label} is answered {} times", out.len());
        out.clear();
    }
    head
}
