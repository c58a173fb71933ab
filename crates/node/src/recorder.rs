//! Flight recorders: memory that outlives its worker (OWN-8).

use rustix::fs::MemfdFlags;
use std::os::fd::OwnedFd;
use trygon_wire::recorder::{LEN, LOG_OFFSET, STAGED_LEN_OFFSET};

/// A new recorder, all zero.
pub(crate) fn create() -> rustix::io::Result<OwnedFd> {
    let memory = rustix::fs::memfd_create("trygon-recorder", MemfdFlags::CLOEXEC)?;
    rustix::fs::ftruncate(&memory, LEN as u64)?;
    Ok(memory)
}

/// A copy of its head: what runs. Empty when it cannot be read.
pub(crate) fn read_head(recorder: &OwnedFd) -> Vec<u8> {
    let mut bytes = vec![0; LOG_OFFSET];
    if read_at(recorder, &mut bytes, 0) { bytes } else { Vec::new() }
}

/// A copy of what a worker left: its head, and as much of the log as was used. Empty when it cannot be read.
pub(crate) fn read(recorder: &OwnedFd) -> Vec<u8> {
    let mut bytes = vec![0; LOG_OFFSET];
    if !read_at(recorder, &mut bytes, 0) {
        return Vec::new();
    }
    let mut word = [0; 8];
    word.copy_from_slice(&bytes[STAGED_LEN_OFFSET..STAGED_LEN_OFFSET + 8]);
    let used = usize::try_from(u64::from_le_bytes(word)).unwrap_or(usize::MAX).min(LEN - LOG_OFFSET);
    bytes.resize(LOG_OFFSET + used, 0);
    if !read_at(recorder, &mut bytes[LOG_OFFSET..], LOG_OFFSET as u64) {
        bytes.truncate(LOG_OFFSET);
    }
    bytes
}

fn read_at(recorder: &OwnedFd, bytes: &mut [u8], offset: u64) -> bool {
    let mut done = 0;
    while done < bytes.len() {
        match rustix::io::pread(recorder, &mut bytes[done..], offset + done as u64) {
            Ok(0) | Err(_) => return false,
            Ok(len) => done += len,
        }
    }
    true
}
