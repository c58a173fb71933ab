//! Starting the daemon as a child of the driver.

use rustix::fd::{AsRawFd, OwnedFd};
use rustix::net::{AddressFamily, SocketFlags, SocketType, socketpair};
use std::path::Path;
use std::process::{Child, Command, Stdio};

/// The descriptor by which the daemon finds its driver.
const DRIVER_DESCRIPTOR: i32 = 3;

/// Why the daemon did not start.
#[derive(Debug)]
pub struct LaunchError {
    /// The executable.
    pub binary: String,
    /// What the system said.
    pub source: std::io::Error,
}

impl std::fmt::Display for LaunchError {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(formatter, "cannot start the node's daemon {}: {}", self.binary, self.source)
    }
}

impl std::error::Error for LaunchError {}

/// Starts `binary node` with one end of a socket pair as descriptor 3, and returns the other end. `place` puts a descriptor there in the
/// child: it needs `unsafe` and is the caller's.
pub fn launch(binary: &Path, place: impl FnOnce(&mut Command, i32, i32)) -> Result<(OwnedFd, Child), LaunchError> {
    let failed = |source: std::io::Error| LaunchError { binary: binary.display().to_string(), source };
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let (ours, theirs) =
        socketpair(AddressFamily::UNIX, SocketType::STREAM, flags, None).map_err(|error| failed(error.into()))?;
    let mut command = Command::new(binary);
    command.arg("node").stdin(Stdio::null());
    place(&mut command, theirs.as_raw_fd(), DRIVER_DESCRIPTOR);
    let child = command.spawn().map_err(failed)?;
    Ok((ours, child))
}
