//! The state of a node's decisions, and read-only views of it.

use crate::Labels;
use crate::bundle::Bundles;
use crate::claim::Claims;
use crate::cluster::Cluster;
use crate::defects::NodeDefects;
use crate::hold::Hold;
use crate::lease::{Lease, Purpose};
use crate::ledger::Ledger;
use crate::queue::Queue;
use crate::share::Shares;
use crate::worker::Life;
use crate::{EnvironmentId, LeaseId, LeaseView, LifeName, PLAIN, WorkerView};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use trygon_ids::{PlacementGroupId, WorkerId};
use trygon_resources::ResourceSet;

/// What a node is to be.
#[derive(Debug, Clone)]
pub struct Options {
    /// Its resources.
    pub resources: ResourceSet,
    /// Its id, in hexadecimal.
    pub node_id: String,
    /// Its labels.
    pub labels: Labels,
    /// Workers started ahead, and kept when idle.
    pub prestart_workers: usize,
    /// Idle time after which a worker above that number is ended.
    pub idle_worker_ms: u64,
    /// Most processes of workers at once; 0 means no cap.
    pub max_workers: usize,
    /// Most workers that start at the same time.
    pub max_parallel_starts: usize,
    /// What tasks run in that do not say otherwise: workers are started ahead in it, and kept.
    pub environment: EnvironmentId,
    /// First 20 bytes of the ids of this node's workers: what tells two nodes' workers apart.
    pub worker_id_prefix: [u8; 20],
}

/// The brain of a node.
#[derive(Debug)]
pub struct Node {
    pub(crate) options: Options,
    pub(crate) ledger: Ledger,
    pub(crate) workers: BTreeMap<WorkerId, Life>,
    /// Idle workers; the one used last is at the end, because its caches are warm.
    pub(crate) idle: VecDeque<WorkerId>,
    /// What each worker runs in.
    pub(crate) environment_of: BTreeMap<WorkerId, EnvironmentId>,
    /// Environments that workers can be started in.
    pub(crate) prepared: BTreeSet<EnvironmentId>,
    /// How many workers are started ahead in an environment, and kept when idle.
    pub(crate) kept: BTreeMap<EnvironmentId, usize>,
    /// Workers that own objects: their end would be the objects' end, so they are not ended for idling and no actor is put on them.
    pub(crate) owners: BTreeSet<WorkerId>,
    pub(crate) leases: BTreeMap<LeaseId, Lease>,
    pub(crate) queue: Queue,
    /// Placement groups that are reserved, by bundle.
    pub(crate) groups: BTreeMap<PlacementGroupId, Bundles>,
    /// Resources that are held for a request.
    pub(crate) hold: Option<Hold>,
    /// What jobs are due of the node.
    pub(crate) shares: Shares,
    /// What is taken back so that jobs get it.
    pub(crate) claims: Claims,
    /// The other nodes, if there are any.
    pub(crate) cluster: Cluster,
    pub(crate) next_lease: LeaseId,
    pub(crate) next_worker: u64,
    /// Workers that died while starting, since the last one that became ready.
    pub(crate) start_failures: u32,
    /// No worker is started before this time.
    pub(crate) no_start_before_ms: u64,
    /// The worker that was ended because memory was nearly full, until it is gone.
    pub(crate) memory_victim: Option<WorkerId>,
    /// Leases with a limit of memory that have just ended.
    pub(crate) lifted_limits: Vec<(WorkerId, LeaseId)>,
    pub(crate) defects: NodeDefects,
    /// When the last event came.
    pub(crate) now_ms: u64,
}

impl Node {
    /// A node in which nothing happened yet.
    pub fn new(options: Options) -> Self {
        Self {
            ledger: Ledger::new(options.resources.clone()),
            kept: BTreeMap::from([(options.environment, options.prestart_workers)]),
            options,
            workers: BTreeMap::new(),
            idle: VecDeque::new(),
            environment_of: BTreeMap::new(),
            prepared: BTreeSet::from([PLAIN]),
            owners: BTreeSet::new(),
            leases: BTreeMap::new(),
            queue: Queue::default(),
            groups: BTreeMap::new(),
            hold: None,
            shares: Shares::default(),
            claims: Claims::default(),
            cluster: Cluster::default(),
            next_lease: 1,
            next_worker: 1,
            start_failures: 0,
            no_start_before_ms: 0,
            memory_victim: None,
            lifted_limits: Vec::new(),
            defects: NodeDefects::default(),
            now_ms: 0,
        }
    }

