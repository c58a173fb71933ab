//! What both hierarchies of control groups have in common: a folder for each worker under one that this process may write to.

use rustix::process::{Pid, Signal};
use std::collections::HashMap;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

/// A group is empty this long after its processes were ended, or it is left behind.
const EMPTYING: Duration = Duration::from_millis(500);

/// The workers' groups.
#[derive(Debug)]
pub(super) struct Groups {
    /// Holds them; made by this process and removed with it.
    base: PathBuf,
    workers: HashMap<Pid, PathBuf>,
}

impl Groups {
    /// Makes a group for this process's workers below `delegated`.
    pub(super) fn new(delegated: &Path) -> io::Result<Self> {
        let base = delegated.join(format!("trygon-{}", std::process::id()));
        make(&base)?;
        Ok(Self { base, workers: HashMap::new() })
    }

    pub(super) fn base(&self) -> &Path {
        &self.base
    }

    /// Moves a worker into a group of its own. What it starts from now on is there too.
    pub(super) fn admit(&mut self, worker: Pid) -> io::Result<()> {
        if self.workers.contains_key(&worker) {
            return Ok(());
        }
        let folder = self.base.join(worker.as_raw_nonzero().to_string());
        make(&folder)?;
        if let Err(error) = std::fs::write(folder.join("cgroup.procs"), worker.as_raw_nonzero().to_string()) {
            let _ = std::fs::remove_dir(&folder);
            return Err(error);
        }
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

fn make(folder: &Path) -> io::Result<()> {
    match std::fs::create_dir(folder) {
        // Left by a process that had this number before.
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        other => other,
    }
}

fn processes(folder: &Path) -> Vec<Pid> {
    let text = std::fs::read_to_string(folder.join("cgroup.procs")).unwrap_or_default();
    text.lines().filter_map(|line| line.trim().parse::<i32>().ok()).filter_map(Pid::from_raw).collect()
}

/// The number in a file that holds nothing else; `None` for "max".
pub(super) fn number(path: &Path) -> Option<u64> {
    std::fs::read_to_string(path).ok()?.trim().parse().ok()
}

/// Numbers of a `memory.stat`, summed.
pub(super) fn sum_of(folder: &Path, names: &[&str]) -> Option<u64> {
    let text = std::fs::read_to_string(folder.join("memory.stat")).ok()?;
    let named = text.lines().filter_map(|line| line.split_once(' ')).filter(|(name, _)| names.contains(name));
    Some(named.filter_map(|(_, value)| value.trim().parse::<u64>().ok()).sum())
}
