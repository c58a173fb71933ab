//! What `/proc` says of one process's memory.

use rustix::fs::{Mode, OFlags};
use rustix::process::Pid;
use std::os::fd::OwnedFd;

/// Mappings with this at the start of their names are the engine's: the object store, and the flight recorder.
const OWN_MAPPING: &str = "/memfd:trygon";

/// The amounts of `/proc/<pid>/status`.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Resident {
    /// Anonymous pages, those that are still shared with whoever forked it included.
    pub(super) anonymous_bytes: u64,
    /// Pages of shared memory: the object store's and the user's.
    pub(super) shared_bytes: u64,
    /// Pages on the swap device.
    pub(super) swapped_bytes: u64,
}

impl Resident {
    pub(super) fn total_bytes(self) -> u64 {
        self.anonymous_bytes + self.shared_bytes + self.swapped_bytes
    }
}

/// A whole file. Empty when there is none.
pub(super) fn read(path: &str, into: &mut Vec<u8>) -> bool {
    into.clear();
    let Ok(file) = rustix::fs::open(path, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty()) else {
        return false;
    };
    loop {
        into.reserve(8 << 10);
        match rustix::io::read(&file, rustix::buffer::spare_capacity(into)) {
            Ok(0) => return true,
            Ok(_) | Err(rustix::io::Errno::INTR) => {}
            Err(_) => return false,
        }
    }
}

/// The amount in kB after `name`, in bytes.
fn amount(text: &str, name: &str) -> Option<u64> {
    let line = text.lines().find_map(|line| line.strip_prefix(name))?;
    Some(line.split_whitespace().next()?.parse::<u64>().ok()? << 10)
}

/// What a process has; `None` when it has ended.
pub(super) fn resident(pid: Pid, buffer: &mut Vec<u8>) -> Option<Resident> {
    if !read(&format!("/proc/{}/status", pid.as_raw_nonzero()), buffer) {
        return None;
    }
    let text = std::str::from_utf8(buffer).ok()?;
    // A process that has ended and was not waited for has no such lines.
    Some(Resident {
        anonymous_bytes: amount(text, "RssAnon:")?,
        shared_bytes: amount(text, "RssShmem:").unwrap_or(0),
        swapped_bytes: amount(text, "VmSwap:").unwrap_or(0),
    })
}

/// What a process has, in the quickest way.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Pages {
    /// All of its pages that are in memory, those of files and of shared memory included.
    pub(super) resident_bytes: u64,
    pub(super) anonymous_bytes: u64,
}

/// What [`pages`] reads; it ends with the process, whoever has its number then.
pub(super) fn open_pages(pid: Pid) -> Option<OwnedFd> {
    let path = format!("/proc/{}/statm", pid.as_raw_nonzero());
    rustix::fs::open(path, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty()).ok()
}

/// `None` when the process has ended.
pub(super) fn pages(file: &OwnedFd) -> Option<Pages> {
    let mut text = [0; 128];
    let len = rustix::io::pread(file, &mut text, 0).ok()?;
    let mut fields = std::str::from_utf8(text.get(..len)?).ok()?.split_whitespace().skip(1);
    let mut next = || fields.next()?.parse::<u64>().ok();
    let (resident, shared) = (next()?, next()?);
    let page_bytes = rustix::param::page_size() as u64;
    (resident > 0).then(|| Pages {
        resident_bytes: resident * page_bytes,
        anonymous_bytes: resident.saturating_sub(shared) * page_bytes,
    })
}

/// When a process began, in the system's ticks: what tells two processes with one number apart.
pub(super) fn started(pid: Pid, buffer: &mut Vec<u8>) -> Option<u64> {
    if !read(&format!("/proc/{}/stat", pid.as_raw_nonzero()), buffer) {
        return None;
    }
    let text = String::from_utf8_lossy(buffer);
    text.rsplit_once(')')?.1.split_whitespace().nth(19)?.parse().ok()
}

/// The letter of a process's state, as `T` for one that was stopped.
pub(crate) fn state(pid: Pid, buffer: &mut Vec<u8>) -> Option<u8> {
    if !read(&format!("/proc/{}/stat", pid.as_raw_nonzero()), buffer) {
        return None;
    }
    let text = String::from_utf8_lossy(buffer);
    text.rsplit_once(')')?.1.trim_start().bytes().next()
}

/// Anonymous and swapped bytes, each page divided by how many processes have it. Takes milliseconds for each GiB.
pub(super) fn proportional_anonymous(pid: Pid, buffer: &mut Vec<u8>) -> Option<u64> {
    if !read(&format!("/proc/{}/smaps_rollup", pid.as_raw_nonzero()), buffer) {
        return None;
    }
    let text = std::str::from_utf8(buffer).ok()?;
    Some(amount(text, "Pss_Anon:")? + amount(text, "SwapPss:").unwrap_or(0))
}

/// Shared memory of a process, by the sizes of its mappings.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct SharedMappings {
    /// The engine's.
    pub(super) own_bytes: u64,
    /// The user's.
    pub(super) foreign_bytes: u64,
}

