//! The one thread of this crate, and what runs in it.
//!
//! Kinds: `spill-remote`, one a daemon that writes to a bucket, which drives all connections. It begins with the first place that is opened, is
//! not joined and ends with the process: it holds nothing that outlives the daemon.

use std::future::Future;
use std::io;
use tokio::runtime::{Builder, Handle};
use tokio::task::JoinHandle;

/// Starts the thread.
pub(crate) fn start_driver() -> io::Result<Handle> {
    let runtime = Builder::new_current_thread().enable_all().max_blocking_threads(2).build()?;
    let handle = runtime.handle().clone();
    let drive = move || runtime.block_on(std::future::pending::<()>());
    std::thread::Builder::new().name("spill-remote".to_owned()).spawn(drive)?;
    Ok(handle)
}

/// Begins something that goes on by itself.
pub(crate) fn begin<T: Send + 'static>(
    handle: &Handle,
    work: impl Future<Output = T> + Send + 'static,
) -> JoinHandle<T> {
    handle.spawn(work)
}
