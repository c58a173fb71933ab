//! The daemon's end of the watch.

use crate::kinds::start_memory_watch;
use crate::memory_watch::MemoryOptions;
use crate::memory_watch::books::{Limit, Pressure, Shared, Verdict, WorkerBook};
use crate::memory_watch::thread::Watch;
use parking_lot::{Condvar, Mutex};
use rustix::event::{EventfdFlags, eventfd};
use rustix::process::Pid;
use std::io;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;
use std::thread::JoinHandle;
use trygon_node_core::{LeaseId, MemoryCharge};

/// The thread ends with it.
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
    /// A worker is to be watched from its beginning, whether it has a limit or not.
    is_watched_at_once: bool,
}

impl MemoryWatch {
    /// Starts to watch; nothing is measured before there is a worker.
    pub(crate) fn start(options: MemoryOptions) -> io::Result<Self> {
        let news = eventfd(0, EventfdFlags::CLOEXEC | EventfdFlags::NONBLOCK)?;
        let shared = Arc::new(Shared { books: Mutex::default(), changed: Condvar::new(), news });
        let (accounting, complaint) = options.accounting();
        let complaints = options.complaints.iter().cloned().chain(complaint).collect();
        let is_watched_at_once = accounting.counts_from_watching_on();
        let watch = Watch::new(Arc::clone(&shared), accounting, options);
        let thread = start_memory_watch(move || watch.run())?;
        let kernel_kills = trygon_processes::kernel_kills();
        let thread = Some(thread);
        Ok(Self {
            shared,
            thread,
            complaints,
            last_pressure: None,
            helpless_ms: None,
            kernel_kills,
            is_watched_at_once,
        })
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
            if self.is_watched_at_once {
                books.begun.push(pid);
                books.has_news = true;
            }
            if is_first || self.is_watched_at_once {
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

    /// What the thread found last, once; what it has to complain of is added to what is to be said.
    pub(super) fn take_pressure(&mut self) -> Option<Pressure> {
        let _ = rustix::io::read(&self.shared.news, &mut [0u8; 8]);
        let mut books = self.shared.books.lock();
        self.complaints.append(&mut books.complaints);
        books.pressure.take()
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
