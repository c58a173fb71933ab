//! Joining: a machine that has the cluster's key gets a certificate from the head.
//!
//! TLS is pinned to the authority's fingerprint, so the machine knows whom it speaks with before it says anything. The machine has no certificate
//! yet: it proves the secret by a code over what only the two ends of this very connection know. Neither secret nor private key travels.

mod client;
mod error;
#[cfg(fuzzing)]
pub mod fuzz;
mod messages;
mod server;

pub use client::join;
pub use error::{JoinError, ServeJoinError};
pub use messages::Versions;
pub use server::{JoinTerms, Joined, serve_join};

#[cfg(test)]
mod tests;
