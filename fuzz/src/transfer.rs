//! Requests for objects and their replies, between the daemons of two machines. Input: one byte, its lowest bit for request or reply; then
//! the bytes.

use crate::transfer_frames::{Ask, REPLY_BYTES, REQUEST_BYTES, Reply, Request, chunks};

fn fixed<const LEN: usize>(data: &[u8]) -> [u8; LEN] {
    let mut bytes = [0; LEN];
    let len = data.len().min(LEN);
    bytes[..len].copy_from_slice(&data[..len]);
    bytes
}

/// What was accepted says the same when it is written again, and asks for no more than the object.
pub(crate) fn transfer(data: &[u8]) {
    let Some((side, bytes)) = data.split_first() else { return };
    if side & 1 == 1 {
        if let Ok(reply) = Reply::parse(&fixed::<REPLY_BYTES>(bytes)) {
            assert_eq!(Reply::parse(&reply.encode()).expect("a reply"), reply);
        }
        return;
    }
    let Ok(request) = Request::parse(&fixed::<REQUEST_BYTES>(bytes)) else { return };
    assert_eq!(Request::parse(&request.encode()).expect("a request"), request);
    let location = request.location;
    assert!(location.offset_bytes.checked_add(location.size_bytes).is_some());
    if let Ask::Get { from, to } = request.ask {
        let mut at = from;
        for (start, end) in chunks(from, to).take(100) {
            assert!(start == at && start < end && end <= location.size_bytes);
            at = end;
        }
    }
}
