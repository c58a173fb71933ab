//! What both hierarchies of control groups have in common: a folder for each worker under one that this process may write to.

use crate::memory::proc_files;
use rustix::fs::{FlockOperation, Mode, OFlags};
use rustix::process::{Pid, Signal};
use std::collections::{HashMap, HashSet};
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// A group is empty this long after its processes were ended, or it is left behind.
const EMPTYING: Duration = Duration::from_millis(500);

/// What the names of the groups begin with that hold the workers' groups; a process's number follows.
const BASE_PREFIX: &str = "trygon-";
/// So many processes with one number may have groups in one place: each container counts its own.
const SAME_NUMBERS: u32 = 64;
/// What a worker starts while it is moved is looked for so often.
const MOVING_ROUNDS: u32 = 8;

/// The workers' groups.
#[derive(Debug)]
pub(super) struct Groups {
    /// Holds them; made by this process and removed with it.
    base: PathBuf,
    workers: HashMap<Pid, PathBuf>,
    /// Tells others that `base` is in use. The kernel lets go of it when this process ends, however it does.
    _lock: OwnedFd,
}

impl Groups {
    /// Makes a group for this process's workers below `delegated`, and removes those of processes that were killed.
    pub(super) fn new(delegated: &Path) -> io::Result<Self> {
        remove_abandoned(delegated);
        let number = std::process::id();
        for other in 0..SAME_NUMBERS {
            let name =
                if other == 0 { format!("{BASE_PREFIX}{number}") } else { format!("{BASE_PREFIX}{number}-{other}") };
            let base = delegated.join(name);
            match std::fs::create_dir(&base) {
                Err(error) if error.kind() == io::ErrorKind::AlreadyExists => continue,
                other => other?,
            }
            // Between the two somebody else may have taken it for abandoned.
            if let Ok(Some(lock)) = lock(&base)
                && base.exists()
            {
                return Ok(Self { base, workers: HashMap::new(), _lock: lock });
            }
        }
        let message =
            format!("{} has {SAME_NUMBERS} groups for processes with the number {number}", delegated.display());
        Err(io::Error::new(io::ErrorKind::AlreadyExists, message))
    }

    pub(super) fn base(&self) -> &Path {
        &self.base
    }

    /// Moves a worker into a group of its own, with what it has started. What it starts from now on is there too.
    pub(super) fn admit(&mut self, worker: Pid) -> io::Result<()> {
        if self.workers.contains_key(&worker) {
            return Ok(());
        }
        let folder = self.base.join(worker.as_raw_nonzero().to_string());
        make(&folder)?;
        if let Err(error) = enter(&folder, worker) {
            let _ = std::fs::remove_dir(&folder);
            return Err(error);
        }
        bring_children(&folder, worker);
        self.workers.insert(worker, folder);
        Ok(())
    }

    pub(super) fn folder(&self, worker: Pid) -> Option<&Path> {
        self.workers.get(&worker).map(PathBuf::as_path)
    }

    pub(super) fn processes(&self, worker: Pid) -> Vec<Pid> {
        self.folder(worker).map(processes).unwrap_or_default()
    }

    /// Ends everything in a worker's group.
    pub(super) fn end(&self, worker: Pid) {
        let Some(folder) = self.folder(worker) else {
            return;
        };
        // One write for all of them, where the kernel has it.
        if std::fs::write(folder.join("cgroup.kill"), "1").is_err() {
            for pid in processes(folder) {
                let _ = rustix::process::kill_process(pid, Signal::KILL);
            }
        }
    }

    /// Removes a worker's group, and ends what is left in it.
    pub(super) fn forget(&mut self, worker: Pid) {
        let until = Instant::now() + EMPTYING;
        while let Some(folder) = self.folder(worker) {
            match std::fs::remove_dir(folder) {
                Err(_) if folder.exists() && Instant::now() < until => {
                    self.end(worker);
                    std::thread::sleep(Duration::from_millis(2));
                }
                _ => {
                    self.workers.remove(&worker);
                }
            }
        }
    }
}

