//! Where the control service keeps its events: the contract, and the three places that keep it.

pub(crate) mod assemble;
mod contract;
mod error;
mod file;
mod large;
mod memory;
mod open;
mod record;
pub(crate) mod redis;

#[cfg(test)]
pub(crate) mod tests;

pub use contract::{Cut, Loaded, Snapshot, Storage};
pub use error::StorageError;
pub use file::FileStorage;
pub use large::{Digest, LARGE_BYTES, Large, LargeBody, digest_of};
pub use memory::MemoryStorage;
pub use open::open;
pub use record::Record;
pub use redis::RedisStorage;
