//! What a daemon that stays has beyond that of one program.

use crate::cluster::Starter;
use crate::connection::Connection;
use crate::worker_pool::ZYGOTE;
use std::collections::{BTreeMap, BTreeSet};
use std::os::fd::OwnedFd;
use std::path::PathBuf;
use trygon_wire::control::AttachDriver;

/// The number of the session's socket in the poller. No process ever gets it.
pub(crate) const LISTENER: u64 = ZYGOTE - 2;

/// What a node is in its cluster.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Role {
    /// The first node: the control service is its child.
    Head,
    /// Joined the head at this address.
    Member { head: String },
}

/// Somebody who connected and has not said who they are.
#[derive(Debug)]
pub(crate) struct Arriving {
    pub(crate) connection: Connection,
    pub(crate) pid: i32,
    /// From then on it is sent away.
    pub(crate) until_ms: u64,
}

/// The session.
#[derive(Debug)]
pub(crate) struct Session {
    pub(crate) folder: PathBuf,
    pub(crate) name: String,
    pub(crate) role: Role,
    /// The head's address, as drivers name the cluster.
    pub(crate) cluster_address: String,
    /// Where other nodes reach this one.
    pub(crate) own_address: String,
    pub(crate) python_version: String,
    /// Workers that are kept ready for each job.
    pub(crate) kept_workers: usize,
    pub(crate) listener: OwnedFd,
    /// The command that started the node, until the head knows the node.
    pub(crate) starter: Option<Starter>,
    pub(crate) arriving: BTreeMap<u64, Arriving>,
    /// Commands with whose end the daemon ends.
    pub(crate) life_lines: BTreeSet<u64>,
    /// Drivers whose jobs the head has not accepted yet.
    pub(crate) attaching: BTreeMap<u64, AttachDriver>,
}
