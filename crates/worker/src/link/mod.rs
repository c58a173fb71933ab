//! Non-blocking stream sockets: bytes in, frames out, and back.

mod control;
mod credentials;
mod out_buffer;
mod peer;
mod remote;
mod remote_links;
#[cfg(test)]
pub(crate) mod tests;
mod tls;

pub(crate) use control::{CONTROL_EVENT, ControlLink};
pub(crate) use credentials::Credentials;
pub(crate) use out_buffer::COALESCE_BYTES;
pub use peer::{Definition, RetryRule};
pub(crate) use peer::{Export, Links, Peer};
pub(crate) use tls::HANDSHAKE_LIMIT_NS;
#[cfg(fuzzing)]
pub(crate) use tls::{Scratch, TlsLink};
