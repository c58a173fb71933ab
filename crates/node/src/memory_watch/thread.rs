//! The thread that measures.
//!
//! How soon it looks again depends on how much is left: memory is not filled faster than [`FILL_BYTES_PER_MS`], so a worker that is far
//! from its limit, and a machine that is far from full, are looked at more seldom. A worker with a limit is never left alone for longer than
//! [`LONGEST_LIMIT_MS`]. Where there is no worker the thread sleeps.

use crate::memory_watch::MemoryOptions;
use crate::memory_watch::books::{Books, Pressure, Shared, Verdict};
use parking_lot::MutexGuard;
use rustix::process::{Pid, Signal};
use std::sync::Arc;
use std::time::{Duration, Instant};
use trygon_node_core::LeaseId;
use trygon_processes::{MachineMemory, Measured, MemoryAccounting, MemoryUse};

/// 4 GiB in a second.
const FILL_BYTES_PER_MS: u64 = 4 << 20;
const SHORTEST_LIMIT_MS: u64 = 10;
const LONGEST_LIMIT_MS: u64 = 50;
const LONGEST_NODE_MS: u64 = 1_000;
/// Lets the thread go first where workers leave no processor idle: what they fill in the meantime is what it is there to stop.
const NICE: i32 = -10;

pub(super) struct Watch {
    shared: Arc<Shared>,
    accounting: Box<dyn MemoryAccounting>,
    options: MemoryOptions,
    machine: MachineMemory,
    /// When those with limits are looked at again.
    limits_at: Instant,
    node_at: Instant,
}

/// A worker with a limit, as it was when the books were open.
struct Limited {
    number: u64,
    pid: Pid,
    lease: LeaseId,
    threshold_bytes: u64,
}

impl Watch {
    pub(super) fn new(shared: Arc<Shared>, accounting: Box<dyn MemoryAccounting>, options: MemoryOptions) -> Self {
        let now = Instant::now();
        let machine = MachineMemory::find();
        Self { shared, accounting, options, machine, limits_at: now, node_at: now }
    }

    /// Until the daemon ends.
    pub(super) fn run(mut self) {
        // Without the right to it, it takes its turn as others do.
        let _ = rustix::process::setpriority_process(None, NICE);
        let shared = Arc::clone(&self.shared);
        loop {
            let mut books = shared.books.lock();
            if !self.sleep(&mut books) {
                return;
            }
            let forgotten = std::mem::take(&mut books.forgotten);
            let begun = std::mem::take(&mut books.begun);
            books.has_news = false;
            drop(books);
            forgotten.into_iter().for_each(|pid| self.accounting.forget(pid));
            // Who is gone already is not watched.
            begun.into_iter().for_each(|pid| drop(self.accounting.watch(pid)));
            let now = Instant::now();
            // Whatever woke it: a limit that is new is looked at first.
            self.look_at_limits(&shared);
            if self.options.refresh_ms > 0 && self.node_at <= now {
                self.look_at_node(&shared);
            }
            if let Some(complaint) = self.accounting.complaint() {
                shared.books.lock().complaints.push(format!("{complaint}; its memory is measured by /proc instead"));
                let _ = rustix::io::write(&shared.news, &1u64.to_ne_bytes());
            }
        }
    }

    /// Until something is due. False when the daemon ends.
    fn sleep(&self, books: &mut MutexGuard<'_, Books>) -> bool {
        loop {
            let has_limits = books.workers.values().any(|worker| worker.limit.is_some());
            let watches_node = self.options.refresh_ms > 0 && !books.workers.is_empty();
            let due = [has_limits.then_some(self.limits_at), watches_node.then_some(self.node_at)];
            let due = due.into_iter().flatten().min();
            if books.is_stopping {
                return false;
            }
            let is_due = due.is_some_and(|due| due <= Instant::now());
            if books.has_news || is_due {
                return true;
            }
            match due {
                Some(due) => {
                    self.shared.changed.wait_until(books, due);
                }
                None => self.shared.changed.wait(books),
            }
        }
    }

