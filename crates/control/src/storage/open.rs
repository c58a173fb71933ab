//! From the address of a place to the place.

use crate::options::journal_faults;
use crate::storage::{FileStorage, MemoryStorage, RedisStorage, Storage, StorageError};
use std::path::{Path, PathBuf};

/// The place with this address: `memory:`, `file:PATH`, or a Redis address (`redis://`, `rediss://`, `redis+unix://`), where
/// `cluster` keeps clusters apart and `authority` is a PEM file with the certificates that the server's is to be signed by.
///
/// # Errors
/// When the address is none of these.
pub fn open(address: &str, cluster: &str, authority: Option<&Path>) -> Result<Box<dyn Storage>, StorageError> {
    match address.split_once(':') {
        Some(("memory", _)) => Ok(Box::new(MemoryStorage::default())),
        Some(("file", path)) if !path.is_empty() => {
            Ok(Box::new(FileStorage::new(PathBuf::from(path)).with_faults(&journal_faults())))
        }
        Some(("redis" | "rediss" | "redis+unix" | "unix", _)) => {
            Ok(Box::new(RedisStorage::new(address, cluster, authority)?))
        }
        _ => Err(StorageError::Refused {
            place: "the storage".to_owned(),
            message: "its address must begin with file:, redis://, rediss://, redis+unix:/// or memory:".to_owned(),
        }),
    }
}
