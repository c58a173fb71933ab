//! The one place where the daemon starts a thread.
//!
//! Kinds: the memory watch, one a daemon. It ends with the daemon's state.

use std::io;
use std::thread::JoinHandle;

/// Starts the thread that watches the workers' memory.
pub(crate) fn start_memory_watch(work: impl FnOnce() + Send + 'static) -> io::Result<JoinHandle<()>> {
    std::thread::Builder::new().name("memory-watch".to_owned()).stack_size(256 << 10).spawn(work)
}
