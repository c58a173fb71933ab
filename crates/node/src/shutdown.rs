//! The end: every process of the job is ended, whoever started it and however it hides from its group.

use crate::process::DRIVER;
use crate::service::Service;
use rustix::process::{Pid, Signal, WaitOptions};
use std::collections::BTreeMap;
use std::time::{Duration, Instant};

/// Time for the driver to take what it was sent last.
const LAST_WORDS: Duration = Duration::from_millis(50);
/// Time to see everything end.
const LIMIT: Duration = Duration::from_millis(900);

impl Service {
    /// Sends what is left, and ends every descendant.
    pub(crate) fn shut_down(&mut self) {
        let numbers: Vec<u64> = self.processes.keys().copied().filter(|number| *number != DRIVER).collect();
        for number in numbers {
            self.drain_output(number);
        }
        let until = Instant::now() + LAST_WORDS;
        self.dirty.insert(DRIVER);
        self.flush_all();
        while Instant::now() < until
            && self.processes.get(&DRIVER).is_some_and(|driver| driver.connection.out_bytes() > 0)
        {
            std::thread::sleep(Duration::from_millis(1));
            self.dirty.insert(DRIVER);
            self.flush_all();
            if !self.hung_up.is_empty() {
                break;
            }
        }
        end_descendants();
    }
}

/// Kills all descendants until there are none. Orphans became children of this process, which reaps for all of them.
fn end_descendants() {
    let until = Instant::now() + LIMIT;
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

/// Every process below this one.
fn descendants() -> Vec<Pid> {
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
    let mut found = Vec::new();
    let mut left = vec![rustix::process::getpid().as_raw_nonzero().get()];
    while let Some(parent) = left.pop() {
        let below = children.remove(&parent).unwrap_or_default();
        found.extend(below.iter().filter_map(|pid| Pid::from_raw(*pid)));
        left.extend(below);
    }
    found
}

/// The parent in a line of `/proc/<pid>/stat`. The command before it may contain anything, parentheses included.
fn parent_in(stat: &str) -> Option<i32> {
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
