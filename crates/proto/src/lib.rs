//! What the head and the nodes say to one another: generated from `proto/*.proto`, which is the reference.
//!
//! Messages that processes and daemons exchange too are `trygon-wire`'s own types.
#![forbid(unsafe_code)]

pub use trygon_wire::control;

/// Version 1.
#[allow(missing_docs, unreachable_pub, clippy::all, clippy::unwrap_used)]
pub mod v1 {
    tonic::include_proto!("trygon.v1");
}
