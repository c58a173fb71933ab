//! What this process was given when it was started, and how it becomes two.
#![allow(unsafe_code)]

use rustix::process::{Pid, Signal};
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

/// Which of the two processes this is after a fork.
pub(in crate::worker_pool) enum Side {
    Parent(Pid),
    Child,
}

/// Makes a child that goes on from here. Only in a process with one thread.
///
/// # Errors
/// When there are more threads, or the system makes no more processes.
pub(in crate::worker_pool) fn fork() -> io::Result<Side> {
    if std::fs::read_dir("/proc/self/task")?.count() != 1 {
        return Err(io::Error::other("there is more than one thread"));
    }
    // SAFETY: there is no other thread whose locks the child could find held (just looked at, and none is started meanwhile).
    let pid = unsafe { libc::fork() };
    match Pid::from_raw(pid) {
        None => Ok(Side::Child),
        Some(child) if pid > 0 => Ok(Side::Parent(child)),
        Some(_) => Err(io::Error::last_os_error()),
    }
}

/// Closes every descriptor from `first` on. Only in a process that owns none of them any more.
pub(in crate::worker_pool) fn close_from(first: u32) {
    // SAFETY: the caller goes on without anything that owns a descriptor.
    unsafe { libc::close_range(first, u32::MAX, 0) };
}

/// Signals that wait to be taken, instead of doing what they usually do.
#[derive(Clone, Copy)]
pub(in crate::worker_pool) struct HeldSignals {
    held: libc::sigset_t,
    before: libc::sigset_t,
}

impl HeldSignals {
    /// Holds these back from now on.
    pub(in crate::worker_pool) fn hold(signals: &[Signal]) -> Self {
        let (mut held, mut before) = (std::mem::MaybeUninit::uninit(), std::mem::MaybeUninit::uninit());
        // SAFETY: both sets are written before they are read, and live on this stack.
        unsafe {
            libc::sigemptyset(held.as_mut_ptr());
            for signal in signals {
                libc::sigaddset(held.as_mut_ptr(), signal.as_raw());
            }
            libc::pthread_sigmask(libc::SIG_BLOCK, held.as_ptr(), before.as_mut_ptr());
            Self { held: held.assume_init(), before: before.assume_init() }
        }
    }

    /// As before.
    pub(in crate::worker_pool) fn release(self) {
        // SAFETY: the set was filled when the signals were held.
        unsafe { libc::pthread_sigmask(libc::SIG_SETMASK, &self.before, std::ptr::null_mut()) };
    }

    /// Waits for the next one.
    pub(in crate::worker_pool) fn next(&self) -> Option<Signal> {
        let mut signal = 0;
        // SAFETY: the set was filled when the signals were held, and the number lives on this stack.
        let failed = unsafe { libc::sigwait(&self.held, &mut signal) };
        if failed == 0 { Signal::from_named_raw(signal) } else { None }
    }
}
