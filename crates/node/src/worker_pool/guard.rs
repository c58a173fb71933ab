//! A small process above the daemon. When the daemon ends, by whatever way, everything that it started and that lost its parents becomes the
//! guard's child: also what hid in a session of its own and whose worker died in the same moment. The guard ends all of it, then itself.
//!
//! It is the first half of a fork at the very beginning, so it has next to no memory of its own. The daemon does not outlive it: whoever
//! started the daemon knows the guard's number and may end that.

use crate::worker_pool::pre_exec::{HeldSignals, Side, close_from, fork};
use rustix::process::{Pid, Signal, WaitOptions, WaitStatus};
use std::time::Duration;

/// Time to see everything end that is left.
const LIMIT: Duration = Duration::from_millis(1_500);
/// What is passed on to the daemon.
const PASSED_ON: [Signal; 3] = [Signal::TERM, Signal::INT, Signal::HUP];

/// Goes on in a child, with this process as its guard. Where that cannot be it goes on in this one, without a guard.
pub(crate) fn go_below_guard(leads_session: bool) {
    if leads_session {
        // No terminal's signal reaches either. Fails only where it leads a session already.
        let _ = rustix::process::setsid();
    }
    let guard = rustix::process::getpid();
    let [term, int, hup] = PASSED_ON;
    let signals = HeldSignals::hold(&[Signal::CHILD, term, int, hup]);
    match fork() {
        Ok(Side::Parent(daemon)) => stand_guard(daemon, &signals),
        Ok(Side::Child) => {
            signals.release();
            let _ = rustix::process::set_parent_process_death_signal(Some(Signal::KILL));
            if rustix::process::getppid() != Some(guard) {
                // It ended before this process could be told.
                std::process::exit(1);
            }
        }
        Err(_) => signals.release(),
    }
}

fn stand_guard(daemon: Pid, signals: &HeldSignals) -> ! {
    let _ = rustix::process::set_child_subreaper(Some(rustix::process::getpid()));
    let _ = std::fs::write("/proc/self/comm", "trygon-guard");
    // The daemon's sockets are closed with the daemon, not with this process.
    if let Ok(null) = std::fs::OpenOptions::new().read(true).open("/dev/null") {
        let _ = rustix::stdio::dup2_stdin(&null);
    }
    close_from(3);
    let status = loop {
        match signals.next() {
            Some(signal) if PASSED_ON.contains(&signal) => {
                let _ = rustix::process::kill_process(daemon, signal);
            }
            _ => {}
        }
        if let Some(status) = reap(daemon) {
            break status;
        }
    };
    trygon_processes::end_descendants(LIMIT);
    let code = status.exit_status().or_else(|| status.terminating_signal().map(|signal| 128 + signal));
    std::process::exit(code.unwrap_or(1))
}

/// Takes the ends of children; that of the daemon is the answer.
fn reap(daemon: Pid) -> Option<WaitStatus> {
    let mut found = None;
    loop {
        match rustix::process::wait(WaitOptions::NOHANG) {
            Ok(Some((pid, status))) if pid == daemon => found = Some(status),
            Ok(Some(_)) => {}
            Ok(None) | Err(_) => return found,
        }
    }
}
