//! The process that the control service of a head runs in.

use crate::cluster::lifetimes::Lifetimes;
use std::io;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::SystemTime;
use trygon_control::{ControlOptions, ControlSocket};
use trygon_rpc::Authority;

/// The first wait before it is started again; doubled with each failure in a row.
const FIRST_PAUSE_MS: u64 = 50;
const LONGEST_PAUSE_MS: u64 = 5_000;

/// The control service, as its daemon sees it.
#[derive(Debug)]
pub(crate) struct ControlProcess {
    storage: String,
    /// Where nodes find the daemon.
    address: String,
    /// The cluster's name among those of one storage.
    cluster: String,
    lifetimes: Lifetimes,
    child: Option<Child>,
    socket: Option<ControlSocket>,
    /// When it is started again.
    pub(crate) starts_ms: Option<u64>,
    pause_ms: u64,
    /// It said that it runs: from then on it answers.
    pub(crate) has_begun: bool,
    certified: Option<SystemTime>,
}

impl ControlProcess {
    /// One that is not started yet.
    pub(crate) fn new(storage: String, address: String, cluster: String, lifetimes: Lifetimes) -> Self {
        Self {
            storage,
            address,
            cluster,
            lifetimes,
            child: None,
            socket: None,
            starts_ms: Some(0),
            pause_ms: FIRST_PAUSE_MS,
            has_begun: false,
            certified: None,
        }
    }

    /// Starts it, with a certificate of its own.
    pub(crate) fn start(&mut self, authority: &Authority, folder: &Path) -> io::Result<()> {
        let (ours, theirs) = ControlSocket::pair()?;
        let log = std::fs::OpenOptions::new().create(true).append(true).open(folder.join("logs/control.log"))?;
        let child = Command::new(std::env::current_exe()?)
            .arg("control")
            .current_dir(folder)
            .stdin(Stdio::from(theirs))
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()?;
        let now = SystemTime::now();
        let certificate = authority.issue_control(now, self.lifetimes.process()).map_err(io::Error::other)?;
        ours.start(ControlOptions {
            storage: self.storage.clone(),
            cluster: self.cluster.clone(),
            address: self.address.clone(),
            certificate: Some((&certificate).into()),
            ..ControlOptions::default()
        })?;
        self.certified = Some(now);
        self.child = Some(child);
        self.socket = Some(ours);
        Ok(())
    }

    /// Its process id; 0 while it does not run.
    pub(crate) fn pid(&self) -> u32 {
        self.child.as_ref().map_or(0, Child::id)
    }

    /// How one speaks with it, while it runs.
    pub(crate) fn socket(&self) -> Option<&ControlSocket> {
        self.socket.as_ref()
    }

    /// It works: the next failure is a first one.
    pub(crate) fn is_ready(&mut self) {
        self.pause_ms = FIRST_PAUSE_MS;
        self.has_begun = true;
    }

    /// Ends what is left of it; it is started again, the later the more often it failed.
    pub(crate) fn start_later(&mut self, now_ms: u64) {
        self.end();
        self.starts_ms = Some(now_ms + self.pause_ms);
        self.pause_ms = (self.pause_ms * 2).min(LONGEST_PAUSE_MS);
    }

    /// Gives it a newer certificate when it is time to.
    pub(crate) fn renew(&mut self, authority: &Authority) -> io::Result<()> {
        let is_due = self.certified.is_some_and(|at| at.elapsed().is_ok_and(|age| age > self.lifetimes.process() / 2));
        if let (Some(socket), true) = (&self.socket, is_due) {
            let now = SystemTime::now();
            let certificate = authority.issue_control(now, self.lifetimes.process()).map_err(io::Error::other)?;
            socket.renew((&certificate).into())?;
            self.certified = Some(now);
        }
        Ok(())
    }

    /// Ends it.
    pub(crate) fn end(&mut self) {
        self.socket = None;
        self.has_begun = false;
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
    }
}

impl Drop for ControlProcess {
    fn drop(&mut self) {
        self.end();
    }
}
