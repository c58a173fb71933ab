//! The one place where the network starts a thread and tasks.
//!
//! Kinds: the thread of the lease (one a daemon), the network thread (one a daemon); on it a task for the head, one for each node that was ever spoken to, one for each accepted
//! connection, and short ones that dial. A joining blocks, so it runs on one of at most four helping threads. All end with the runtime.

use std::future::Future;
use std::io;
use std::sync::Arc;
use std::thread::JoinHandle;

use parking_lot::Mutex;
use tokio::task::AbortHandle;

/// Starts the network thread with a runtime of its own, which runs `main` and then ends what is left.
pub(crate) fn start_thread(main: impl Future<Output = ()> + Send + 'static) -> io::Result<JoinHandle<()>> {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_io().enable_time().max_blocking_threads(4).build()?;
    std::thread::Builder::new().name("network".to_owned()).spawn(move || runtime.block_on(main))
}

/// Starts the thread of the lease, with a runtime of its own: one task on it, and those of its one connection.
pub(crate) fn start_lease_thread(main: impl Future<Output = ()> + Send + 'static) -> io::Result<JoinHandle<()>> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().enable_time().build()?;
    std::thread::Builder::new().name("lease".to_owned()).spawn(move || runtime.block_on(main))
}

/// Starts a task on the network thread.
pub(crate) fn start_task(task: impl Future<Output = ()> + Send + 'static) -> AbortHandle {
    tokio::spawn(task).abort_handle()
}

/// Runs what blocks for a bounded time on a helping thread.
pub(crate) fn start_blocking(work: impl FnOnce() + Send + 'static) {
    tokio::task::spawn_blocking(work);
}

/// The tasks of one connection. They end when this is dropped: a stream that nobody reads any more would keep them for ever otherwise.
#[derive(Debug, Default)]
pub(crate) struct TaskGroup {
    tasks: GroupExecutor,
}

/// Starts tasks of a group, for hyper.
#[derive(Debug, Clone, Default)]
pub(crate) struct GroupExecutor {
    tasks: Arc<Mutex<Vec<AbortHandle>>>,
}

impl TaskGroup {
    pub(crate) fn executor(&self) -> GroupExecutor {
        self.tasks.clone()
    }
}

impl Drop for TaskGroup {
    fn drop(&mut self) {
        self.tasks.tasks.lock().drain(..).for_each(|task| task.abort());
    }
}

impl<Task: Future<Output = ()> + Send + 'static> hyper::rt::Executor<Task> for GroupExecutor {
    fn execute(&self, task: Task) {
        self.tasks.lock().push(start_task(task));
    }
}
