//! Everything that the runtime's one mutex guards.

use crate::answer::Answer;
use crate::clock::Clock;
use crate::copies::Replicas;
use crate::credit::{Running, StreamKey};
use crate::known_death::KnownDeath;
use crate::known_group::KnownGroup;
use crate::link::{ControlLink, Credentials, Links};
use crate::log_line::LogLine;
use crate::past::Past;
use crate::running::RunningCalls;
use crate::work::{Executing, Work};
use parking_lot::Condvar;
use rustix::fd::OwnedFd;
use std::collections::{HashMap, HashSet, VecDeque};
use std::sync::Arc;
use std::sync::atomic::AtomicU64;
use trygon_ids::{FunctionHash, OwnerIncarnation, PlacementGroupId, WorkerId};
use trygon_store::client::StoreClient;
use trygon_wire::{Kind, control};
use trygon_worker_core::{Core, Effect, PeerIndex, Recent, Returned};

/// Bytes of log lines kept for a driver that does not print them.
pub(crate) const MAX_LOG_LINES: usize = 100_000;

/// Of so many dead processes it is known why they died.
const REMEMBERED_DEAD: usize = 2_000;

/// The state of one process's engine.
#[derive(Debug)]
pub struct Engine {
    /// The deciding part.
    pub core: Core,
    pub(crate) links: Links,
    pub(crate) control: ControlLink,
    /// What this process proves with who it is towards other machines.
    pub(crate) credentials: Credentials,
    /// A death that the engine waits with.
    pub(crate) known_death: Option<KnownDeath>,
    pub(crate) clock: Clock,
    /// Shared with the runtime: when the task began that the main thread runs.
    pub(crate) began_ns: Arc<AtomicU64>,
    /// What ended earlier attempts of own tasks.
    pub(crate) past: Past,
    pub(crate) store: Arc<StoreClient>,
    pub(crate) replicas: Replicas,
    pub(crate) peer_of: HashMap<WorkerId, PeerIndex>,
    pub(crate) incarnations: HashMap<WorkerId, OwnerIncarnation>,
    /// Processes known to be dead, and why.
    pub(crate) dead: Recent<WorkerId, String>,
    /// Frames for processes that are being connected.
    pub(crate) connecting: HashMap<WorkerId, Vec<u8>>,
    pub(crate) answers: HashMap<u64, Answer>,
    pub(crate) next_request: u64,
    /// Bodies of this process's own functions: whoever got a task of one may ask for it at any time.
    pub(crate) exported: HashMap<FunctionHash, Arc<[u8]>>,
    /// Bodies that were fetched to run, until they are loaded.
    pub(crate) fetched: HashMap<FunctionHash, Arc<[u8]>>,
    /// Hashes that were asked for and are known to nobody.
    pub(crate) missing: HashSet<FunctionHash>,
    pub(crate) work: VecDeque<Work>,
    pub(crate) executing: Option<Executing>,
    /// Calls that run beside one another, in an actor that allows it.
    pub(crate) concurrent_calls: usize,
    /// Generators that came to be run here, until they are replied to.
    pub(crate) streams: HashMap<StreamKey, Running>,
    pub(crate) running: RunningCalls,
    pub(crate) blocked: bool,
    /// This process is an actor: it takes no plain tasks, and nothing is handed back.
    pub(crate) is_actor: bool,
    /// What the daemon was told: whether this worker owns objects.
    pub(crate) told_owns: bool,
    /// Whether those that wait for completions were woken because the engine is closed.
    pub(crate) told_closed: bool,
    pub(crate) leases: HashMap<u32, LeaseInfo>,
    /// Placement groups that live, as far as this process was told.
    pub(crate) groups: HashMap<PlacementGroupId, KnownGroup>,
    pub(crate) completions: Vec<Option<Completion>>,
    pub(crate) logs: VecDeque<LogLine>,
    pub(crate) log_lines: usize,
    /// Signalled when lines come: whoever prints them must not poll for all.
    pub(crate) logs_arrived: Arc<Condvar>,
    /// Tokens that somebody waits for in an event loop.
    pub(crate) awaited_tokens: usize,
    /// Objects that lie in shared memory and were sealed by nobody else: their frees may be handled here.
    pub(crate) events: Vec<control::TaskEvent>,
    pub(crate) events_dropped: u64,
    /// Until then empty segments go back at once: somebody waits for memory.
    pub(crate) segments_wanted_until_ns: u64,
    /// Counts what moved, so that the background thread knows when to rest.
    pub(crate) activity: u64,
    pub(crate) effects: Vec<Effect>,
    pub(crate) returned: Vec<Returned>,
    pub(crate) submitted: u32,
    /// Why the process has to go, when it has.
    pub(crate) exit: Option<String>,
}

