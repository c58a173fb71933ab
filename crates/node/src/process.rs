//! The driver and the workers, as the daemon sees them.

use crate::connection::Connection;
use crate::log_tail::LineStream;
use rustix::process::Pid;
use std::collections::BTreeMap;
use std::os::fd::OwnedFd;
use trygon_ids::{JobId, WorkerId};
use trygon_wire::control::WorkerExiting;

/// The driver's number in the daemon of one program; workers count from 1. In a daemon that stays drivers are counted with the workers.
pub(crate) const DRIVER: u64 = 0;

/// What a process is to the daemon.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Part {
    /// A program whose job runs here.
    Driver,
    /// Forked for a job.
    Worker,
    /// A command that asks questions.
    Tool,
}

/// One process that speaks with the daemon.
#[derive(Debug)]
pub(crate) struct Process {
    pub(crate) part: Part,
    /// Nil for a command.
    pub(crate) job: JobId,
    pub(crate) id: WorkerId,
    /// Its incarnation as an owner.
    pub(crate) incarnation: [u8; 12],
    pub(crate) pid: Option<Pid>,
    /// Tells when it ends.
    pub(crate) ended: Option<OwnedFd>,
    pub(crate) connection: Connection,
    pub(crate) recorder: Option<OwnedFd>,
    /// Connected processes and the number of each connection.
    pub(crate) peers: BTreeMap<u64, u64>,
    /// Connected processes of other nodes and the number of each connection.
    pub(crate) remote_peers: BTreeMap<WorkerId, u64>,
    /// The last connection that broke with a process of another node that lives.
    pub(crate) lost_connections: BTreeMap<WorkerId, u64>,
    /// When it got its certificate, in milliseconds of the daemon's clock.
    pub(crate) certified_ms: u64,
    /// What it said about its end.
    pub(crate) announced: Option<WorkerExiting>,
    /// Why the daemon ended it: kind and sentence.
    pub(crate) killed: Option<(String, String)>,
    /// The sentence of a drain: an actor whose last handle is gone.
    pub(crate) draining: Option<&'static str>,
    pub(crate) output: Option<LineStream>,
    pub(crate) errors: Option<LineStream>,
    /// Times that its end was seen before its status could be had.
    pub(crate) reap_tries: u32,
}

impl Process {
    /// A process without anything but its socket.
    pub(crate) fn new(part: Part, job: JobId, id: WorkerId, incarnation: [u8; 12], connection: Connection) -> Self {
        Self {
            part,
            job,
            id,
            incarnation,
            pid: None,
            ended: None,
            connection,
            recorder: None,
            peers: BTreeMap::new(),
            remote_peers: BTreeMap::new(),
            lost_connections: BTreeMap::new(),
            certified_ms: 0,
            announced: None,
            killed: None,
            draining: None,
            output: None,
            errors: None,
            reap_tries: 0,
        }
    }

    /// Its process id, or 0 while that is not known.
    pub(crate) fn pid_number(&self) -> u32 {
        self.pid.map_or(0, |pid| pid.as_raw_nonzero().get().unsigned_abs())
    }
}
