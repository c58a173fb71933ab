//! Non-blocking stream sockets: bytes in, frames out, and back.

mod control;
mod out_buffer;
mod peer;

pub(crate) use control::{CONTROL_EVENT, ControlLink};
pub(crate) use out_buffer::COALESCE_BYTES;
pub use peer::{Definition, RetryRule};
pub(crate) use peer::{Export, Links};