/// What a lease holds, as its worker is told.
#[derive(Debug, Clone, Default)]
pub struct LeaseInfo {
    /// Amounts by name.
    pub resources: Vec<(String, f64)>,
    /// Device instances by accelerator.
    pub devices: Vec<(String, Vec<u32>)>,
}

/// A completion queue's engine side.
#[derive(Debug)]
pub(crate) struct Completion {
    pub(crate) event: Arc<OwnedFd>,
    pub(crate) tokens: Vec<u64>,
}

impl Engine {
    /// The body of a function, when it is here.
    pub(crate) fn known_body(&self, hash: &FunctionHash) -> Option<Arc<[u8]>> {
        self.exported.get(hash).or_else(|| self.fetched.get(hash)).map(Arc::clone)
    }

    pub(crate) fn new(core: Core, links: Links, control: ControlLink, store: Arc<StoreClient>, clock: Clock) -> Self {
        Self {
            core,
            links,
            control,
            credentials: Credentials::default(),
            known_death: None,
            clock,
            began_ns: Arc::default(),
            past: Past::default(),
            store,
            replicas: Replicas::default(),
            peer_of: HashMap::new(),
            incarnations: HashMap::new(),
            dead: Recent::new(REMEMBERED_DEAD),
            connecting: HashMap::new(),
            answers: HashMap::new(),
            next_request: 1,
            exported: HashMap::new(),
            fetched: HashMap::new(),
            missing: HashSet::new(),
            work: VecDeque::new(),
            executing: None,
            concurrent_calls: 0,
            streams: HashMap::new(),
            running: RunningCalls::default(),
            blocked: false,
            is_actor: false,
            told_owns: false,
            told_closed: false,
            leases: HashMap::new(),
            groups: HashMap::new(),
            completions: Vec::new(),
            logs: VecDeque::new(),
            log_lines: 0,
            logs_arrived: Arc::new(Condvar::new()),
            awaited_tokens: 0,
            events: Vec::new(),
            events_dropped: 0,
            segments_wanted_until_ns: 0,
            activity: 0,
            effects: Vec::new(),
            returned: Vec::new(),
            submitted: 0,
            exit: None,
        }
    }

    /// Performs what the core asked for, and writes everything that waits.
    pub(crate) fn settle_and_flush(&mut self) {
        self.perform();
        self.links.flush();
        self.tell_lost();
        self.control.flush();
        if self.control.closed && !self.told_closed {
            self.told_closed = true;
            self.wake_completions();
        }
    }

    /// Sends the tasks on their way whose time to be tried again has come. True while others wait for theirs.
    pub(crate) fn resubmit_due(&mut self, now_ns: u64) -> bool {
        self.core.resubmit_due(now_ns, &mut self.links)
    }

    /// Tells the daemon when the process begins or ends to own objects: an idle worker that owns some is not ended.
    pub(crate) fn tell_ownership(&mut self) {
        let owns = self.core.statistics().owned > 0;
        if owns != self.told_owns {
            self.told_owns = owns;
            self.control.send(Kind::WorkerOwns, &control::WorkerOwns { owns });
        }
    }

    /// Gives every empty segment back.
    pub(crate) fn return_empty_segments(&mut self) {
        for segment_id in self.store.idle_segments(u64::MAX / 2) {
            self.control.send(Kind::SegmentReturn, &control::SegmentReturn { segment_id });
        }
    }

    /// Closes every connection and forgets the shared memory.
    pub(crate) fn let_go(&mut self) {
        for index in 0..self.links.peers.count() {
            self.links.close(PeerIndex(index));
        }
        self.control.close();
        self.wake_completions();
        self.completions.clear();
        self.store = Arc::new(StoreClient::new());
    }

    /// Whether the connection to the daemon, and with it the job, has ended.
    pub fn is_closed(&self) -> bool {
        self.control.closed || self.exit.is_some()
    }
}
