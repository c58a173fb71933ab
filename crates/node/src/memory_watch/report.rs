//! Sentences about memory, for the errors of whoever was ended.

use crate::memory_watch::books::{Pressure, Verdict};
use crate::process::Process;
use crate::recorder;
use crate::service::Service;
use trygon_processes::MemoryUse;
use trygon_wire::recorder as layout;

/// As many of the largest are named.
const NAMED: usize = 5;

/// An amount as people read it.
pub(super) fn amount(bytes: u64) -> String {
    const MIB: f64 = (1 << 20) as f64;
    let mebibytes = bytes as f64 / MIB;
    if mebibytes >= 1024.0 { format!("{:.2} GiB", mebibytes / 1024.0) } else { format!("{mebibytes:.1} MiB") }
}

/// Use of a whole.
pub(super) fn share(node: MemoryUse) -> String {
    let percent = 100.0 * node.used_bytes as f64 / node.capacity_bytes.max(1) as f64;
    format!("{} of {} in use, {percent:.1} %", amount(node.used_bytes), amount(node.capacity_bytes))
}

fn host() -> String {
    let name = std::fs::read_to_string("/proc/sys/kernel/hostname").unwrap_or_default();
    name.trim().to_owned()
}

/// What a worker runs, or ran when it ended; empty when that was nothing.
fn running_name(process: &Process) -> String {
    let head = process.recorder.as_ref().map(recorder::read_head).unwrap_or_default();
    if layout::started(&head).is_some() { layout::running_name(&head) } else { String::new() }
}

impl Service {
    /// Why a worker was ended that had more than its limit.
    pub(crate) fn limit_message(&self, verdict: &Verdict, process: &Process) -> String {
        let Verdict { over, measured, name } = verdict;
        // Several functions may share a lease.
        let running = running_name(process);
        let name = if running.is_empty() { name } else { &running };
        let mut message = format!(
            "{name} used {} of memory ({} bytes) and may use {} (memory={}); its peak was {}",
            amount(over.used_bytes),
            over.used_bytes,
            amount(over.limit_bytes),
            over.limit_bytes,
            amount(over.peak_bytes)
        );
        if measured.processes > 1 {
            message.push_str(&format!(", {} processes together", measured.processes));
        }
        message.push_str(&format!(
            ". Not counted are the object store and {} that its worker had before. It ran on host {} ({}). Give it a higher \
             memory=, or let it hold less at once",
            amount(over.earlier_bytes),
            host(),
            self.identity.address
        ));
        message
    }

    /// Why a worker was ended when the node was nearly full.
    pub(super) fn pressure_message(&self, pressure: &Pressure, victim: u64) -> String {
        let used_bytes = |number: u64| {
            pressure.workers.iter().find(|(other, _)| *other == number).map_or(0, |(_, measured)| measured.used_bytes)
        };
        let mut largest: Vec<(u64, u64)> =
            pressure.workers.iter().map(|(number, measured)| (measured.used_bytes, *number)).collect();
        largest.sort_unstable_by(|left, right| right.cmp(left));
        let line = |(bytes, number): &(u64, u64)| {
            let process = self.processes.get(number);
            let name = process.map(running_name).filter(|name| !name.is_empty());
            let name = name.unwrap_or_else(|| "an idle worker".to_owned());
            let pid = process.map_or(0, Process::pid_number);
            format!("{name} {} (process {pid})", amount(*bytes))
        };
        let largest: Vec<String> = largest.iter().take(NAMED).map(line).collect();
        format!(
            "the memory of host {} ({}) was nearly full: {}, and work is ended from {} on. It used {}, and was the newest of those that \
             use most. The largest were: {}. Ask for fewer tasks at a time (num_cpus=, memory=), or for a larger machine",
            host(),
            self.identity.address,
            share(pressure.node),
            amount(pressure.allowed_bytes),
            amount(used_bytes(victim)),
            largest.join(", ")
        )
    }

    /// Whether the kernel ended a process for want of memory since this was last asked.
    pub(crate) fn kernel_ran_out(&mut self) -> bool {
        let kills = trygon_processes::kernel_kills();
        let before = std::mem::replace(&mut self.memory.kernel_kills, kills);
        kills.zip(before).is_some_and(|(kills, before)| kills > before)
    }

    /// Why a worker was ended that the kernel seems to have chosen.
    pub(crate) fn kernel_message(&self) -> String {
        format!(
            "the memory of host {} ({}) or of its container had run out, and the kernel ended the process. Ask for fewer tasks at a \
             time (num_cpus=, memory=), or for a larger machine",
            host(),
            self.identity.address
        )
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn amounts_read_well() {
        assert_eq!(super::amount(1536 << 20), "1.50 GiB");
        assert_eq!(super::amount(100_000_000), "95.4 MiB");
    }
}
