//! What processes prove with who they are towards other machines, and which side of TLS they are.

/// In `PeerConnected`: a socket of this machine, which nobody else can read.
pub const TLS_NONE: u32 = 0;
/// In `PeerConnected`: this process speaks first.
pub const TLS_CLIENT: u32 = 1;
/// In `PeerConnected`: the other process speaks first.
pub const TLS_SERVER: u32 = 2;

/// A process's certificate and its key, all in DER.
#[derive(Clone, PartialEq, prost::Message)]
#[prost(skip_debug)]
pub struct Certificate {
    /// Its own certificate, then those up to the authority's.
    #[prost(bytes = "vec", repeated, tag = "1")]
    pub certificate_chain: Vec<Vec<u8>>,
    /// Its private key, PKCS #8.
    #[prost(bytes = "vec", tag = "2")]
    pub private_key: Vec<u8>,
    /// The cluster's authority, by which others are judged.
    #[prost(bytes = "vec", tag = "3")]
    pub authority: Vec<u8>,
}

impl std::fmt::Debug for Certificate {
    // A key must not reach a log.
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("Certificate")
            .field("certificates", &self.certificate_chain.len())
            .finish_non_exhaustive()
    }
}
