//! What the head knows.

use crate::head::defects::HeadDefects;
use crate::head::fence_table::Fences;
use crate::head::history::History;
use crate::head::news::News;
use crate::head::node_table::Nodes;
use crate::head::placing::Placing;
use crate::head::plan::Plan;
use crate::head::questions::Early;
use crate::head::resting::Resting;
use crate::head::tables::Tables;
use crate::head::waiters::Waiters;
use crate::machine::State;
use crate::storage::Digest;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use trygon_control_core::{Actors, Functions, KeyValues, PlacementGroups};
use trygon_ids::{ActorId, JobId, NodeId, PlacementGroupId, WorkerId};
use trygon_placement::View;
use trygon_proto::v1::{HeadToNode, StartJob, ToProcess, head_to_node, to_process};

/// Messages for nodes, in order.
pub type Out = Vec<(NodeId, HeadToNode)>;

/// Everything the head knows.
#[derive(Debug, Default, serde::Serialize, serde::Deserialize)]
pub struct Head {
    pub(super) now_us: u64,
    pub(super) nodes: Nodes,
    pub(super) fences: Fences,
    pub(super) actors: Actors,
    pub(super) groups: PlacementGroups,
    /// With its large values beside it in a snapshot.
    #[serde(skip)]
    pub(super) functions: Functions,
    #[serde(skip)]
    pub(super) key_values: KeyValues,
    /// Jobs that run, with what their drivers said.
    #[serde(with = "crate::head::messages::by_key")]
    pub(super) jobs: BTreeMap<JobId, StartJob>,
    /// Jobs that are over but for detached actors, which may still need workers.
    #[serde(with = "crate::head::messages::by_key")]
    pub(super) lingering: BTreeMap<JobId, StartJob>,
    pub(super) next_job: u32,
    /// The job that created an actor.
    pub(super) job_of_actor: BTreeMap<ActorId, JobId>,
    /// Where things can go, among several nodes.
    pub(super) view: View,
    /// The place of the view where SPREAD goes on.
    pub(super) turn: u32,
    /// What nodes are not told yet of one another.
    pub(super) news: News,
    /// Nodes at which something settles, the first to be over first.
    pub(super) settling: VecDeque<(u64, NodeId)>,
    /// A node has more, or less, than it had: what no node could hold may find one.
    pub(super) has_other_totals: bool,
    /// When what waits is looked at again.
    pub(super) look_us: Option<u64>,
    /// The node that looks for a worker for an actor.
    pub(super) placing: BTreeMap<ActorId, Placing>,
    /// Those among them that may as well go elsewhere.
    pub(super) waiting: Waiters,
    /// Actors that wait for a node that can have them.
    pub(super) homeless: Waiters,
    /// Actors that wait for a bundle to run in.
    pub(super) awaiting_group: BTreeMap<PlacementGroupId, BTreeSet<ActorId>>,
    /// Actors whose next life begins at a time.
    pub(super) resting: Resting,
    /// Process ids of workers that have actors.
    pub(super) pids: BTreeMap<WorkerId, u32>,
    /// The job that created a group.
    pub(super) job_of_group: BTreeMap<PlacementGroupId, JobId>,
    /// The node of a group's bundles, when a node is a cluster of its own.
    pub(super) group_node: BTreeMap<PlacementGroupId, NodeId>,
    /// Groups for which it takes nothing now.
    pub(super) homeless_groups: Vec<PlacementGroupId>,
    /// Where the bundles of groups are among several nodes.
    pub(super) plans: BTreeMap<PlacementGroupId, Plan>,
    /// Groups that no nodes can hold now, the first first.
    pub(super) waiting_groups: BTreeSet<(u64, PlacementGroupId)>,
    /// Nodes that were told of a group and are told what becomes of it.
    pub(super) heard_of: BTreeMap<PlacementGroupId, BTreeSet<NodeId>>,
    /// Kept over a restart too: the journal behind a snapshot goes on from exactly this state.
    pub(super) early: Early,
    /// For people who ask.
    pub(super) history: History,
    #[serde(skip)]
    pub(super) defects: HeadDefects,
}

impl Head {
    /// A head of nobody yet.
    pub fn new() -> Self {
        Self { next_job: 1, ..Self::default() }
    }

    /// Everything, as bytes: the same for the same state.
    ///
    /// # Errors
    /// Says what cannot be written.
    pub fn snapshot(&self) -> Result<State<'_>, String> {
        let failed = |error: postcard::Error| format!("the head's state cannot be written: {error}");
        let (tables, large) = Tables::of(&self.functions, &self.key_values);
        let bytes = postcard::to_stdvec(&(self, tables)).map_err(failed)?;
        Ok(State { bytes, large })
    }

    /// The head that a snapshot was made of.
    ///
    /// # Errors
    /// Says what cannot be read.
    pub fn restore(snapshot: &[u8], large: Vec<(Digest, Vec<u8>)>) -> Result<Self, String> {
        let failed = |error: postcard::Error| format!("the head's state cannot be read: {error}");
        let (head, tables): (Self, Tables) = postcard::from_bytes(snapshot).map_err(failed)?;
        let (functions, key_values) = tables.restore(large)?;
        Ok(Self { functions, key_values, ..head })
    }

    /// Tells a node something.
    pub(super) fn tell(node: NodeId, body: head_to_node::Body, out: &mut Out) {
        out.push((node, HeadToNode { body: Some(body) }));
    }

    /// Tells every node that lives something.
    pub(super) fn tell_all(&self, body: &head_to_node::Body, out: &mut Out) {
        for node in self.nodes.alive() {
            Self::tell(node, body.clone(), out);
        }
    }

    /// Answers a process, if its node lives.
    pub(super) fn reply(&self, to: WorkerId, reply: to_process::Reply, out: &mut Out) {
        if let Some(node) = self.nodes.of_worker(to) {
            let message = ToProcess { worker_id: to.as_bytes().to_vec(), reply: Some(reply) };
            Self::tell(node, head_to_node::Body::ToProcess(message), out);
        }
    }

    /// Tells the node of a worker something.
    pub(super) fn tell_home_of(&self, worker: WorkerId, body: head_to_node::Body, out: &mut Out) {
        if let Some(node) = self.nodes.of_worker(worker) {
            Self::tell(node, body, out);
        }
    }
}
