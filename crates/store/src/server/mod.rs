//! The daemon's side: takes frames about the store, keeps the segments, and says which frames go out.

mod options;
mod perform;
mod provision;
mod spilling;
mod spilling_state;
mod stats;
mod store_server;
mod transfers;
mod transfers_perform;
mod transfers_serve;
mod transfers_state;

pub use options::StoreOptions;
pub use store_server::{Outgoing, StoreServer};
pub use transfers_state::TransferOptions;
