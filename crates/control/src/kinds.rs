//! Every thread and task of the control service. Its main thread runs the tasks; one thread decides and writes the journal; one renews the
//! leases of nodes and does nothing else.

use std::thread::JoinHandle;

/// Starts the thread that decides. It ends when its inputs do, or with an error of the journal.
pub(crate) fn start_engine<R: Send + 'static>(
    run: impl FnOnce() -> R + Send + 'static,
) -> std::io::Result<JoinHandle<R>> {
    std::thread::Builder::new().name("trygon-decides".to_owned()).spawn(run)
}

/// Shakes hands on one connection. Ends by its deadline.
pub(crate) fn start_handshake(task: impl Future<Output = ()> + Send + 'static) {
    tokio::spawn(task);
}

/// Reads what one node says. Ends with its stream.
pub(crate) fn start_reader(task: impl Future<Output = ()> + Send + 'static) {
    tokio::spawn(task);
}

/// Starts the thread that renews leases, with a runtime of its own. It is not waited for.
pub(crate) fn start_health(run: impl Future<Output = ()> + Send + 'static) -> std::io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let thread = std::thread::Builder::new().name("trygon-leases".to_owned());
    thread.spawn(move || runtime.block_on(run)).map(drop)
}

/// Asks a machine whether a daemon has ended. Ends after seconds.
pub(crate) fn start_probe(task: impl Future<Output = ()> + Send + 'static) {
    tokio::spawn(task);
}
