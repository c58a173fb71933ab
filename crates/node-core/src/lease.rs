//! A lease: the right of one owner to use one worker and some resources.

use crate::EnvironmentId;
use crate::ledger::Held;
use trygon_ids::{ActorId, JobId, NodeId, PlacementGroupId, WorkerId};
use trygon_resources::{Amount, ResourceSet};

/// The number of a lease, unique in the node's life.
pub type LeaseId = u64;

/// What a lease, or a request for one, is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Purpose {
    /// Tasks of an owner.
    Tasks { request_id: u64 },
    /// One actor; it keeps `lifetime` (by name) once it runs.
    Actor { actor: ActorId, incarnation: u32, lifetime: ResourceSet },
    /// A placement group: its bundles, which `apart` wants on different nodes. It needs no worker.
    Group { group: PlacementGroupId, bundles: Vec<ResourceSet>, apart: bool },
}

/// Why a request will never be met.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Refusal {
    /// The placement group that it names was removed.
    GroupRemoved,
    /// The only node that it may run on does not exist, or is too small.
    Unschedulable,
    /// Its runtime environment cannot be made.
    NoEnvironment,
}

impl Refusal {
    /// The reason in a word.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::GroupRemoved => "placement_group_removed",
            Self::Unschedulable => "unschedulable",
            Self::NoEnvironment => "runtime_env_failed",
        }
    }
}

/// A lease that lives.
#[derive(Debug)]
pub(crate) struct Lease {
    pub(crate) worker: WorkerId,
    pub(crate) owner: WorkerId,
    /// The owner's job.
    pub(crate) job: JobId,
    /// The owner's node, if that is another one.
    pub(crate) home: Option<NodeId>,
    pub(crate) purpose: Purpose,
    pub(crate) held: Held,
    pub(crate) name: String,
    /// What its worker must run in.
    pub(crate) environment: EnvironmentId,
    /// CPUs lent out while the worker waits; `None` when it runs.
    pub(crate) lent: Option<Amount>,
    /// Its owner was asked to give it back when what runs has ended.
    pub(crate) revoked: bool,
}

/// A lease, for people who look.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeaseView {
    /// Its number.
    pub lease: LeaseId,
    /// Its worker.
    pub worker: WorkerId,
    /// Who holds it.
    pub owner: WorkerId,
    /// What runs.
    pub name: String,
    /// What it holds.
    pub resources: ResourceSet,
    /// Whether its worker waits and has lent its CPUs.
    pub blocked: bool,
}
