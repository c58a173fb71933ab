//! The flight recorder of a dead worker, as the daemon reads it. The input is its bytes, of any length.

use crate::parsers::parse_body;
use trygon_wire::Header;
use trygon_wire::recorder::{LOG_OFFSET, MAX_NAME_BYTES, STARTED_OFFSET, running_name, staged, started};

/// A frame is inside the log, after the ones before it, and meets the parser of its kind.
pub(crate) fn recorder(data: &[u8]) {
    // A byte that is no text becomes a character of three bytes.
    assert!(running_name(data).len() <= 3 * MAX_NAME_BYTES);
    if let Some(started) = started(data) {
        assert_eq!(started.connection.to_le_bytes()[..], data[STARTED_OFFSET..STARTED_OFFSET + 8]);
    }
    let mut end = LOG_OFFSET;
    for (_, frame) in staged(data) {
        let start = frame.as_ptr() as usize - data.as_ptr() as usize;
        assert!(start >= end && start + frame.len() <= data.len());
        end = start + frame.len();
        if let Ok(header) = Header::parse(frame)
            && let Some(body) = frame.get(Header::LEN..Header::LEN + header.body_len)
        {
            let _ = parse_body(header, body);
        }
    }
}
