//! A node that was given up, or whose lease has lapsed: it stops everything, and its daemon comes back as another node, by itself.
//!
//! Everything that the node knew goes with it: another id, another number, other processes. So nothing that was said to the old node, or by
//! it, can be taken for the new one's (NODE-1).

use crate::cluster::given_up::GivenUp;
use crate::connection::{Connection, Flow};
use crate::make_session::make;
use crate::poller::Role;
use crate::service::Service;
use crate::session::{append, folder, stamped};
use rustix::event::{PollFd, PollFlags, Timespec};
use std::os::fd::OwnedFd;
use std::path::Path;
use std::time::{Duration, Instant};
use trygon_ids::NodeId;
use trygon_wire::control::StartDaemon;

/// Between two attempts to come back; a node that is fenced is not in a hurry.
const PAUSE: Duration = Duration::from_millis(300);
const FENCED_PAUSE: Duration = Duration::from_secs(2);
/// Attempts to have the same port again. Then it is another's.
const SAME_PORT_ATTEMPTS: u32 = 20;

/// What a node leaves to the one that its daemon is next.
#[derive(Debug)]
pub(crate) struct Legacy {
    given_up: GivenUp,
    /// When it has waited for its head for long enough; none for one that waits for ever, or is fenced.
    gives_up: Option<Instant>,
    first_id: NodeId,
    port: u32,
    life_lines: Vec<(Connection, i32)>,
}

impl Service {
    /// The node is not of its cluster any more.
    pub(crate) fn on_given_up(&mut self, reason: &str, is_fenced: bool) {
        if self.given_up.is_some() {
            return;
        }
        self.given_up = Some(GivenUp { reason: reason.to_owned(), is_fenced });
        if let Some(cluster) = &mut self.cluster {
            cluster.draining = None;
        }
        self.stop();
    }

    /// What is left of a node that was given up and has stopped; none of one that was told to end.
    pub(crate) fn into_legacy(mut self) -> Option<Legacy> {
        let given_up = self.given_up.take()?;
        let gives_up = self.head_deadline().filter(|_| !given_up.is_fenced);
        let session = self.session.take()?;
        let port = session.own_address.rsplit_once(':').and_then(|(_, port)| port.parse().ok()).unwrap_or(0);
        let life_lines = session.life_lines.iter().filter_map(|number| self.processes.remove(number));
        let life_lines = life_lines
            .map(|process| (process.connection, process.pid.map_or(0, |pid| pid.as_raw_nonzero().get())))
            .collect();
        Some(Legacy { given_up, gives_up, first_id: self.first_id, port, life_lines })
    }

    /// When the head has been waited for for long enough.
    fn head_deadline(&self) -> Option<Instant> {
        let cluster = self.cluster.as_ref().filter(|cluster| cluster.head_patience_ms > 0)?;
        let lost_for_ms = cluster.gives_up_ms.map(|at_ms| at_ms.saturating_sub(self.now_ms()));
        Some(Instant::now() + Duration::from_millis(lost_for_ms.unwrap_or(cluster.head_patience_ms)))
    }

    /// Goes on as the daemon that it was.
    fn inherit(&mut self, legacy: Legacy) {
        self.first_id = legacy.first_id;
        for (connection, pid) in legacy.life_lines {
            let number = self.node.take_number();
            // A line that cannot be watched is as good as one that has ended.
            if self.poller.add(connection.as_fd(), number, Role::Control).is_err() {
                return self.stop();
            }
            self.take_life_line(number, connection, pid);
        }
    }
}

/// Comes back as another node, as often as it takes. `None`: the daemon was told to end meanwhile.
pub(crate) fn come_back(start: &StartDaemon, mut legacy: Legacy, signals: &OwnedFd) -> Option<Service> {
    let path = Path::new(&start.session_directory);
    let say = |message: &str| append(&path.join("logs/daemon.log"), &stamped(message));
    say(&format!("the node has stopped what ran on it: {}. It comes back as another one", legacy.given_up.reason));
    let mut said = String::new();
    let mut pause = if legacy.given_up.is_fenced { FENCED_PAUSE } else { PAUSE };
    for attempt in 0_u32.. {
        if is_over(path, &mut legacy, signals, pause) {
            folder::withdraw(path);
            say("the node has stopped");
            return None;
        }
        if legacy.gives_up.is_some_and(|at| at <= Instant::now()) {
            folder::withdraw(path);
            say(&format!(
                "the head has not taken the node up again within {} s, and the node ends; --head-reconnect-timeout says how long it waits",
                start.head_patience_s
            ));
            return None;
        }
        pause = PAUSE;
        let _ = std::fs::remove_file(path.join(folder::SOCKET));
        let port = if attempt < SAME_PORT_ATTEMPTS { legacy.port } else { start.port };
        match make(&StartDaemon { port, ..start.clone() }) {
            Ok(mut service) => {
                service.inherit(legacy);
                return Some(service);
            }
            Err(message) if message != said => {
                say(&format!("it cannot come back yet: {message}"));
                said = message;
            }
            Err(_) => {}
        }
    }
    None
}

/// Waits, and says whether the daemon is to end: a signal came, a command with whose end it ends is gone, or its session was withdrawn.
fn is_over(path: &Path, legacy: &mut Legacy, signals: &OwnedFd, pause: Duration) -> bool {
    let mut watched = vec![PollFd::new(signals, PollFlags::IN)];
    watched.extend(legacy.life_lines.iter().map(|(line, _)| PollFd::from_borrowed_fd(line.as_fd(), PollFlags::IN)));
    let timeout = Timespec::try_from(pause).ok();
    let _ = rustix::event::poll(&mut watched, timeout.as_ref());
    let is_told = !watched[0].revents().is_empty();
    is_told
        || legacy.life_lines.iter_mut().any(|(line, _)| line.receive() == Flow::Closed)
        || !path.join("pid").exists()
}
