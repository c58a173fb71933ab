//! What the two sides of a joining say, behind TLS. Input: one byte, its lowest bit for the side; then what came.

/// Nobody gets in who was not looked at, and no certificate is taken that does not fit the key.
pub(crate) fn join(data: &[u8]) {
    let Some((side, bytes)) = data.split_first() else { return };
    if side & 1 == 0 {
        trygon_rpc::join_fuzz::request(bytes)
    } else {
        trygon_rpc::join_fuzz::reply(bytes)
    };
}
