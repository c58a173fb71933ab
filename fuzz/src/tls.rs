//! TLS between processes of two machines. Input: one byte, its lowest bit for the side, the others for the length of the cuts; then bytes.

/// However the bytes are cut: no more is read than was sealed.
pub(crate) fn tls(data: &[u8]) {
    let Some((form, bytes)) = data.split_first() else { return };
    trygon_worker::fuzz::tls(form & 1 == 0, bytes, 1 + usize::from(form >> 1) * 8);
}
