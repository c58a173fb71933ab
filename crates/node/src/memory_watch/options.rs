//! What the environment says about memory.

use crate::options::{folder, text};
use crate::worker_pool::WORKER_MARK;
use std::path::PathBuf;
use trygon_processes::{CgroupV1, CgroupV2, GroupsOrSampling, MemoryAccounting, Sampling};

const THRESHOLD_VARIABLE: &str = "TRYGON_MEMORY_USAGE_THRESHOLD";
const REFRESH_VARIABLE: &str = "TRYGON_MEMORY_MONITOR_REFRESH_MS";
const LIMIT_VARIABLE: &str = "TRYGON_NODE_MEMORY_LIMIT_BYTES";
const CGROUP_VARIABLE: &str = "TRYGON_CGROUP";

const DEFAULT_THRESHOLD: f64 = 0.95;
const DEFAULT_REFRESH_MS: u64 = 50;

/// See `docs/fault-tolerance.md`.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct MemoryOptions {
    /// The part of the memory above which a worker is ended.
    pub(crate) threshold: f64,
    /// The shortest time between two looks at the node as a whole; 0 for none at all.
    pub(crate) refresh_ms: u64,
    /// What the workers of this node may use together, instead of what the machine has.
    pub(crate) node_limit_bytes: Option<u64>,
    /// A control group below which workers get groups of their own.
    pub(crate) cgroup: Option<PathBuf>,
    /// What could not be understood, for the log.
    pub(crate) complaints: Vec<String>,
}

impl MemoryOptions {
    /// Those of this process. What says nothing understandable counts as not set, and there is a line about it.
    pub(crate) fn read() -> Self {
        Self::parse(&text(THRESHOLD_VARIABLE), &text(REFRESH_VARIABLE), &text(LIMIT_VARIABLE), folder(CGROUP_VARIABLE))
    }

    fn parse(threshold: &str, refresh: &str, limit: &str, cgroup: Option<PathBuf>) -> Self {
        let mut complaints = Vec::new();
        let mut complain = |name: &str, value: &str, wanted: &str| {
            if !value.is_empty() {
                complaints.push(format!("{name}={value} is not used: it must be {wanted}"));
            }
        };
        let threshold = threshold.parse().ok().filter(|part| *part > 0.0 && *part <= 1.0).unwrap_or_else(|| {
            complain(THRESHOLD_VARIABLE, threshold, "a number above 0 and at most 1");
            DEFAULT_THRESHOLD
        });
        let refresh_ms = refresh.parse().unwrap_or_else(|_| {
            complain(REFRESH_VARIABLE, refresh, "a number of milliseconds, or 0 for no watch");
            DEFAULT_REFRESH_MS
        });
        let node_limit_bytes = limit.parse().ok().filter(|bytes| *bytes > 0);
        if node_limit_bytes.is_none() {
            complain(LIMIT_VARIABLE, limit, "a number of bytes above 0");
        }
        Self { threshold, refresh_ms, node_limit_bytes, cgroup, complaints }
    }

    /// The way to measure that was asked for, or the one that works everywhere, with a line about why.
    pub(crate) fn accounting(&self) -> (Box<dyn MemoryAccounting>, Option<String>) {
        let Some(group) = &self.cgroup else {
            return (Box::new(Sampling::with_mark(WORKER_MARK)), None);
        };
        let found = match CgroupV2::below(group) {
            Ok(groups) => Ok(Box::new(groups) as Box<dyn MemoryAccounting>),
            Err(newer) => match CgroupV1::below(group) {
                Ok(groups) => Ok(Box::new(groups) as Box<dyn MemoryAccounting>),
                Err(older) => Err(format!("{newer}; {older}")),
            },
        };
        match found {
            Ok(groups) => (Box::new(GroupsOrSampling::new(groups, Sampling::with_mark(WORKER_MARK))), None),
            Err(why) => {
                let message = format!(
                    "{CGROUP_VARIABLE}={} cannot be used, memory is measured by /proc instead: {why}",
                    group.display()
                );
                (Box::new(Sampling::with_mark(WORKER_MARK)), Some(message))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_no_number_is_named() {
        let options = MemoryOptions::parse("", "", "", None);
        assert_eq!((options.threshold, options.refresh_ms, options.node_limit_bytes), (0.95, 50, None));
        assert!(options.complaints.is_empty());
        let options = MemoryOptions::parse("0.5", "0", "1000", None);
        assert_eq!((options.threshold, options.refresh_ms, options.node_limit_bytes), (0.5, 0, Some(1000)));
        let options = MemoryOptions::parse("1.5", "soon", "-1", None);
        assert_eq!((options.threshold, options.refresh_ms, options.node_limit_bytes), (0.95, 50, None));
        assert_eq!(options.complaints.len(), 3, "{:?}", options.complaints);
    }
}
