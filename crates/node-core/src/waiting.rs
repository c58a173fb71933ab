//! What waits and why, for people who ask.

use crate::Node;
use trygon_ids::{NodeId, WorkerId};
use trygon_placement::{Demand, NodeState};
use trygon_resources::ResourceSet;

/// A request that waits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WaitingView {
    /// Who asked.
    pub owner: WorkerId,
    /// What is to run.
    pub name: String,
    /// How many of it.
    pub count: u32,
    /// What one of it needs, as people read it.
    pub needs: String,
    /// Why it waits.
    pub why: &'static str,
}

impl Node {
    /// Every request that waits.
    pub fn waiting_views(&self) -> Vec<WaitingView> {
        let view = |owner: WorkerId, waiting: &crate::queue::Waiting| {
            let why = if waiting.demand.part.is_some() {
                "its placement group has no room for it now"
            } else if !self.is_feasible(&waiting.demand) {
                "no node has so much"
            } else if !self.prepared.contains(&waiting.environment) {
                "its runtime environment is being prepared"
            } else {
                "others use what it needs"
            };
            let (name, needs) = (waiting.name.clone(), waiting.demand.describe());
            WaitingView { owner, name, count: waiting.left, needs, why }
        };
        self.queue.iter().map(|(place, waiting)| view(place.owner, waiting)).collect()
    }
}

impl Node {
    /// Why it waits for what has these names: a sentence when no node has so much, and of each node what it lacks or what is in use. `own` is
    /// this node.
    pub fn judge(&self, own: NodeId, named: &ResourceSet) -> (Option<String>, Vec<(NodeId, String)>) {
        let demand = Demand::parse(named);
        let state = NodeState {
            node: own,
            number: 0,
            total: self.total_by_name(),
            free: self.free_by_name(),
            labels: self.options.labels.clone(),
            is_draining: self.cluster.is_draining,
            queued: 0,
        };
        let never = (!self.is_feasible(&demand))
            .then(|| self.cluster.view.explain(&demand, &[(&self.ledger.total, &self.options.labels)]));
        (never, self.cluster.view.judge(&demand, &[state]))
    }
}

/// A request as it stands in the queue, for whoever checks in which order leases are granted.
#[doc(hidden)]
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct QueuedView {
    /// Who asked.
    pub owner: WorkerId,
    /// Its number: requests are numbered in the order in which they came.
    pub ticket: u64,
    /// The owner's number for it; `None` for an actor or a placement group.
    pub request_id: Option<u64>,
    /// Its job.
    pub job: trygon_ids::JobId,
    /// What one of it needs.
    pub demand: Demand,
    /// What it is to run in.
    pub environment: crate::EnvironmentId,
    /// Leases that are wanted of this node.
    pub here: u32,
    /// 0, or how deep it is nested and 1, when its owner is a blocked worker (QUEUE-1).
    pub rank: u32,
}

impl Node {
    /// Every request that waits, owners in the order of their turns.
    #[doc(hidden)]
    pub fn queued_views(&self) -> Vec<QueuedView> {
        let view = |(place, waiting): (crate::queue::Place, &crate::queue::Waiting)| QueuedView {
            owner: place.owner,
            ticket: waiting.ticket,
            request_id: match waiting.purpose {
                crate::lease::Purpose::Tasks { request_id } => Some(request_id),
                _ => None,
            },
            job: waiting.job,
            demand: waiting.demand.clone(),
            environment: waiting.environment,
            here: waiting.here(),
            rank: if self.is_blocked(place.owner) { waiting.depth.saturating_add(1) } else { 0 },
        };
        self.queue.iter().map(view).collect()
    }

    /// Whether resources are held for a request that has waited for long (FAIR-1).
    #[doc(hidden)]
    pub fn is_holding(&self) -> bool {
        self.hold.is_some()
    }
}
