//! Where the control service keeps its events: the contract, and the three places that keep it.

pub(crate) mod assemble;
mod contract;
mod error;
mod memory;
mod open;
mod record;
mod redb;
pub(crate) mod redis;

#[cfg(test)]
mod tests;

pub use contract::{Cut, Loaded, Snapshot, Storage};
pub use error::StorageError;
pub use memory::MemoryStorage;
pub use open::open;
pub use record::Record;
pub use redb::RedbStorage;
pub use redis::RedisStorage;
