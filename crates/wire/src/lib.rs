//! Trygon's own frames: their header, their limits and every message that travels in them on one machine.
//!
//! A frame is an 8-byte header and a body. The hot frames (a task, its reply, an item of a generator) have a fixed layout, read in place. The others carry a
//! protobuf body, so that fields can be added later and an older reader skips them. Knows nothing of sockets.
#![forbid(unsafe_code)]

pub mod control;
mod frame;
mod kind;
mod messages;
pub mod peer;
pub mod recorder;
pub mod stream;
pub mod task;

pub use frame::{FrameError, FrameReader, Header, MAX_BODY_BYTES, VERSION, decode, encode, encode_into};
pub use kind::Kind;
pub use prost::Message;