    fn look_at_limits(&mut self, shared: &Shared) {
        let limited: Vec<Limited> = {
            let books = shared.books.lock();
            let with_limits =
                books.workers.iter().filter_map(|(number, worker)| Some((number, worker, worker.limit.as_ref()?)));
            with_limits
                .map(|(number, worker, limit)| Limited {
                    number: *number,
                    pid: worker.pid,
                    lease: limit.lease,
                    threshold_bytes: limit.charge.threshold_bytes(),
                })
                .collect()
        };
        let mut pause_ms = LONGEST_LIMIT_MS;
        for one in limited {
            if self.accounting.watch(one.pid).is_err() {
                continue;
            }
            if let Some(measured) = self.accounting.measure(one.pid, one.threshold_bytes) {
                let left_bytes = self.judge(shared, &one, measured);
                pause_ms = pause_ms.min((left_bytes / FILL_BYTES_PER_MS).max(SHORTEST_LIMIT_MS));
            }
        }
        self.limits_at = Instant::now() + Duration::from_millis(pause_ms);
    }

    /// Ends a worker that has too much (MEM-1); otherwise says how much is left to it.
    fn judge(&mut self, shared: &Shared, one: &Limited, measured: Measured) -> u64 {
        let mut books = shared.books.lock();
        let Some(worker) = books.workers.get_mut(&one.number) else {
            return u64::MAX;
        };
        // Its lease may have ended while it was measured: the next one is not charged with it.
        let Some(limit) = worker.limit.as_mut().filter(|limit| limit.lease == one.lease) else {
            return u64::MAX;
        };
        let Some(over) = limit.charge.on_sample(measured.used_bytes) else {
            return limit.charge.threshold_bytes().saturating_sub(measured.used_bytes);
        };
        let name = std::mem::take(&mut limit.name);
        worker.limit = None;
        // Before the signal: whoever sees its end finds the reason.
        let _ = rustix::process::pidfd_send_signal(&worker.handle, Signal::KILL);
        books.verdicts.insert(one.number, Verdict { over, measured, name });
        self.accounting.end(one.pid);
        u64::MAX
    }

    fn look_at_node(&mut self, shared: &Shared) {
        let mut workers = Vec::new();
        if self.options.node_limit_bytes.is_some() {
            workers = self.measure_all(shared, u64::MAX);
        }
        let Some(mut node) = self.node_use(&workers) else {
            // Nothing can be known here: it is tried again now and then.
            self.node_at = Instant::now() + Duration::from_millis(LONGEST_NODE_MS);
            return;
        };
        let allowed_bytes = (node.capacity_bytes as f64 * self.options.threshold) as u64;
        if node.used_bytes > allowed_bytes {
            workers = self.measure_all(shared, 0);
            node = self.node_use(&workers).unwrap_or(node);
        }
        if node.used_bytes > allowed_bytes {
            let mut books = shared.books.lock();
            if books.pressure.is_none() {
                books.pressure = Some(Pressure { node, allowed_bytes, workers });
                let _ = rustix::io::write(&shared.news, &1u64.to_ne_bytes());
            }
        }
        let left_ms = allowed_bytes.saturating_sub(node.used_bytes) / FILL_BYTES_PER_MS;
        let longest_ms = LONGEST_NODE_MS.max(self.options.refresh_ms);
        self.node_at = Instant::now() + Duration::from_millis(left_ms.clamp(self.options.refresh_ms, longest_ms));
    }

    fn node_use(&self, workers: &[(u64, Measured)]) -> Option<MemoryUse> {
        match self.options.node_limit_bytes {
            Some(capacity_bytes) => {
                let used_bytes = workers.iter().map(|(_, measured)| measured.used_bytes).sum();
                Some(MemoryUse { used_bytes, capacity_bytes })
            }
            None => self.machine.read(),
        }
    }

    /// What every worker uses, as exactly as is needed to tell whether one alone has more than `limit_bytes`.
    fn measure_all(&mut self, shared: &Shared, limit_bytes: u64) -> Vec<(u64, Measured)> {
        let all: Vec<(u64, Pid)> =
            shared.books.lock().workers.iter().map(|(number, worker)| (*number, worker.pid)).collect();
        let mut measured = Vec::with_capacity(all.len());
        for (number, pid) in all {
            if self.accounting.watch(pid).is_ok()
                && let Some(found) = self.accounting.measure(pid, limit_bytes)
            {
                measured.push((number, found));
            }
        }
        measured
    }
}
