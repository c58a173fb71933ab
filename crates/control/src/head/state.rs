//! What the head knows.

use crate::head::node_table::Nodes;
use crate::head::questions::Early;
use std::collections::BTreeMap;
use trygon_control_core::{Actors, Functions, KeyValues, PlacementGroups};
use trygon_ids::{ActorId, JobId, NodeId, PlacementGroupId, WorkerId};
use trygon_proto::v1::{HeadToNode, StartJob, ToProcess, head_to_node, to_process};

/// Messages for nodes, in order.
pub type Out = Vec<(NodeId, HeadToNode)>;

/// Everything the head knows.
#[derive(Debug, Default, serde::Serialize, serde::Deserialize)]
pub struct Head {
    pub(super) now_us: u64,
    pub(super) nodes: Nodes,
    pub(super) actors: Actors,
    pub(super) groups: PlacementGroups,
    pub(super) functions: Functions,
    pub(super) key_values: KeyValues,
    /// Jobs that run, with what their drivers said.
    #[serde(with = "crate::head::messages::by_key")]
    pub(super) jobs: BTreeMap<JobId, StartJob>,
    pub(super) next_job: u32,
    /// The job that created an actor.
    pub(super) job_of_actor: BTreeMap<ActorId, JobId>,
    /// The node that looks for a worker for an actor.
    pub(super) placing: BTreeMap<ActorId, NodeId>,
    /// Actors that wait for a node that can have them.
    pub(super) homeless: Vec<ActorId>,
    /// Process ids of workers that have actors.
    pub(super) pids: BTreeMap<WorkerId, u32>,
    /// The job that created a group.
    pub(super) job_of_group: BTreeMap<PlacementGroupId, JobId>,
    /// The node of a group's bundles.
    pub(super) group_node: BTreeMap<PlacementGroupId, NodeId>,
    /// Groups that no node can hold now.
    pub(super) homeless_groups: Vec<PlacementGroupId>,
    /// Not kept over a restart: those who asked ask again.
    #[serde(skip)]
    pub(super) early: Early,
}

impl Head {
    /// A head of nobody yet.
    pub fn new() -> Self {
        Self { next_job: 1, ..Self::default() }
    }

    /// Everything but open questions, as bytes.
    pub fn snapshot(&self) -> Result<Vec<u8>, String> {
        postcard::to_stdvec(self).map_err(|error| format!("the head's state cannot be written: {error}"))
    }

    /// The head that a snapshot was made of.
    pub fn restore(snapshot: &[u8]) -> Result<Self, String> {
        postcard::from_bytes(snapshot).map_err(|error| format!("the head's state cannot be read: {error}"))
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
