//! The processes below this one, read from `/proc`.

use crate::memory::proc_files;
use rustix::process::{Pid, Signal, WaitOptions};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// Kills all descendants that there are now. Their status is left to whoever waits for children here.
pub fn kill_descendants() {
    for pid in descendants() {
        let _ = rustix::process::kill_process(pid, Signal::KILL);
    }
}

/// Kills all descendants until there are none, or the time is over. Orphans became children of this process, which reaps for all of them.
pub fn end_descendants(limit: Duration) {
    let until = Instant::now() + limit;
    loop {
        for pid in descendants() {
            let _ = rustix::process::kill_process(pid, Signal::KILL);
        }
        loop {
            match rustix::process::wait(WaitOptions::NOHANG) {
                Ok(Some(_)) => {}
                Ok(None) => break,
                Err(_) => return,
            }
        }
        if Instant::now() >= until {
            return;
        }
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// Kills the descendants whose environment holds this entry (`NAME=value`) until there are none, or the time is over. Their status is left
/// to whoever waits for children here.
pub fn end_marked(entry: &str, limit: Duration) {
    let until = Instant::now() + limit;
    loop {
        let marked: Vec<Pid> = descendants().into_iter().filter(|pid| is_marked(*pid, entry)).collect();
        for pid in &marked {
            let _ = rustix::process::kill_process(*pid, Signal::KILL);
        }
        if marked.is_empty() || Instant::now() >= until {
            return;
        }
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// Whether a process was stopped by a signal (`SIGSTOP`), and not by a debugger.
pub fn is_stopped(pid: Pid) -> bool {
    proc_files::state(pid, &mut Vec::new()) == Some(b'T')
}

/// The children of this process.
pub fn children() -> Vec<Pid> {
    let own = rustix::process::getpid();
    proc_files::children(own, &mut Vec::new()).unwrap_or_else(|| {
        let children = children_of_all().remove(&own.as_raw_nonzero().get()).unwrap_or_default();
        children.into_iter().filter_map(Pid::from_raw).collect()
    })
}

/// The variables that a process was started with, or what it made of them in place. Empty for one that is about to end; `None` for one that
/// has ended.
pub fn environment(pid: Pid) -> Option<Vec<u8>> {
    std::fs::read(format!("/proc/{}/environ", pid.as_raw_nonzero())).ok()
}

/// What a variable is.
pub fn variable(environment: &[u8], name: &str) -> Option<String> {
    let entries = environment.split(|byte| *byte == 0);
    let value = entries.filter_map(|entry| entry.strip_prefix(name.as_bytes())?.strip_prefix(b"=")).next()?;
    String::from_utf8(value.to_vec()).ok()
}

/// Whether a process was started with this entry in its environment. One that has ended has none any more.
fn is_marked(pid: Pid, entry: &str) -> bool {
    let environment = std::fs::read(format!("/proc/{}/environ", pid.as_raw_nonzero())).unwrap_or_default();
    environment.split(|byte| *byte == 0).any(|own| own == entry.as_bytes())
}

/// Every process below this one.
pub fn descendants() -> Vec<Pid> {
    below(rustix::process::getpid())
}

/// Every process below another one.
pub fn below(pid: Pid) -> Vec<Pid> {
    let mut children = children_of_all();
    let mut found = Vec::new();
    let mut left = vec![pid.as_raw_nonzero().get()];
    while let Some(parent) = left.pop() {
        let below = children.remove(&parent).unwrap_or_default();
        found.extend(below.iter().filter_map(|pid| Pid::from_raw(*pid)));
        left.extend(below);
    }
    found
}

/// The children of every process there is.
pub(crate) fn children_of_all() -> BTreeMap<i32, Vec<i32>> {
    let mut children: BTreeMap<i32, Vec<i32>> = BTreeMap::new();
    for entry in std::fs::read_dir("/proc").into_iter().flatten().flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse::<i32>().ok()) else {
            continue;
        };
        let Ok(stat) = std::fs::read_to_string(entry.path().join("stat")) else {
            continue;
        };
        if let Some(parent) = parent_in(&stat) {
            children.entry(parent).or_default().push(pid);
        }
    }
    children
}

/// The parent in a line of `/proc/<pid>/stat`. The command before it may contain anything, parentheses included.
pub(crate) fn parent_in(stat: &str) -> Option<i32> {
    stat.rsplit_once(')')?.1.split_whitespace().nth(1)?.parse().ok()
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_command_with_parentheses_hides_nothing() {
        assert_eq!(super::parent_in("12 (a ) S 9) S 7 12 12 0"), Some(7));
        assert_eq!(super::parent_in("nothing"), None);
    }
}
