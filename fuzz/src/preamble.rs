//! The first bytes of a connection. The input is they.

use trygon_rpc::Preamble;

/// What was read, written again, is the same.
pub(crate) fn preamble(data: &[u8]) {
    let mut bytes = [0; Preamble::LEN];
    let len = data.len().min(Preamble::LEN);
    bytes[..len].copy_from_slice(&data[..len]);
    match Preamble::parse(&bytes) {
        Ok(preamble) => assert_eq!(preamble.to_bytes(), bytes),
        Err(error) => assert!(!error.to_string().is_empty()),
    }
}
