//! When the recorder may forget: what a socket of this machine took is there, what went to another machine only once that has it.

use rustix::io;
use rustix::ioctl::{Getter, ioctl};
use std::os::fd::AsFd;

/// `SIOCOUTQ` of `linux/sockios.h`, the same number as `TIOCOUTQ`.
const BYTES_OF_OUTPUT: rustix::ioctl::Opcode = 0x5411;

/// Bytes that a TCP socket took and the other machine did not acknowledge yet: if this process dies with something unread, the kernel
/// forgets them.
pub fn unacknowledged_bytes(socket: impl AsFd) -> io::Result<usize> {
    // SAFETY: this operation stores one `int` and reads nothing.
    let count: i32 = unsafe { ioctl(socket, Getter::<BYTES_OF_OUTPUT, i32>::new())? };
    Ok(count.max(0) as usize)
}
