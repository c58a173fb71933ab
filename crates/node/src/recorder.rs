//! Flight recorders: memory that outlives its worker (OWN-8).

use rustix::fs::MemfdFlags;
use std::os::fd::OwnedFd;
use trygon_ids::WorkerId;
use trygon_wire::control::{Death, PeerDied};
use trygon_wire::recorder::{LEN, LOG_OFFSET, STAGED_LEN_OFFSET, staged, started};

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

/// What a dead worker's record says to the process at the other end of one of its connections: whether a task of that process was begun,
/// and what was written for it and may not have arrived (OWN-8).
pub(crate) fn last_words(worker: WorkerId, connection: u64, record: &[u8], death: &Death) -> PeerDied {
    let begun = started(record).filter(|task| task.connection == connection);
    let of_connection = staged(record).into_iter().filter(|(to, _)| *to == connection);
    PeerDied {
        worker_id: worker.as_bytes().to_vec(),
        death: Some(death.clone()),
        started: begun.is_some(),
        slot: begun.map_or(0, |task| task.slot),
        generation: begun.map_or(0, |task| task.generation),
        attempt: begun.map_or(0, |task| task.attempt),
        frames: of_connection.map(|(_, frame)| frame.to_vec()).collect(),
        unrecorded: record.is_empty(),
    }
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
