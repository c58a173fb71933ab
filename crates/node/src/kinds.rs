//! The one place where the daemon starts a thread.
//!
//! Kinds: the memory watch, one a daemon. It ends with the daemon's state. The sweep, which removes what killed daemons left; it ends by itself.

use std::io;
use std::thread::JoinHandle;

/// Starts the thread that watches the workers' memory.
pub(crate) fn start_memory_watch(work: impl FnOnce() + Send + 'static) -> io::Result<JoinHandle<()>> {
    std::thread::Builder::new().name("memory-watch".to_owned()).stack_size(256 << 10).spawn(work)
}

/// Starts the thread that removes files of daemons that live no more. Nothing depends on it.
pub(crate) fn start_sweep(work: impl FnOnce() + Send + 'static) {
    let _ = std::thread::Builder::new().name("spill-sweep".to_owned()).stack_size(256 << 10).spawn(work);
}
