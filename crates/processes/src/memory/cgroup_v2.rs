//! Measures by a control group for each worker (version 2). Everything that a worker starts stays in its group, whatever it does.

use crate::memory::cgroup::{self, Groups};
use crate::memory::{Measured, MemoryAccounting};
use rustix::process::Pid;
use std::io;
use std::path::Path;

/// See the module.
#[derive(Debug)]
pub struct CgroupV2 {
    groups: Groups,
}

impl CgroupV2 {
    /// Makes groups below `delegated`: a group that has the memory controller, and that this process may write to.
    ///
    /// # Errors
    /// When it is none of that.
    pub fn below(delegated: &Path) -> io::Result<Self> {
        let controllers = std::fs::read_to_string(delegated.join("cgroup.controllers"))?;
        if !controllers.split_whitespace().any(|name| name == "memory") {
            let message = format!("the group {} has no memory controller", delegated.display());
            return Err(io::Error::new(io::ErrorKind::Unsupported, message));
        }
        enable(delegated)?;
        let groups = Groups::new(delegated)?;
        enable(groups.base())?;
        Ok(Self { groups })
    }
}

/// Gives the groups below this one their own accounts.
fn enable(folder: &Path) -> io::Result<()> {
    std::fs::write(folder.join("cgroup.subtree_control"), "+memory")
}

impl MemoryAccounting for CgroupV2 {
    fn name(&self) -> &'static str {
        "cgroup v2"
    }

    fn watch(&mut self, worker: Pid) -> io::Result<()> {
        self.groups.admit(worker)
    }

    /// Pages of files are not counted: they give way. The store's are the daemon's, who made them.
    fn measure(&mut self, worker: Pid, _limit_bytes: u64) -> Option<Measured> {
        let folder = self.groups.folder(worker)?;
        let swapped_bytes = cgroup::number(&folder.join("memory.swap.current")).unwrap_or(0);
        let used_bytes = cgroup::sum_of(folder, &["anon", "shmem"])? + swapped_bytes;
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
