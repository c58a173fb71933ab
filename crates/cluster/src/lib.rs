//! The daemon's network thread: the link to the head, the links to the other nodes, and the connections that come to this node's port.
//!
//! The daemon's own loop never waits for the network. It sends and receives through [`Network`], whose descriptor wakes it up; everything else
//! is done by one thread with a runtime of its own. Which message means what, and what to do about a lost node, is not known here.
//!
//! Invariants: CARRY-1, CARRY-2 (see `outflow.rs` and `link.rs`).
#![forbid(unsafe_code)]

mod accept;
mod attest;
mod backoff;
mod codec;
mod connection;
mod head;
mod inbox;
mod kinds;
mod lease;
mod lease_state;
mod link;
mod message;
mod network;
mod object_streams;
mod options;
mod outbox;
mod outflow;
mod sessions;
mod shared;
mod supervisor;
mod tell;
mod tls;

pub use attest::{Attesting, attest};
pub use lease_state::EndAll;
pub use message::{Incoming, Outgoing};
pub use network::Network;
pub use object_streams::ObjectStreams;
pub use options::{JoinDesk, LeaseDesk, Limits, Options};
#[doc(hidden)]
pub use outflow::{Keeping, OutOfStep, Outflow, OutflowDefects, OutflowStream};
#[doc(hidden)]
pub use sessions::{Begin, SessionDefects, Sessions};
