//! The threads for files: `spill-write`, as many as files are written at once, and `spill-read`, which also delete. They end with the queues
//! that they take from, and are not joined: they hold nothing that outlives the daemon.

use std::io;

/// Starts one.
pub(crate) fn start(name: &str, run: impl FnOnce() + Send + 'static) -> io::Result<()> {
    std::thread::Builder::new().name(name.to_owned()).spawn(run).map(|_| ())
}
