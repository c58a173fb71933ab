//! Measures by reading `/proc`: quickly what it can be at most, and exactly only when that is too much.
//!
//! Reading what a process has costs microseconds. Dividing shared pages fairly walks all of its pages, milliseconds for each GiB. So the
//! exact amount is read only when the quick one is above the limit and could be wrong: when a worker forked others, whose pages are
//! partly its own, or has shared memory of the store beside some of its own. What it then turns out to be less is taken off for a while.

use crate::memory::proc_files::{self, Resident};
use crate::memory::{Measured, MemoryAccounting};
use rustix::process::{Pid, Signal};
use std::collections::HashMap;
use std::io;
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

/// An exact amount is believed for this long, and for ten times as long as it took.
const BELIEVED: Duration = Duration::from_millis(150);

/// Between two whole readings only the worker's own pages are looked at, as long as that is enough to know that it is below its limit.
const WHOLE_EVERY: Duration = Duration::from_millis(40);
/// Where many are watched, so that whole readings would take more than a part in [`WHOLE_SHARE`] of a processor.
const WHOLE_EVERY_MOST: Duration = Duration::from_millis(100);
/// The same for a worker that had no children when it was last looked at.
const WHOLE_ALONE_EVERY_MOST: Duration = Duration::from_millis(200);
const WHOLE_SHARE: u32 = 50;

/// See the module.
#[derive(Debug, Default)]
pub struct Sampling {
    workers: HashMap<Pid, Watched>,
    /// The variable that tells whose a process is that lost its parents and became this one's child.
    mark: Option<&'static str>,
    orphans: Vec<Orphan>,
    orphans_at: Option<Instant>,
    /// What a whole reading takes, smoothed.
    whole_takes: Duration,
    buffer: Vec<u8>,
}

/// A child of this process that some worker's processes left.
#[derive(Debug)]
struct Orphan {
    pid: Pid,
    started: u64,
    mark: Option<String>,
}

#[derive(Debug)]
struct Watched {
    started: u64,
    mark: Option<String>,
    /// Pages that it had in common with whoever forked it. They count as its own, as they do in a quick reading.
    inherited_bytes: u64,
    /// Processes that it started, with the time of their beginning. They stay its own when their parents end.
    children: HashMap<Pid, u64>,
    discount: Option<Discount>,
    /// Kept open: reading it again costs a tenth of opening it.
    pages: Option<OwnedFd>,
    whole: Option<Whole>,
}

/// What a whole reading found.
#[derive(Debug, Clone, Copy)]
struct Whole {
    at: Instant,
    /// The most that there may be beside the worker's own pages.
    others_most_bytes: u64,
    /// What was counted beside its own anonymous pages.
    others_bytes: u64,
    children_bytes: u64,
    processes: u32,
}

/// What an exact reading was below the quick one.
#[derive(Debug, Clone, Copy)]
struct Discount {
    bytes: u64,
    until: Instant,
}

impl Sampling {
    /// One that watches nothing.
    pub fn new() -> Self {
        Self::default()
    }

    /// One that knows a worker's processes by a variable, too, when they have lost their parents and are this process's children.
    pub fn with_mark(mark: &'static str) -> Self {
        Self { mark: Some(mark), ..Self::default() }
    }

    /// What a process is marked with. Zeros are the mark of one that was just forked and has none yet.
    fn mark_of(&self, pid: Pid) -> Option<String> {
        let mark = crate::tree::variable(&crate::tree::environment(pid)?, self.mark?)?;
        mark.bytes().any(|byte| byte != b'0').then_some(mark)
    }

    /// Looks again who became this process's child.
    fn find_orphans(&mut self) {
        let is_fresh = self.orphans_at.is_some_and(|at| at.elapsed() < self.whole_every(WHOLE_EVERY_MOST));
        if self.mark.is_none() || is_fresh {
            return;
        }
        self.orphans_at = Some(Instant::now());
        let mut known = std::mem::take(&mut self.orphans);
        for pid in crate::tree::children() {
            let Some(started) = proc_files::started(pid, &mut self.buffer) else {
                continue;
            };
            let place = known.iter().position(|orphan| (orphan.pid, orphan.started) == (pid, started));
            let orphan = match place {
                Some(place) if known[place].mark.is_some() => known.swap_remove(place),
                Some(place) => Orphan { mark: self.mark_of(pid), ..known.swap_remove(place) },
                None => Orphan { pid, started, mark: self.mark_of(pid) },
            };
            self.orphans.push(orphan);
        }
    }

