//! What the daemon and the thread that measures share.

use crate::kinds::start_memory_watch;
use crate::memory_watch::MemoryOptions;
use crate::memory_watch::thread::Watch;
use parking_lot::{Condvar, Mutex};
use rustix::event::{EventfdFlags, eventfd};
use rustix::process::Pid;
use std::collections::BTreeMap;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::thread::JoinHandle;
use trygon_node_core::{LeaseId, MemoryCharge, OverLimit};
use trygon_processes::{Measured, MemoryUse};

/// A worker was ended for its memory, or is about to be.
#[derive(Debug, Clone)]
pub(crate) struct Verdict {
    pub(crate) over: OverLimit,
    pub(crate) measured: Measured,
    /// What ran, for messages.
    pub(crate) name: String,
}

/// The node's memory is nearly full.
#[derive(Debug, Clone)]
pub(crate) struct Pressure {
    pub(crate) node: MemoryUse,
    /// What may be in use.
    pub(crate) allowed_bytes: u64,
    /// What each worker uses, by its number.
    pub(crate) workers: Vec<(u64, Measured)>,
}

/// What one lease may have.
#[derive(Debug)]
pub(super) struct Limit {
    pub(super) lease: LeaseId,
    pub(super) charge: MemoryCharge,
    pub(super) name: String,
}

/// One worker.
#[derive(Debug)]
pub(super) struct WorkerBook {
    pub(super) pid: Pid,
    /// Names the process even when its number is another's.
    pub(super) handle: OwnedFd,
    pub(super) limit: Option<Limit>,
}

#[derive(Debug, Default)]
pub(super) struct Books {
    pub(super) workers: BTreeMap<u64, WorkerBook>,
    /// Of workers that have not been seen to end.
    pub(super) verdicts: BTreeMap<u64, Verdict>,
    /// Not taken yet by the daemon.
    pub(super) pressure: Option<Pressure>,
    /// Processes that the thread need not know any more.
    pub(super) forgotten: Vec<Pid>,
    /// A limit is new: it is looked at at once.
    pub(super) has_news: bool,
    pub(super) is_stopping: bool,
}

#[derive(Debug)]
pub(super) struct Shared {
    pub(super) books: Mutex<Books>,
    pub(super) changed: Condvar,
    /// Readable for the daemon when there is something to take.
    pub(super) news: OwnedFd,
}

/// The daemon's end. The thread ends with it.
#[derive(Debug)]
pub(crate) struct MemoryWatch {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
    /// Why it does not measure as it was told to, until that was said.
    pub(crate) complaints: Vec<String>,
    /// The last pressure, for the message of whom it ends.
    pub(super) last_pressure: Option<Pressure>,
    /// When it was last said that nothing could be done, in milliseconds of the daemon's clock.
    pub(super) helpless_ms: Option<u64>,
    /// Processes that the kernel had ended for want of memory when this was last looked at.
    pub(super) kernel_kills: Option<u64>,
}

impl MemoryWatch {
    /// Starts to watch; nothing is measured before there is a worker.
    pub(crate) fn start(options: MemoryOptions) -> io::Result<Self> {
        let news = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
        let shared = Arc::new(Shared { books: Mutex::default(), changed: Condvar::new(), news });
        let (accounting, complaint) = options.accounting();
        let complaints = options.complaints.iter().cloned().chain(complaint).collect();
        let watch = Watch::new(Arc::clone(&shared), accounting, options);
        let thread = start_memory_watch(move || watch.run())?;
        let kernel_kills = trygon_processes::kernel_kills();
        Ok(Self { shared, thread: Some(thread), complaints, last_pressure: None, helpless_ms: None, kernel_kills })
    }

    /// What is readable when there is something to take.
    pub(crate) fn news(&self) -> BorrowedFd<'_> {
        self.shared.news.as_fd()
    }

    /// A worker's process is known.
    pub(crate) fn worker_began(&self, number: u64, pid: Pid, handle: &OwnedFd) {
        // Without a descriptor to spare it is not watched.
        if let Ok(handle) = handle.try_clone() {
            let mut books = self.shared.books.lock();
            let is_first = books.workers.is_empty();
            books.workers.insert(number, WorkerBook { pid, handle, limit: None });
            if is_first {
                self.shared.changed.notify_all();
            }
        }
    }

    /// A worker's process is gone. Why, if it was ended for its limit.
    pub(crate) fn worker_ended(&self, number: u64) -> Option<Verdict> {
        let mut books = self.shared.books.lock();
        if let Some(worker) = books.workers.remove(&number) {
            books.forgotten.push(worker.pid);
        }
        books.verdicts.remove(&number)
    }

    /// A worker may gain so much from now on.
    pub(crate) fn limit(&self, number: u64, lease: LeaseId, limit_bytes: u64, name: String) {
        let mut books = self.shared.books.lock();
        if let Some(worker) = books.workers.get_mut(&number) {
            worker.limit = Some(Limit { lease, charge: MemoryCharge::new(limit_bytes), name });
            books.has_news = true;
            self.shared.changed.notify_all();
        }
    }

    /// The lease with a limit ended.
    pub(crate) fn lift(&self, number: u64, lease: LeaseId) {
        let mut books = self.shared.books.lock();
        if let Some(worker) = books.workers.get_mut(&number) {
            worker.limit.take_if(|limit| limit.lease == lease);
        }
    }

    /// What the thread found last, once.
    pub(super) fn take_pressure(&self) -> Option<Pressure> {
        let _ = rustix::io::read(&self.shared.news, &mut [0u8; 8]);
        self.shared.books.lock().pressure.take()
    }
}

impl Drop for MemoryWatch {
    fn drop(&mut self) {
        self.shared.books.lock().is_stopping = true;
        self.shared.changed.notify_all();
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}
