//! An error in place of a value. The input is its byte form.

use trygon_worker_core::{ErrorView, error_summary, error_view};

fn put(out: &mut Vec<u8>, field: &[u8]) {
    out.extend_from_slice(&(field.len() as u32).to_le_bytes());
    out.extend_from_slice(field);
}

/// What was read, written again, has the same bytes.
pub(crate) fn error_value(data: &[u8]) {
    match error_view(data) {
        ErrorView::User(encoded) => match error_summary(data) {
            // The line is text, or is left out.
            Some(summary) => assert_eq!(summary.len() + encoded.len() + 5, data.len()),
            None => assert!(data.ends_with(encoded)),
        },
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
