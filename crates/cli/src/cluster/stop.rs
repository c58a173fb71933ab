//! `trygon stop`: told to end, waited for, and killed if that does not help.

use crate::cluster::args::Stop;
use crate::cluster::connection::Connection;
use rustix::process::{Pid, PidfdFlags, Signal};
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::time::{Duration, Instant};
use trygon_node::folder;
use trygon_wire::Kind;
use trygon_wire::control::Shutdown;

/// A killed process is gone after this.
const KILL_LIMIT: Duration = Duration::from_secs(5);

/// Stops one node or all.
pub(crate) fn stop(stop: &Stop) -> Result<ExitCode, String> {
    let sessions: Vec<PathBuf> = if stop.all {
        folder::all()
    } else {
        let base = stop.temp_dir.clone().unwrap_or_else(folder::default_base);
        folder::current(&base).into_iter().collect()
    };
    let mut stopped = 0;
    for session in &sessions {
        stopped += usize::from(stop_session(session, stop)?);
    }
    if stopped == 0 {
        let hint =
            if stop.all || folder::all().is_empty() { "" } else { " here; `trygon stop --all` stops the others" };
        println!("No node of yours runs{hint}.");
    }
    Ok(ExitCode::SUCCESS)
}

fn stop_session(session: &Path, stop: &Stop) -> Result<bool, String> {
    let grace = (!stop.force).then(|| Duration::from_secs(stop.grace_period));
    let ended = end(session, grace)?;
    if let Some(pid) = ended {
        println!("Stopped the node in {} (process {}).", session.display(), pid.as_raw_nonzero());
    }
    Ok(ended.is_some())
}

/// Ends the daemon of a session and waits until it is gone: it is told so and has this long, or is killed at once. The process that it
/// was; `None` if it did not run.
pub(super) fn end(session: &Path, grace: Option<Duration>) -> Result<Option<Pid>, String> {
    let Some(mut connection) = Connection::open(session, false) else {
        return end_waiting(session, grace);
    };
    let peer = rustix::net::sockopt::socket_peercred(&connection.socket).map_err(|error| error.to_string())?;
    let ended = rustix::process::pidfd_open(peer.pid, PidfdFlags::empty()).map_err(|error| error.to_string())?;
    if grace.is_some() {
        connection.send(Kind::Shutdown, &Shutdown {})?;
    }
    if !wait_end(&ended, grace.unwrap_or_default()) {
        kill(peer.pid, &ended)?;
    }
    folder::withdraw(session);
    Ok(Some(peer.pid))
}

/// Ends a daemon that waits to come back to its cluster, if there is one: it listens to signals only.
fn end_waiting(session: &Path, grace: Option<Duration>) -> Result<Option<Pid>, String> {
    let daemon = folder::daemon(session).and_then(Pid::from_raw);
    if let Some(pid) = daemon {
        let ended = rustix::process::pidfd_open(pid, PidfdFlags::empty()).map_err(|error| error.to_string())?;
        let _ = rustix::process::pidfd_send_signal(&ended, Signal::TERM);
        if !wait_end(&ended, grace.unwrap_or_default()) {
            kill(pid, &ended)?;
        }
    }
    // One that was killed could not clear up.
    folder::withdraw(session);
    Ok(daemon)
}

fn kill(pid: Pid, ended: &OwnedFd) -> Result<(), String> {
    // By its descriptor: the number may be another's by now. What it started sees its sockets close and ends.
    let _ = rustix::process::pidfd_send_signal(ended, Signal::KILL);
    if wait_end(ended, KILL_LIMIT) {
        return Ok(());
    }
    Err(format!("process {} was killed and has not ended; look for it with `ps`", pid.as_raw_nonzero()))
}

/// Whether the process ends in time.
fn wait_end(ended: &OwnedFd, limit: Duration) -> bool {
    let until = Instant::now() + limit;
    loop {
        let left = until.saturating_duration_since(Instant::now());
        let timeout = rustix::event::Timespec::try_from(left).ok();
        let mut watched = [rustix::event::PollFd::new(ended, rustix::event::PollFlags::IN)];
        match rustix::event::poll(&mut watched, timeout.as_ref()) {
            Ok(count) if count > 0 => return true,
            _ if Instant::now() >= until => return false,
            _ => {}
        }
    }
}
