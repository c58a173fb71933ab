//! How full the machine is, or the container that this process is in: whichever is closer to its end.

use crate::memory::cgroup;
use std::path::{Path, PathBuf};

/// Use and size.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct MemoryUse {
    /// Bytes that are not to be had: pages of files that give way do not count.
    pub used_bytes: u64,
    /// All there are.
    pub capacity_bytes: u64,
}

impl MemoryUse {
    /// What is left.
    pub fn free_bytes(self) -> u64 {
        self.capacity_bytes.saturating_sub(self.used_bytes)
    }
}

/// Where to look, found out once.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct MachineMemory {
    root: PathBuf,
    /// Groups of version 2 with a limit of their own or above, from the own one upwards.
    groups_v2: Vec<PathBuf>,
    groups_v1: Vec<PathBuf>,
}

impl MachineMemory {
    /// This machine's.
    pub fn find() -> Self {
        Self::find_below(Path::new("/"))
    }

    /// The same, with `/proc` and `/sys` below another folder.
    pub fn find_below(root: &Path) -> Self {
        let own = std::fs::read_to_string(root.join("proc/self/cgroup")).unwrap_or_default();
        let (mut groups_v2, mut groups_v1) = (Vec::new(), Vec::new());
        for line in own.lines() {
            let mut fields = line.splitn(3, ':');
            let (Some(number), Some(controllers), Some(path)) = (fields.next(), fields.next(), fields.next()) else {
                continue;
            };
            if number == "0" && controllers.is_empty() {
                groups_v2 = with_above(&root.join("sys/fs/cgroup"), path);
            } else if controllers.split(',').any(|name| name == "memory") {
                groups_v1 = with_above(&root.join("sys/fs/cgroup/memory"), path);
            }
        }
        groups_v2.retain(|group| group.join("memory.current").exists());
        groups_v1.retain(|group| group.join("memory.usage_in_bytes").exists());
        Self { root: root.to_owned(), groups_v2, groups_v1 }
    }

    /// What has least left: the machine, or a group that this process is in. `None` when nothing can be read.
    pub fn read(&self) -> Option<MemoryUse> {
        let groups = self.groups_v2.iter().filter_map(|group| read_v2(group));
        let groups = groups.chain(self.groups_v1.iter().filter_map(|group| read_v1(group)));
        let machine = self.read_machine();
        let total_bytes = machine.map_or(u64::MAX, |machine| machine.capacity_bytes);
        // A group without a limit names a number beyond all memory.
        groups.filter(|group| group.capacity_bytes < total_bytes).chain(machine).min_by_key(|place| place.free_bytes())
    }

    fn read_machine(&self) -> Option<MemoryUse> {
        let text = std::fs::read_to_string(self.root.join("proc/meminfo")).ok()?;
        let amount = |name: &str| {
            let line = text.lines().find_map(|line| line.strip_prefix(name))?;
            Some(line.split_whitespace().next()?.parse::<u64>().ok()? << 10)
        };
        let (capacity_bytes, available_bytes) = (amount("MemTotal:")?, amount("MemAvailable:")?);
        Some(MemoryUse { used_bytes: capacity_bytes.saturating_sub(available_bytes), capacity_bytes })
    }
}

/// A group and those above it. Inside a container the path may not be there, and the root is the container's.
fn with_above(mount: &Path, path: &str) -> Vec<PathBuf> {
    let mut groups = vec![mount.to_owned()];
    let mut folder = mount.to_owned();
    for part in path.split('/').filter(|part| !part.is_empty() && *part != "..") {
        folder.push(part);
        groups.push(folder.clone());
    }
    groups
}

fn read_v2(group: &Path) -> Option<MemoryUse> {
    let capacity_bytes = cgroup::number(&group.join("memory.max"))?;
    let current_bytes = cgroup::number(&group.join("memory.current"))?;
    let idle_bytes = cgroup::stat(group).map_or(0, |stat| cgroup::sum_of(&stat, &["inactive_file"]));
    Some(MemoryUse { used_bytes: current_bytes.saturating_sub(idle_bytes), capacity_bytes })
}