    /// Plants defects.
    #[doc(hidden)]
    pub fn set_defects(&mut self, defects: NodeDefects) {
        self.defects = defects;
        self.ledger.shares_overlap = defects.shares_overlap;
    }

    /// What the node has.
    pub fn total(&self) -> &ResourceSet {
        &self.ledger.total
    }

    /// The node's labels.
    pub fn labels(&self) -> &Labels {
        &self.options.labels
    }

    /// What is free now; CPUs may be below zero while blocked workers go on.
    pub fn free(&self) -> &ResourceSet {
        &self.ledger.free
    }

    /// The id of worker number `number`; 0 is the driver.
    pub fn worker_id(&self, number: u64) -> WorkerId {
        let mut bytes = [0; WorkerId::LEN];
        bytes[..20].copy_from_slice(&self.options.worker_id_prefix);
        bytes[20..].copy_from_slice(&number.to_be_bytes());
        WorkerId::new(bytes)
    }

    /// The number of a process that is not a worker: no worker gets the same.
    pub fn take_number(&mut self) -> u64 {
        let number = self.next_worker;
        self.next_worker += 1;
        number
    }

    /// What a worker's lease holds.
    pub fn held_by(&self, worker: WorkerId) -> Option<&ResourceSet> {
        let lease = self.workers.get(&worker)?.lease()?;
        self.leases.get(&lease).map(|lease| &lease.held.amounts)
    }

    /// Leases that wait to be granted.
    pub fn waiting_leases(&self) -> u64 {
        self.queue.iter().map(|(_, waiting)| u64::from(waiting.left)).sum()
    }

    /// Leases that other nodes are asked for and did not answer yet.
    pub fn asked_leases(&self) -> u64 {
        self.queue.iter().map(|(_, waiting)| u64::from(waiting.abroad.count())).sum()
    }

    /// Leases of other nodes that owners here hold.
    pub fn foreign_lease_count(&self) -> usize {
        self.cluster.foreign.len()
    }

    /// What is known of the other nodes.
    pub fn view(&self) -> &trygon_placement::View {
        &self.cluster.view
    }

    /// Every worker and its state.
    pub fn worker_views(&self) -> Vec<WorkerView> {
        self.workers.iter().map(|(worker, life)| WorkerView { worker: *worker, life: self.life_name(*life) }).collect()
    }

    /// Every lease.
    pub fn lease_views(&self) -> Vec<LeaseView> {
        let view = |(id, lease): (&LeaseId, &Lease)| LeaseView {
            lease: *id,
            worker: lease.worker,
            owner: lease.owner,
            name: lease.name.clone(),
            resources: lease.held.amounts.clone(),
            blocked: lease.lent.is_some(),
        };
        self.leases.iter().map(view).collect()
    }

    /// Whether this process is a worker that waits for others.
    pub(crate) fn is_blocked(&self, process: WorkerId) -> bool {
        let lease = self.workers.get(&process).and_then(|life| life.lease());
        lease.and_then(|lease| self.leases.get(&lease)).is_some_and(|lease| lease.lent.is_some())
    }

    fn life_name(&self, life: Life) -> LifeName {
        match life {
            Life::Starting { .. } => LifeName::Starting,
            Life::Idle { .. } => LifeName::Idle,
            Life::Exiting { .. } => LifeName::Exiting,
            Life::Leased { lease } => match self.leases.get(&lease) {
                Some(lease) if lease.lent.is_some() => LifeName::Blocked,
                Some(Lease { purpose: Purpose::Actor { .. }, .. }) => LifeName::Actor,
                _ => LifeName::Leased,
            },
        }
    }
}
