//! The daemon's side: takes frames about the store, keeps the segments, and says which frames go out.

mod options;
mod perform;
mod provision;
mod stats;
mod store_server;

pub use options::StoreOptions;
pub use store_server::{Outgoing, StoreServer};
