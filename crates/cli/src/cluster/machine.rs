//! What this machine has, as far as this process may use it: CPUs, memory, GPUs, an address. The same rules as in the package's
//! `machine.py`, so that a node has the same resources whichever way it is started.

use std::net::{IpAddr, Ipv4Addr, UdpSocket};
use std::path::{Path, PathBuf};

const CGROUP: &str = "/sys/fs/cgroup";

/// CPUs: the affinity of this process, cut by the quota of its control group.
pub(crate) fn cpu_count() -> f64 {
    std::thread::available_parallelism().map_or(1, std::num::NonZero::get) as f64
}

/// Memory that this process may still use: what is available, cut by the limit of its control group.
pub(crate) fn memory_bytes() -> u64 {
    let information = read(Path::new("/proc/meminfo"));
    let line = information.lines().find_map(|line| line.strip_prefix("MemAvailable:")).unwrap_or_default();
    let mut available = line.split_whitespace().next().and_then(|word| word.parse::<u64>().ok()).unwrap_or(0) << 10;
    let first = Path::new(CGROUP).join("memory");
    let mut limits = vec![(first.join("memory.limit_in_bytes"), first.join("memory.usage_in_bytes"))];
    limits.extend(cgroup_folders().iter().map(|folder| (folder.join("memory.max"), folder.join("memory.current"))));
    for (limit, used) in limits {
        if let (Ok(limit), Ok(used)) = (read(&limit).parse::<u64>(), read(&used).parse::<u64>()) {
            // Page cache counts as used there, but gives way; half of the limit is assumed at least.
            available = available.min(limit.saturating_sub(used).max(limit / 2));
        }
    }
    available
}

/// NVIDIA devices that this process may use.
pub(crate) fn gpu_count() -> f64 {
    let is_device = |name: &str| {
        name.strip_prefix("nvidia")
            .is_some_and(|number| !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit()))
    };
    let entries = std::fs::read_dir("/dev").into_iter().flatten().flatten();
    let present = entries.filter(|entry| entry.file_name().to_str().is_some_and(is_device)).count();
    let visible = std::env::var("CUDA_VISIBLE_DEVICES").ok().map(|visible| {
        let is_named = |name: &&str| !matches!(name.trim(), "" | "-1" | "NoDevFiles");
        visible.split(',').filter(is_named).count()
    });
    present.min(visible.unwrap_or(present)) as f64
}

/// The model of the first NVIDIA device as programs name it ("A100", "H200"), or empty.
pub(crate) fn gpu_type() -> String {
    let entries = std::fs::read_dir("/proc/driver/nvidia/gpus").into_iter().flatten().flatten();
    let mut devices: Vec<PathBuf> = entries.map(|entry| entry.path()).collect();
    devices.sort();
    let information = devices.first().map(|device| read(&device.join("information"))).unwrap_or_default();
    let model = information.lines().find_map(|line| line.strip_prefix("Model:")).unwrap_or_default();
    let word = model.split_whitespace().find(|word| !matches!(*word, "NVIDIA" | "Tesla")).unwrap_or_default();
    word.split('-').next().unwrap_or_default().to_owned()
}

/// The address of the interface that leads out; nothing is sent to find it.
pub(crate) fn own_address() -> IpAddr {
    let local = IpAddr::V4(Ipv4Addr::LOCALHOST);
    let Ok(socket) = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0)) else {
        return local;
    };
    // An address of the range for documentation: it only has to be outside.
    let found = socket.connect((Ipv4Addr::new(192, 0, 2, 1), 9)).and_then(|()| socket.local_addr());
    found.map_or(local, |found| found.ip())
}

/// The machine's name.
pub(crate) fn host_name() -> String {
    read(Path::new("/proc/sys/kernel/hostname"))
}

/// This process's control group and those above it: the tightest limit counts.
fn cgroup_folders() -> Vec<PathBuf> {
    let mut folders = vec![PathBuf::from(CGROUP)];
    let own = read(Path::new("/proc/self/cgroup"));
    let path = own.lines().find_map(|line| line.strip_prefix("0::")).unwrap_or_default();
    let mut folder = PathBuf::from(CGROUP);
    for part in path.split('/').filter(|part| !part.is_empty()) {
        folder.push(part);
        folders.push(folder.clone());
    }
    folders
}

fn read(path: &Path) -> String {
    std::fs::read_to_string(path).map(|text| text.trim().to_owned()).unwrap_or_default()
}
