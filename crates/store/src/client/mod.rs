//! The side of drivers and workers: room for new objects, and the bytes of existing ones. One `StoreClient` a process.
//!
//! Nothing here talks to the daemon. A call that needs it says so (`Reservation::NeedSegment`, `None` for an unmapped segment), and whoever
//! owns the control socket sends the frame and comes back with the descriptor.

mod allocation;
mod pinned_bytes;
mod shared;
mod store_client;

pub use allocation::Allocation;
pub(crate) use allocation::RangeWriter;
pub use pinned_bytes::PinnedBytes;
pub use store_client::{ClientStats, Reservation, StoreClient};
