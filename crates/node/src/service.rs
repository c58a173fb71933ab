//! The daemon's state, and the few things that every part of it does.

use crate::cluster::{Cluster, GivenUp};
use crate::connection::Flow;
use crate::explain::Inquiries;
use crate::graveyard::Graveyard;
use crate::head_place::HeadLink;
use crate::job::Job;
use crate::known_groups::{EarlyLease, KnownGroup};
use crate::memory_watch::MemoryWatch;
use crate::placed::{ActorHere, Placed};
use crate::poller::{Poller, Role};
use crate::process::Process;
use crate::session::Session;
use crate::worker_pool::{Environments, Shield, StopWatch};
use rustix::process::{Pid, WaitStatus};
use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use std::os::fd::OwnedFd;
use std::time::Instant;
use trygon_control_core::TaskEvents;
use trygon_ids::{ActorId, JobId, NodeId, PlacementGroupId, WorkerId};
use trygon_node_core::{Event, Node};
use trygon_store::server::StoreServer;
use trygon_wire::{Kind, Message};

/// Who this node is.
#[derive(Debug)]
pub(crate) struct Identity {
    pub(crate) node_id: NodeId,
    pub(crate) address: String,
    /// Bytes 20 to 24 of the node's id: what tells this node's processes from another's as owners.
    pub(crate) salt: [u8; 4],
}

impl Identity {
    /// The incarnation of process `number` as an owner.
    pub(crate) fn incarnation(&self, number: u64) -> [u8; 12] {
        let mut bytes = [0; 12];
        bytes[..4].copy_from_slice(&self.salt);
        bytes[4..].copy_from_slice(&number.to_be_bytes());
        bytes
    }
}

/// Everything the daemon has.
#[derive(Debug)]
pub(crate) struct Service {
    pub(crate) poller: Poller,
    pub(crate) started: Instant,
    pub(crate) identity: Identity,
    pub(crate) node: Node,
    pub(crate) head: HeadLink,
    pub(crate) task_events: TaskEvents,
    pub(crate) store: StoreServer,
    /// Actors that wait for a worker here, with the number of their life.
    pub(crate) placing: BTreeMap<ActorId, u32>,
    /// Actors that have a worker and wait for the head's word.
    pub(crate) placed: BTreeMap<ActorId, Placed>,
    pub(crate) environments: Environments,
    /// Workers that are ended if they are found stopped.
    pub(crate) stops: StopWatch,
    /// What workers must not find.
    pub(crate) shield: Shield,
    pub(crate) jobs: BTreeMap<JobId, Job>,
    /// What a daemon that stays has beyond that of one program.
    pub(crate) session: Option<Session>,
    /// Its place among other nodes; none in the daemon of one program.
    pub(crate) cluster: Option<Cluster>,
    /// Actors that were started here.
    pub(crate) actors_here: BTreeMap<ActorId, ActorHere>,
    pub(crate) known_groups: BTreeMap<PlacementGroupId, KnownGroup>,
    /// The removed ones of them, the oldest first.
    pub(crate) removed_groups: VecDeque<PlacementGroupId>,
    /// Leases in placement groups that are not known yet.
    pub(crate) early_leases: Vec<EarlyLease>,
    pub(crate) processes: HashMap<u64, Process>,
    pub(crate) by_pid: BTreeMap<i32, u64>,
    /// Statuses of processes that ended before they were known.
    pub(crate) unclaimed: BTreeMap<i32, WaitStatus>,
    pub(crate) graveyard: Graveyard,
    pub(crate) memory: MemoryWatch,
    pub(crate) next_connection: u64,
    /// Processes with bytes to send.
    pub(crate) dirty: BTreeSet<u64>,
    /// Processes with lines to publish.
    pub(crate) talkative: BTreeSet<u64>,
    /// Processes whose sockets are gone.
    pub(crate) hung_up: Vec<u64>,
    /// Events that came up while others were handled.
    pub(crate) later: Vec<Event>,
    /// What dead workers left and was ended.
    pub(crate) orphans: Vec<(Pid, OwnedFd)>,
    /// When they are looked for once more.
    pub(crate) orphans_again_ms: Option<u64>,
    pub(crate) stopping: bool,
    /// Questions of people about tasks and objects that are not answered yet.
    pub(crate) inquiries: Inquiries,
    /// The first node that this daemon was: this one, or one that was given up.
    pub(crate) first_id: NodeId,
    /// Why the node is not of its cluster any more; the daemon comes back as another one.
    pub(crate) given_up: Option<GivenUp>,
}

impl Service {
    /// Milliseconds since the daemon began.
    pub(crate) fn now_ms(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_millis()).unwrap_or(u64::MAX)
    }

    /// Microseconds since the daemon began, never 0.
    pub(crate) fn now_us(&self) -> u64 {
        u64::try_from(self.started.elapsed().as_micros()).unwrap_or(u64::MAX).max(1)
    }

    /// The number of a process of this node; one that no process has for the ids of others.
    pub(crate) fn number_of(&self, worker: WorkerId) -> u64 {
        let mut word = [0; 8];
        word.copy_from_slice(&worker.as_bytes()[WorkerId::LEN - 8..]);
        let number = u64::from_be_bytes(word);
        if self.node.worker_id(number) == worker { number } else { u64::MAX }
    }

    /// Queues a frame for a process, if it lives.
    pub(crate) fn send(&mut self, number: u64, kind: Kind, message: &impl Message) {
        self.send_with(number, kind, message, Vec::new());
    }

    /// Queues a frame with descriptors for a process, if it lives.
    pub(crate) fn send_with(&mut self, number: u64, kind: Kind, message: &impl Message, descriptors: Vec<OwnedFd>) {
        if let Some(process) = self.processes.get_mut(&number) {
            process.connection.send(kind, message, descriptors);
            self.dirty.insert(number);
        }
    }

    /// Sends what is queued.
    pub(crate) fn flush_all(&mut self) {
        for number in std::mem::take(&mut self.dirty) {
            let Some(process) = self.processes.get_mut(&number) else {
                continue;
            };
            let flow = process.connection.flush();
            if flow == Flow::Closed {
                self.hung_up.push(number);
            }
            let full = flow == Flow::Full;
            if full != process.connection.watches_room {
                process.connection.watches_room = full;
                self.poller.watch_room(process.connection.as_fd(), number, Role::Control, full);
            }
        }
    }

    /// The loop ends after this turn.
    pub(crate) fn stop(&mut self) {
        self.stopping = true;
    }
}
