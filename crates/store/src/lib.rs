//! The object store's hands: the daemon's side, which makes segments and hands out descriptors, and the side of drivers and workers, which
//! maps them and finds room for objects. What is decided lies in `trygon_store_core`; sockets and threads belong to whoever embeds this.
#![forbid(unsafe_code)]

pub mod client;
pub mod server;

pub use trygon_shm::SegmentBytes;
