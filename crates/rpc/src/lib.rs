//! Who may speak to whom, and the way in: the cluster's key, its certificates, the names in them, TLS, the preamble and the listener.
//!
//! Every connection between machines starts with a preamble of fixed size that says what it is for, and goes on in TLS 1.3 in which both sides show a certificate
//! of this cluster. There is no plain mode, not on loopback either. What travels after the handshake is the matter of others.
#![forbid(unsafe_code)]

mod authority;
mod bulk;
mod congestion;
mod dial;
mod error;
mod files;
mod join;
mod key;
mod listener;
mod names;
mod node_certificate;
mod preamble;
mod process_certificate;
#[cfg(test)]
mod sample;
mod stream;
mod tls;
mod validity;
mod verify;

pub use authority::Authority;
pub use bulk::BulkStream;
pub use dial::{DialError, dial, dial_any, prepare, resolve};
pub use error::CertificateError;
#[cfg(fuzzing)]
pub use join::fuzz as join_fuzz;
pub use join::{JoinError, JoinTerms, Joined, ServeJoinError, Versions, join, serve_join};
pub use key::{ClusterKey, KeyError};
pub use listener::{Bound, Incoming, ListenError, Listener, PortRange};
pub use names::{Expected, PeerName};
pub use node_certificate::{IssuedNode, NodeCertificate, NodeKey};
pub use preamble::{Preamble, PreambleError, Purpose};
pub use process_certificate::ProcessCertificate;
pub use rustls;
pub use stream::{ClientStream, ServerStream, TimedStream, accept_tls, connect_tls};
pub use tls::{Identity, any_server_name};
pub use validity::{NODE_LIFETIME, PROCESS_LIFETIME, Validity};
pub use verify::{explain, peer_name};
