//! What this process was given when it was started.
#![allow(unsafe_code)]

use std::io;
use std::os::fd::{FromRawFd, OwnedFd};
use std::sync::atomic::{AtomicBool, Ordering};

/// The descriptor under which the driver leaves its socket.
const INHERITED: i32 = 3;

static TAKEN: AtomicBool = AtomicBool::new(false);

/// Takes over the socket that the process which started this one left under descriptor 3. Works once.
///
/// # Errors
/// When there is no socket, or it was taken.
pub(crate) fn inherited_socket() -> io::Result<OwnedFd> {
    let link = std::fs::read_link(format!("/proc/self/fd/{INHERITED}"));
    let is_socket = link.is_ok_and(|target| target.to_string_lossy().starts_with("socket:"));
    if !is_socket || TAKEN.swap(true, Ordering::SeqCst) {
        return Err(io::Error::new(io::ErrorKind::NotFound, "no socket was left under descriptor 3"));
    }
    // SAFETY: the descriptor is open (just looked at), nothing in this process opened it (it was there at the start), and `TAKEN`
    // lets one caller through, so that this is its only owner.
    Ok(unsafe { OwnedFd::from_raw_fd(INHERITED) })
}