fn read_v1(group: &Path) -> Option<MemoryUse> {
    let capacity_bytes = cgroup::number(&group.join("memory.limit_in_bytes"))?;
    let current_bytes = cgroup::number(&group.join("memory.usage_in_bytes"))?;
    let idle_bytes = cgroup::stat(group).map_or(0, |stat| cgroup::sum_of(&stat, &["total_inactive_file"]));
    Some(MemoryUse { used_bytes: current_bytes.saturating_sub(idle_bytes), capacity_bytes })
}

/// How many processes the kernel has ended since it began because memory had run out. `None` where it does not say.
pub fn kernel_kills() -> Option<u64> {
    let text = std::fs::read_to_string("/proc/vmstat").ok()?;
    text.lines().find_map(|line| line.strip_prefix("oom_kill "))?.trim().parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A machine with 1000 MiB, of which 600 are available, and the files that are given.
    fn machine(files: &[(&str, &str)]) -> Option<MemoryUse> {
        let root = std::env::temp_dir().join(format!("machine-{}-{}", std::process::id(), files.len()));
        let meminfo = "MemTotal: 1024000 kB\nMemFree: 1 kB\nMemAvailable: 614400 kB\n";
        for (path, text) in files.iter().chain(&[("proc/meminfo", meminfo)]) {
            let path = root.join(path);
            std::fs::create_dir_all(path.parent()?).ok()?;
            std::fs::write(path, text).ok()?;
        }
        let found = MachineMemory::find_below(&root).read();
        let _ = std::fs::remove_dir_all(&root);
        found
    }

    #[test]
    fn without_groups_the_machine_counts() {
        assert_eq!(machine(&[]), Some(MemoryUse { used_bytes: 400 << 20, capacity_bytes: 1000 << 20 }));
    }

    #[test]
    fn the_tightest_group_counts_without_pages_that_give_way() {
        let mib = |amount: u64| (amount << 20).to_string();
        let v2 = machine(&[
            ("proc/self/cgroup", "0::/a/b\n"),
            ("sys/fs/cgroup/memory.current", &mib(500)),
            ("sys/fs/cgroup/memory.max", "max"),
            ("sys/fs/cgroup/a/memory.current", &mib(190)),
            ("sys/fs/cgroup/a/memory.max", &mib(200)),
            ("sys/fs/cgroup/a/memory.stat", &format!("anon 1\ninactive_file {}\n", mib(50))),
            ("sys/fs/cgroup/a/b/memory.current", &mib(10)),
            ("sys/fs/cgroup/a/b/memory.max", &mib(300)),
        ]);
        assert_eq!(v2, Some(MemoryUse { used_bytes: 140 << 20, capacity_bytes: 200 << 20 }));
        let v1 = machine(&[
            ("proc/self/cgroup", "4:memory:/x\n3:cpu:/\n0::/\n"),
            ("sys/fs/cgroup/memory/memory.usage_in_bytes", &mib(900)),
            ("sys/fs/cgroup/memory/memory.limit_in_bytes", "9223372036854771712"),
            ("sys/fs/cgroup/memory/x/memory.usage_in_bytes", &mib(90)),
            ("sys/fs/cgroup/memory/x/memory.limit_in_bytes", &mib(100)),
            ("sys/fs/cgroup/memory/x/memory.stat", &format!("total_inactive_file {}\n", mib(20))),
        ]);
        assert_eq!(v1, Some(MemoryUse { used_bytes: 70 << 20, capacity_bytes: 100 << 20 }));
    }

    #[test]
    fn this_machine_has_memory() {
        let found = MachineMemory::find().read().expect("a machine");
        assert!(found.used_bytes > 0 && found.used_bytes < found.capacity_bytes, "{found:?}");
    }
}