/// Sizes of the mappings that may hold pages of shared memory.
pub(super) fn shared_mappings(pid: Pid, buffer: &mut Vec<u8>) -> Option<SharedMappings> {
    if !read(&format!("/proc/{}/maps", pid.as_raw_nonzero()), buffer) {
        return None;
    }
    let text = String::from_utf8_lossy(buffer);
    let mut found = SharedMappings::default();
    for line in text.lines() {
        if let Some((size_bytes, is_own)) = shared_mapping(line) {
            *(if is_own { &mut found.own_bytes } else { &mut found.foreign_bytes }) += size_bytes;
        }
    }
    Some(found)
}

/// The size of a mapping of shared memory, and whether it is the engine's; `None` for another line or mapping.
fn shared_mapping(line: &str) -> Option<(u64, bool)> {
    let mut fields = line.split_whitespace();
    let (start, end) = fields.next()?.split_once('-')?;
    let (start, end) = (u64::from_str_radix(start, 16).ok()?, u64::from_str_radix(end, 16).ok()?);
    let is_shared = fields.next()?.ends_with('s');
    let name = fields.nth(3).unwrap_or_default();
    let is_memory = ["/memfd:", "/dev/zero", "/dev/shm/", "/SYSV", "/anon_hugepage"];
    // A private mapping of such a file shares its pages until they are written to.
    let may_hold = is_memory.iter().any(|start| name.starts_with(start)) || (is_shared && !name.is_empty());
    may_hold.then(|| (end - start, name.starts_with(OWN_MAPPING)))
}

/// The user's shared memory, each page divided by how many processes have it. Takes milliseconds for each GiB.
pub(super) fn proportional_shared(pid: Pid, buffer: &mut Vec<u8>) -> Option<u64> {
    if !read(&format!("/proc/{}/smaps", pid.as_raw_nonzero()), buffer) {
        return None;
    }
    let text = String::from_utf8_lossy(buffer);
    let (mut is_foreign, mut total_bytes) = (false, 0);
    for line in text.lines() {
        match line.strip_prefix("Pss:") {
            Some(rest) if is_foreign => {
                let kilobytes = rest.split_whitespace().next().and_then(|word| word.parse::<u64>().ok());
                total_bytes += kilobytes.unwrap_or(0) << 10;
            }
            Some(_) => {}
            None if is_head(line) => is_foreign = shared_mapping(line).is_some_and(|(_, is_own)| !is_own),
            None => {}
        }
    }
    Some(total_bytes)
}

/// Whether a line of `smaps` begins a mapping.
fn is_head(line: &str) -> bool {
    line.split_once('-')
        .is_some_and(|(start, _)| !start.is_empty() && start.bytes().all(|byte| byte.is_ascii_hexdigit()))
}

/// The children of a process; `None` where the system does not list them.
pub(crate) fn children(pid: Pid, buffer: &mut Vec<u8>) -> Option<Vec<Pid>> {
    let mut found = Vec::new();
    let threads = std::fs::read_dir(format!("/proc/{}/task", pid.as_raw_nonzero())).ok()?;
    for thread in threads.flatten() {
        let path = thread.path().join("children");
        if !read(path.to_str()?, buffer) {
            // A thread that has just ended has none; a system without these lists has none for anybody.
            if thread.path().exists() {
                return None;
            }
            continue;
        }
        let words = buffer.split(|byte| *byte == b' ').filter_map(|word| std::str::from_utf8(word).ok());
        found.extend(words.filter_map(|word| word.trim().parse::<i32>().ok()).filter_map(Pid::from_raw));
    }
    Some(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mappings_are_told_apart() {
        let own = "7f00-8f00 r--s 00000000 00:01 33 /memfd:trygon-store (deleted)";
        assert_eq!(shared_mapping(own), Some((0x1000, true)));
        let shared = "7f00-9f00 rw-s 00000000 00:01 7 /dev/zero (deleted)";
        assert_eq!(shared_mapping(shared), Some((0x2000, false)));
        assert_eq!(shared_mapping("7f00-9f00 rw-p 00000000 00:00 0 [heap]"), None);
        assert_eq!(shared_mapping("7f00-9f00 r-xp 00000000 00:01 7 /usr/lib/libc.so"), None);
        assert_eq!(shared_mapping("Rss:     12 kB"), None);
        assert!(is_head(own) && !is_head("Pss:   1 kB") && !is_head("VmFlags: rd-wr"));
    }

    #[test]
    fn this_process_has_memory() {
        let (own, mut buffer) = (rustix::process::getpid(), Vec::new());
        let has = resident(own, &mut buffer).expect("a living process");
        assert!(has.anonymous_bytes > 0, "{has:?}");
        let proportional = proportional_anonymous(own, &mut buffer).expect("a living process");
        assert!(proportional > 0 && proportional <= has.anonymous_bytes + has.swapped_bytes + (4 << 20));
        assert!(started(own, &mut buffer).is_some_and(|ticks| ticks > 0));
        assert_eq!(amount("A:\t12 kB\n", "A:"), Some(12 << 10));
    }
}
