//! Measures by a control group for each worker, in the memory hierarchy of version 1.

use crate::memory::cgroup::{self, Groups};
use crate::memory::{Measured, MemoryAccounting};
use rustix::process::Pid;
use std::io;
use std::path::Path;

/// See the module.
#[derive(Debug)]
pub struct CgroupV1 {
    groups: Groups,
}

impl CgroupV1 {
    /// Makes groups below `delegated`: a group of the memory hierarchy that this process may write to.
    ///
    /// # Errors
    /// When it is none.
    pub fn below(delegated: &Path) -> io::Result<Self> {
        if !delegated.join("memory.usage_in_bytes").exists() {
            let message = format!("{} is no group of the memory hierarchy", delegated.display());
            return Err(io::Error::new(io::ErrorKind::Unsupported, message));
        }
        Ok(Self { groups: Groups::new(delegated)? })
    }
}

impl MemoryAccounting for CgroupV1 {
    fn name(&self) -> &'static str {
        "cgroup v1"
    }

    fn counts_from_watching_on(&self) -> bool {
        true
    }

    fn watch(&mut self, worker: Pid) -> io::Result<()> {
        self.groups.admit(worker)
    }

    fn measure(&mut self, worker: Pid, _limit_bytes: u64) -> Option<Measured> {
        let folder = self.groups.folder(worker)?;
        let used_bytes = cgroup::sum_of(&cgroup::stat(folder)?, &["rss", "shmem", "swap"]);
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
