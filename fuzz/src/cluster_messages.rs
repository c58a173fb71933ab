//! What nodes and head say to each other, inside HTTP/2. Input: one byte for the direction, then the message.

use prost::Message;
use trygon_proto::v1::{HeadToNode, NodeToHead, NodeToNode, Told};

fn rewrite<M: Message + Default>(bytes: &[u8]) {
    let Ok(message) = M::decode(bytes) else { return };
    let written = message.encode_to_vec();
    let again = M::decode(written.as_slice()).expect("what was written can be read");
    assert_eq!(again.encoded_len(), written.len());
}

/// What was accepted can be written and read again.
pub(crate) fn cluster_messages(data: &[u8]) {
    let Some((direction, bytes)) = data.split_first() else { return };
    match direction % 4 {
        0 => rewrite::<NodeToHead>(bytes),
        1 => rewrite::<HeadToNode>(bytes),
        2 => rewrite::<NodeToNode>(bytes),
        _ => rewrite::<Told>(bytes),
    }
}