    /// The children that a worker has now, with theirs.
    fn find_children(&mut self, worker: Pid) {
        self.find_orphans();
        if self.workers.get(&worker).is_some_and(|watched| watched.mark.is_none()) {
            let mark = self.mark_of(worker);
            if let Some(watched) = self.workers.get_mut(&worker) {
                watched.mark = mark;
            }
        }
        let Some(watched) = self.workers.get_mut(&worker) else {
            return;
        };
        let mut known = std::mem::take(&mut watched.children);
        let is_theirs = |orphan: &&Orphan| orphan.mark.is_some() && orphan.mark == watched.mark && orphan.pid != worker;
        known.extend(self.orphans.iter().filter(is_theirs).map(|orphan| (orphan.pid, orphan.started)));
        let buffer = &mut self.buffer;
        let mut found = HashMap::new();
        let mut left = vec![worker];
        // A number that was given to somebody else meanwhile is nobody's child here.
        left.extend(
            known.iter().filter(|(pid, at)| proc_files::started(**pid, buffer) == Some(**at)).map(|(pid, _)| *pid),
        );
        for pid in &left[1..] {
            found.insert(*pid, known[pid]);
        }
        let mut table = None;
        while let Some(parent) = left.pop() {
            let below = proc_files::children(parent, buffer).unwrap_or_else(|| {
                let table = table.get_or_insert_with(crate::tree::children_of_all);
                table
                    .get(&parent.as_raw_nonzero().get())
                    .into_iter()
                    .flatten()
                    .filter_map(|pid| Pid::from_raw(*pid))
                    .collect()
            });
            for pid in below {
                if let Some(at) = proc_files::started(pid, buffer)
                    && found.insert(pid, at).is_none()
                {
                    left.push(pid);
                }
            }
        }
        if let Some(watched) = self.workers.get_mut(&worker) {
            watched.children = found;
        }
    }

    /// What the processes have at most: pages that several of them share count for each.
    fn at_most(&mut self, worker: Pid) -> Option<(Resident, Resident)> {
        let own = proc_files::resident(worker, &mut self.buffer)?;
        let mut children = Resident::default();
        let pids: Vec<Pid> = self.workers.get(&worker)?.children.keys().copied().collect();
        for pid in pids {
            let has = proc_files::resident(pid, &mut self.buffer).unwrap_or_default();
            children.anonymous_bytes += has.anonymous_bytes;
            children.shared_bytes += has.shared_bytes;
            children.swapped_bytes += has.swapped_bytes;
        }
        Some((own, children))
    }

    /// The user's shared memory where its bounds meet, or the exact amount if `is_exact`. Otherwise the most that it can be.
    fn foreign_shared(&mut self, pids: &[Pid], is_exact: bool) -> u64 {
        let mut total_bytes = 0;
        for pid in pids {
            let shared_bytes = proc_files::resident(*pid, &mut self.buffer).unwrap_or_default().shared_bytes;
            if shared_bytes == 0 {
                continue;
            }
            let mapped = proc_files::shared_mappings(*pid, &mut self.buffer).unwrap_or_default();
            total_bytes += if mapped.foreign_bytes == 0 {
                0
            } else if is_exact && (mapped.own_bytes > 0 || pids.len() > 1) {
                proc_files::proportional_shared(*pid, &mut self.buffer).unwrap_or(0)
            } else {
                shared_bytes.min(mapped.foreign_bytes)
            };
        }
        total_bytes
    }

    /// Walks the pages of all of them.
    fn exactly(&mut self, worker: Pid, pids: &[Pid]) -> Option<u64> {
        let inherited_bytes = self.workers.get(&worker)?.inherited_bytes;
        let mut total_bytes = 0;
        for pid in pids {
            total_bytes += proc_files::proportional_anonymous(*pid, &mut self.buffer).unwrap_or(0);
        }
        Some(total_bytes + inherited_bytes + self.foreign_shared(pids, true))
    }
}

