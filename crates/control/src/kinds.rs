//! Every thread and task of the control service. Its main thread runs the tasks; one thread decides and writes the journal.

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