impl Drop for Groups {
    fn drop(&mut self) {
        let workers: Vec<Pid> = self.workers.keys().copied().collect();
        workers.into_iter().for_each(|worker| self.forget(worker));
        let _ = std::fs::remove_dir(&self.base);
    }
}

/// Makes a group, unless it is there already.
pub(super) fn make(folder: &Path) -> io::Result<()> {
    match std::fs::create_dir(folder) {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        other => other,
    }
}

/// Moves a process into a group.
pub(super) fn enter(folder: &Path, pid: Pid) -> io::Result<()> {
    std::fs::write(folder.join("cgroup.procs"), pid.as_raw_nonzero().to_string())
}

/// Moves what a process has started to where it is.
fn bring_children(folder: &Path, parent: Pid) {
    let has_none = |pid| proc_files::children(pid, &mut Vec::new()).is_some_and(|children| children.is_empty());
    for _ in 0..MOVING_ROUNDS {
        // Nearly always; the other way reads of every process there is.
        if has_none(parent) {
            return;
        }
        let inside: HashSet<Pid> = processes(folder).into_iter().collect();
        let outside: Vec<Pid> = crate::tree::below(parent).into_iter().filter(|pid| !inside.contains(pid)).collect();
        if outside.is_empty() {
            return;
        }
        for pid in outside {
            // One that has ended meanwhile is missed by nobody.
            let _ = enter(folder, pid);
        }
    }
}

/// Those in a group that can be seen from here.
pub(super) fn processes(folder: &Path) -> Vec<Pid> {
    let text = std::fs::read_to_string(folder.join("cgroup.procs")).unwrap_or_default();
    text.lines().filter_map(|line| line.trim().parse::<i32>().ok()).filter_map(Pid::from_raw).collect()
}

/// `None` when somebody else has it.
fn lock(folder: &Path) -> io::Result<Option<OwnedFd>> {
    let file = rustix::fs::open(folder, OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC, Mode::empty())?;
    match rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive) {
        Ok(()) => Ok(Some(file)),
        Err(rustix::io::Errno::WOULDBLOCK) => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Removes the empty groups of processes that could not do it themselves. The kernel keeps one in which anything lives.
fn remove_abandoned(delegated: &Path) {
    for entry in std::fs::read_dir(delegated).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let numbers = name.to_str().and_then(|name| name.strip_prefix(BASE_PREFIX)).unwrap_or_default();
        let is_base = !numbers.is_empty() && numbers.split('-').all(|part| part.parse::<u32>().is_ok());
        if !is_base || !matches!(lock(&entry.path()), Ok(Some(_))) {
            continue;
        }
        for worker in std::fs::read_dir(entry.path()).into_iter().flatten().flatten() {
            if worker.file_type().is_ok_and(|kind| kind.is_dir()) {
                let _ = std::fs::remove_dir(worker.path());
            }
        }
        let _ = std::fs::remove_dir(entry.path());
    }
}

/// The number in a file that holds nothing else; `None` for "max".
pub(super) fn number(path: &Path) -> Option<u64> {
    std::fs::read_to_string(path).ok()?.trim().parse().ok()
}

/// A group's `memory.stat`. The kernel sums it up for each reader, so it is read once for all that is wanted of it.
pub(super) fn stat(folder: &Path) -> Option<String> {
    std::fs::read_to_string(folder.join("memory.stat")).ok()
}

/// Numbers of a `memory.stat`, summed. What an older kernel does not have counts nothing.
pub(super) fn sum_of(stat: &str, names: &[&str]) -> u64 {
    let named = stat.lines().filter_map(|line| line.split_once(' ')).filter(|(name, _)| names.contains(name));
    named.filter_map(|(_, value)| value.trim().parse::<u64>().ok()).sum()
}