impl MemoryAccounting for Sampling {
    fn name(&self) -> &'static str {
        "sampling"
    }

    fn watch(&mut self, worker: Pid) -> io::Result<()> {
        let gone = || io::Error::from(rustix::io::Errno::SRCH);
        let started = proc_files::started(worker, &mut self.buffer).ok_or_else(gone)?;
        if self.workers.get(&worker).is_some_and(|watched| watched.started == started) {
            return Ok(());
        }
        let has = proc_files::resident(worker, &mut self.buffer).ok_or_else(gone)?;
        let proportional = proc_files::proportional_anonymous(worker, &mut self.buffer).ok_or_else(gone)?;
        let inherited_bytes = (has.anonymous_bytes + has.swapped_bytes).saturating_sub(proportional);
        let pages = proc_files::open_pages(worker);
        let mark = self.mark_of(worker);
        let watched =
            Watched { started, mark, inherited_bytes, children: HashMap::new(), discount: None, pages, whole: None };
        self.workers.insert(worker, watched);
        Ok(())
    }

    fn measure(&mut self, worker: Pid, limit_bytes: u64) -> Option<Measured> {
        if let Some(measured) = self.quickly(worker, limit_bytes) {
            return Some(measured);
        }
        let began = Instant::now();
        let (measured, others_most_bytes, own_bytes) = self.wholly(worker, limit_bytes)?;
        self.whole_takes = (self.whole_takes * 7 + began.elapsed()) / 8;
        let whole = Whole {
            at: Instant::now(),
            others_most_bytes,
            others_bytes: measured.used_bytes.saturating_sub(own_bytes),
            children_bytes: measured.children_bytes,
            processes: measured.processes,
        };
        self.workers.get_mut(&worker)?.whole = Some(whole);
        Some(measured)
    }

    fn end(&mut self, worker: Pid) {
        self.find_children(worker);
        let children: Vec<Pid> =
            self.workers.get(&worker).map(|watched| watched.children.keys().copied().collect()).unwrap_or_default();
        for pid in std::iter::once(worker).chain(children) {
            let _ = rustix::process::kill_process(pid, Signal::KILL);
        }
    }

    fn forget(&mut self, worker: Pid) {
        self.workers.remove(&worker);
    }
}

impl Sampling {
    /// How long nothing but a worker's own pages may be looked at.
    fn whole_every(&self, most: Duration) -> Duration {
        let all = self.whole_takes * u32::try_from(self.workers.len()).unwrap_or(u32::MAX);
        (all * WHOLE_SHARE).clamp(WHOLE_EVERY, most)
    }

    /// By the worker's own pages alone, if that is enough.
    fn quickly(&mut self, worker: Pid, limit_bytes: u64) -> Option<Measured> {
        let watched = self.workers.get(&worker)?;
        let most = if watched.children.is_empty() { WHOLE_ALONE_EVERY_MOST } else { WHOLE_EVERY_MOST };
        let every = self.whole_every(most);
        let whole = watched.whole.filter(|whole| whole.at.elapsed() < every)?;
        let pages = proc_files::pages(watched.pages.as_ref()?)?;
        let most_bytes = pages.resident_bytes + whole.others_most_bytes;
        (most_bytes <= limit_bytes).then_some(Measured {
            used_bytes: pages.anonymous_bytes + whole.others_bytes,
            children_bytes: whole.children_bytes,
            processes: whole.processes,
        })
    }

    /// What it uses, the most that it may have beside its own pages, and its own anonymous ones.
    fn wholly(&mut self, worker: Pid, limit_bytes: u64) -> Option<(Measured, u64, u64)> {
        self.find_children(worker);
        let (own, children) = self.at_most(worker)?;
        let pids: Vec<Pid> =
            std::iter::once(worker).chain(self.workers.get(&worker)?.children.keys().copied()).collect();
        // Its own pages are there, whoever else has them too.
        let least_bytes = own.anonymous_bytes + own.swapped_bytes;
        let measured = |used_bytes: u64, children_bytes: u64| Measured {
            used_bytes: used_bytes.max(least_bytes),
            children_bytes: children_bytes.min(used_bytes),
            processes: pids.len() as u32,
        };
        let children_bytes = children.total_bytes();
        let most_bytes = own.total_bytes() + children_bytes;
        // Shared pages are among the worker's own in a quick reading.
        let others_most_bytes = children_bytes + own.swapped_bytes;
        if most_bytes <= limit_bytes || (pids.len() == 1 && own.shared_bytes == 0) {
            return Some((measured(most_bytes, children_bytes), others_most_bytes, own.anonymous_bytes));
        }
        let now = Instant::now();
        let discount = self.workers.get(&worker)?.discount.filter(|discount| discount.until > now);
        if let Some(discount) = discount.filter(|discount| most_bytes.saturating_sub(discount.bytes) <= limit_bytes) {
            let used_bytes = most_bytes.saturating_sub(discount.bytes);
            return Some((measured(used_bytes, children_bytes), others_most_bytes, own.anonymous_bytes));
        }
        let private_bytes = most_bytes - own.shared_bytes - children.shared_bytes;
        let mut used_bytes = private_bytes + self.foreign_shared(&pids, false);
        if used_bytes > limit_bytes {
            used_bytes = if pids.len() > 1 {
                self.exactly(worker, &pids)?
            } else {
                private_bytes + self.foreign_shared(&pids, true)
            };
        }
        let until = Instant::now() + BELIEVED.max(now.elapsed() * 10);
        let discount = Discount { bytes: most_bytes.saturating_sub(used_bytes), until };
        if let Some(watched) = self.workers.get_mut(&worker) {
            watched.discount = Some(discount);
        }
        Some((measured(used_bytes, children_bytes), others_most_bytes, own.anonymous_bytes))
    }
}
