//! The object store's hands: the daemon's side, which makes segments and hands out descriptors, and the side of drivers and workers, which
//! maps them and finds room for objects. What is decided lies in `trygon_store_core`; sockets belong to whoever embeds this, and so do threads,
//! but for those that carry objects between machines (`transfer`), where there is a cluster.
#![forbid(unsafe_code)]

pub mod client;
pub mod server;
pub mod spill;
pub mod transfer;

pub use trygon_shm::SegmentBytes;
pub use trygon_store_core::node_of;
