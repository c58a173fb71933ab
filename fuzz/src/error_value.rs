//! An error in place of a value. The input is its byte form.

use trygon_worker_core::{ErrorView, error_view};

fn put(out: &mut Vec<u8>, field: &[u8]) {
    out.extend_from_slice(&(field.len() as u32).to_le_bytes());
    out.extend_from_slice(field);
}

/// What was read, written again, has the same bytes.
pub(crate) fn error_value(data: &[u8]) {
    match error_view(data) {
        ErrorView::User(encoded) => assert_eq!(encoded, &data[1..]),
        ErrorView::System { kind, details } => {
            let mut out = vec![data[0]];
            put(&mut out, kind.as_bytes());
            for (name, value) in details {
                put(&mut out, name.as_bytes());
                put(&mut out, value);
            }
            assert_eq!(out, data);
        }
        ErrorView::Malformed => {}
    }
}
