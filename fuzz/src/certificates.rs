//! Certificates in DER, as the other side of TLS shows them. The input is one.

use std::time::SystemTime;
use trygon_rpc::{Identity, ProcessCertificate, Validity, peer_name};

/// A certificate that has a name of the cluster is one that has a validity.
pub(crate) fn certificates(data: &[u8]) {
    let validity = Validity::of(data);
    if let Some(validity) = validity {
        let now = SystemTime::UNIX_EPOCH;
        let _ = (validity.needs_renewal(now), validity.is_over(now), validity.seconds_left(now));
    }
    if let Some(name) = peer_name(&[data.to_vec().into()]) {
        assert!(!name.dns().is_empty());
    }
    let certificate = ProcessCertificate::from_der(vec![data.to_vec()], data.to_vec(), data.to_vec());
    assert!(Identity::new(&certificate).is_err(), "bytes are certificate and key at once");
}
