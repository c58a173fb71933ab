//! How much memory a worker uses, with what it started, and how it is ended for it.
//!
//! Several ways stand behind one trait, and `tests/accounting.rs` holds all of them to the same promises:
//!
//! | adapter | what it reads | where |
//! |---|---|---|
//! | [`Sampling`] | `/proc`, process by process | everywhere; the default |
//! | [`CgroupV2`] | `memory.stat` of a group for each worker | where a group with the memory controller may be written to |
//! | [`CgroupV1`] | the same of the older hierarchy | the same |
//! | [`GroupsOrSampling`] | one of the groups, `/proc` for workers that cannot be moved into one | the same |

mod cgroup;
mod cgroup_v1;
mod cgroup_v2;
mod fallback;
mod machine;
pub(crate) mod proc_files;
mod sampling;

pub use cgroup_v1::CgroupV1;
pub use cgroup_v2::CgroupV2;
pub use fallback::GroupsOrSampling;
pub use machine::{MachineMemory, MemoryUse, kernel_kills};
pub use sampling::Sampling;

use rustix::process::Pid;
use std::io;

/// What a worker uses, with the processes that it started.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Measured {
    /// Bytes, without what the object store or another worker's pages have in common with it. Swapped pages count.
    pub used_bytes: u64,
    /// How much of it belongs to processes that the worker started; 0 where that is not known.
    pub children_bytes: u64,
    /// How many processes there are, the worker included.
    pub processes: u32,
}

/// A way to learn what workers use.
pub trait MemoryAccounting: Send + std::fmt::Debug {
    /// Its name, for people.
    fn name(&self) -> &'static str;

    /// Whether pages count only that a worker takes after [`watch`](Self::watch): then it is to be watched before it does anything.
    fn counts_from_watching_on(&self) -> bool {
        false
    }

    /// What cannot be done as it should be, once: for people.
    fn complaint(&mut self) -> Option<String> {
        None
    }

    /// A worker is to be measured from now on. Once more for the same worker changes nothing.
    ///
    /// # Errors
    /// When it is gone, or may not be watched.
    fn watch(&mut self, worker: Pid) -> io::Result<()>;

    /// What it uses now, as exactly as it takes to say whether that is more than `limit_bytes`. `None` when it is not watched or gone.
    fn measure(&mut self, worker: Pid, limit_bytes: u64) -> Option<Measured>;

    /// Ends it and everything that is counted with it, at once.
    fn end(&mut self, worker: Pid);

    /// It is not to be measured any more.
    fn forget(&mut self, worker: Pid);
}
