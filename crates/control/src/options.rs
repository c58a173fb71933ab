//! What the control service is told by the daemon that starts it. It travels over their socket: there are secrets in it.

use std::time::Duration;
use trygon_control_core::LeaseTerms;
use trygon_rpc::ProcessCertificate;

/// The options of one control service. Byte strings are DER.
#[derive(Clone, PartialEq, prost::Message)]
pub struct ControlOptions {
    /// Where its journal is: `file:PATH`, a Redis address or `memory:`.
    #[prost(string, tag = "1")]
    pub storage: String,
    /// PEM file with the certificates that a Redis server's is to be signed by; empty for those that the machine trusts.
    #[prost(string, tag = "2")]
    pub storage_authority: String,
    /// The cluster's name among those in one Redis server: letters, digits, `-`, `_` and `.`.
    #[prost(string, tag = "3")]
    pub cluster: String,
    /// The service's certificate.
    #[prost(message, optional, tag = "4")]
    pub certificate: Option<ControlCertificate>,
    /// How long a node's lease lasts, in milliseconds; 0 for 3 seconds.
    #[prost(uint32, tag = "5")]
    pub lease_ms: u32,
    /// How long nodes that the journal knows may take to come back, in milliseconds; 0 for 12 seconds.
    #[prost(uint32, tag = "6")]
    pub restart_grace_ms: u32,
    /// Where nodes find the service, `ip:port`; empty where nobody does.
    #[prost(string, tag = "7")]
    pub address: String,
}

/// A certificate with its private key.
#[derive(Clone, PartialEq, prost::Message)]
#[prost(skip_debug)]
pub struct ControlCertificate {
    /// The chain, the service's own certificate first.
    #[prost(bytes = "vec", repeated, tag = "1")]
    pub chain: Vec<Vec<u8>>,
    /// The private key, PKCS 8.
    #[prost(bytes = "vec", tag = "2")]
    pub private_key: Vec<u8>,
    /// The authority's certificate.
    #[prost(bytes = "vec", tag = "3")]
    pub authority: Vec<u8>,
}

impl std::fmt::Debug for ControlCertificate {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.write_str("ControlCertificate(not shown)")
    }
}

impl From<&ProcessCertificate> for ControlCertificate {
    fn from(certificate: &ProcessCertificate) -> Self {
        Self {
            chain: certificate.chain().iter().map(|der| der.to_vec()).collect(),
            private_key: certificate.private_key_der().to_vec(),
            authority: certificate.authority().to_vec(),
        }
    }
}

impl From<ControlCertificate> for ProcessCertificate {
    fn from(certificate: ControlCertificate) -> Self {
        Self::from_der(certificate.chain, certificate.private_key, certificate.authority)
    }
}

impl ControlOptions {
    pub(crate) fn terms(&self) -> LeaseTerms {
        let usual = LeaseTerms::default();
        LeaseTerms { lease_ms: if self.lease_ms == 0 { usual.lease_ms } else { u64::from(self.lease_ms) }, ..usual }
    }

    /// How long nodes may take to come back after the control service was started again.
    pub(crate) fn restart_grace(&self) -> Duration {
        // A node that lost the head tries again at least every ten seconds.
        Duration::from_millis(if self.restart_grace_ms == 0 { 12_000 } else { u64::from(self.restart_grace_ms) })
    }
}

/// Moments at which the process is to kill itself, for tests of what is on the disk then.
pub(crate) fn journal_faults() -> String {
    std::env::var("TRYGON_TEST_JOURNAL_FAULTS").unwrap_or_default()
}
