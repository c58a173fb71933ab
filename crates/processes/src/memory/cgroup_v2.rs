//! Measures by a control group for each worker (version 2). Everything that a worker starts stays in its group, whatever it does.

use crate::memory::cgroup::{self, Groups};
use crate::memory::{Measured, MemoryAccounting};
use rustix::io::Errno;
use rustix::process::Pid;
use std::io;
use std::path::{Path, PathBuf};

/// What was in the group itself is in this one below it: a group that gives its controllers on has no processes of its own.
const REST: &str = "trygon-rest";
/// Processes may start others while they are moved; so often it is tried.
const MOVING_ROUNDS: u32 = 16;

/// See the module.
#[derive(Debug)]
pub struct CgroupV2 {
    groups: Groups,
    rest: PathBuf,
}

impl CgroupV2 {
    /// Makes groups below `delegated`: a group that has the memory controller, and that this process may write to. Processes in the
    /// group itself, which may be this one, are moved to one below.
    ///
    /// # Errors
    /// When it is none of that, or they cannot be moved.
    pub fn below(delegated: &Path) -> io::Result<Self> {
        let unsupported = |message| Err(io::Error::new(io::ErrorKind::Unsupported, message));
        let Ok(controllers) = std::fs::read_to_string(delegated.join("cgroup.controllers")) else {
            return unsupported(format!("{} is no group of version 2", delegated.display()));
        };
        if !controllers.split_whitespace().any(|name| name == "memory") {
            let message = "has no memory controller (`+memory` in its parent's cgroup.subtree_control gives it one)";
            return unsupported(format!("the group {} {message}", delegated.display()));
        }
        let rest = delegated.join(REST);
        make_way(delegated, &rest).map_err(|error| {
            let message =
                format!("{} cannot give its memory controller to groups below it: {error}", delegated.display());
            io::Error::new(error.kind(), message)
        })?;
        let groups = Groups::new(delegated)?;
        enable(groups.base())?;
        Ok(Self { groups, rest })
    }
}

impl Drop for CgroupV2 {
    fn drop(&mut self) {
        // Where anything lives in it, it stays.
        let _ = std::fs::remove_dir(&self.rest);
    }
}

/// Gives the groups below this one their own accounts.
fn enable(folder: &Path) -> io::Result<()> {
    std::fs::write(folder.join("cgroup.subtree_control"), "+memory")
}

/// The same for a group that may have processes, which are moved to `rest`: the kernel refuses it as long as there is one.
fn make_way(folder: &Path, rest: &Path) -> io::Result<()> {
    let mut outcome = enable(folder);
    for _ in 0..MOVING_ROUNDS {
        if !outcome.as_ref().is_err_and(|error| error.kind() == io::ErrorKind::ResourceBusy) {
            break;
        }
        for pid in cgroup::processes(folder) {
            // Another process may remove it while it is empty, so it is made for each.
            match cgroup::make(rest).and_then(|()| cgroup::enter(rest, pid)) {
                // It ended meanwhile, or the group did.
                Err(error) if error.raw_os_error() == Some(Errno::SRCH.raw_os_error()) => {}
                Err(error) if error.kind() == io::ErrorKind::NotFound => {}
                Err(error) => {
                    let message = format!("process {pid:?} in it cannot be moved to {}: {error}", rest.display());
                    return Err(io::Error::new(error.kind(), message));
                }
                Ok(()) => {}
            }
        }
        outcome = enable(folder);
    }
    outcome
}

impl MemoryAccounting for CgroupV2 {
    fn name(&self) -> &'static str {
        "cgroup v2"
    }

    fn counts_from_watching_on(&self) -> bool {
        true
    }

    fn watch(&mut self, worker: Pid) -> io::Result<()> {
        self.groups.admit(worker)
    }

    /// Pages of files are not counted: they give way. The store's are the daemon's, who made them.
    fn measure(&mut self, worker: Pid, _limit_bytes: u64) -> Option<Measured> {
        let folder = self.groups.folder(worker)?;
        let swapped_bytes = cgroup::number(&folder.join("memory.swap.current")).unwrap_or(0);
        let stat = cgroup::stat(folder)?;
        // What was read back keeps its place on the device for a while, and is among the first two again.
        let cached_bytes = cgroup::sum_of(&stat, &["swapcached"]);
        let used_bytes = cgroup::sum_of(&stat, &["anon", "shmem"]) + swapped_bytes.saturating_sub(cached_bytes);
        let processes = self.groups.processes(worker);
        (!processes.is_empty()).then_some(Measured { used_bytes, children_bytes: 0, processes: processes.len() as u32 })
    }

    fn end(&mut self, worker: Pid) {
        self.groups.end(worker);
    }

    fn forget(&mut self, worker: Pid) {
        self.groups.forget(worker);
    }
}
