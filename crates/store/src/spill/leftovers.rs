//! Files of daemons that were killed.

use crate::spill::folder::{LOCK, PREFIX};
use rustix::fs::FlockOperation;
use std::fs::File;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// Removes what daemons of this user that live no more have left in a directory; says how many there were. A living one holds a lock, which
/// the system takes from it however it ends.
pub fn remove_leftovers(directory: &Path) -> usize {
    let own = rustix::process::getuid().as_raw();
    let prefix = format!("{PREFIX}{own}-");
    let entries = std::fs::read_dir(directory).into_iter().flatten().flatten();
    let folders = entries.filter(|entry| {
        entry.file_name().to_string_lossy().starts_with(&prefix)
            && std::fs::symlink_metadata(entry.path()).is_ok_and(|found| found.is_dir() && found.uid() == own)
    });
    let folders: Vec<PathBuf> = folders.map(|entry| entry.path()).collect();
    folders.iter().filter(|folder| remove_if_left(folder)).count()
}

fn remove_if_left(folder: &Path) -> bool {
    let lock = File::open(folder.join(LOCK));
    let is_left = match &lock {
        Ok(lock) => rustix::fs::flock(lock, FlockOperation::NonBlockingLockExclusive).is_ok(),
        // Its removal was interrupted.
        Err(error) => error.kind() == std::io::ErrorKind::NotFound,
    };
    is_left && std::fs::remove_dir_all(folder).is_ok()
}
