//! What went wrong, with the folder and what is free there.

use crate::storage::StorageError;
use std::io::{self, ErrorKind};
use std::path::Path;

/// What is free where the folder is.
fn free_bytes(folder: &Path) -> u64 {
    rustix::fs::statvfs(folder).map_or(0, |found| found.f_bavail * found.f_frsize)
}

pub(super) fn place(folder: &Path) -> String {
    format!("the folder {}", folder.display())
}

pub(super) fn corrupt(folder: &Path, message: String) -> StorageError {
    StorageError::Corrupt { place: place(folder), message }
}

/// What went wrong with the disk.
pub(super) fn translate(folder: &Path, error: &io::Error) -> StorageError {
    let (place, message) = (place(folder), error.to_string());
    match error.kind() {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded | ErrorKind::FileTooLarge => {
            StorageError::Full { place, message: format!("{message}; {} bytes are free", free_bytes(folder)) }
        }
        ErrorKind::PermissionDenied
        | ErrorKind::NotFound
        | ErrorKind::IsADirectory
        | ErrorKind::NotADirectory
        | ErrorKind::ReadOnlyFilesystem => StorageError::Refused { place, message },
        _ => StorageError::Unavailable { place, message },
    }
}
