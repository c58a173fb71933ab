//! What the simulator sees and sets of the head.

use crate::head::Head;
use crate::head::defects::HeadDefects;
use crate::head::plan::{Answer, Plan};
use trygon_control_core::{Actors, PlacementGroups};
use trygon_ids::{ActorId, JobId, NodeId, PlacementGroupId};

/// What the simulator sees and sets.
#[doc(hidden)]
impl Head {
    /// Remembers so few actors and groups that are over, and has planted defects. A head that is restored has neither.
    pub fn plant(&mut self, most_remembered: usize, defects: HeadDefects) {
        self.defects = defects;
        self.actors.plant(most_remembered, defects.actors);
        self.groups.plant(most_remembered, defects.groups);
    }

    /// Every actor.
    pub fn actor_table(&self) -> &Actors {
        &self.actors
    }

    /// Every placement group.
    pub fn group_table(&self) -> &PlacementGroups {
        &self.groups
    }

    /// Where the bundles of a group are that may be used.
    pub fn held_bundles(&self, group: PlacementGroupId) -> Vec<(usize, NodeId)> {
        self.plans.get(&group).map(|plan| plan.held().collect()).unwrap_or_default()
    }

    /// The nodes that are asked for bundles of a group and have not answered.
    pub fn asked_for(&self, group: PlacementGroupId) -> Vec<NodeId> {
        let asked = self.plans.get(&group).into_iter().flat_map(|plan| &plan.asked);
        asked.filter(|(_, answer)| **answer == Answer::Open).map(|(node, _)| *node).collect()
    }

    /// Whether a node holds, or is to hold, bundles of a group by this attempt.
    pub fn counts_on(&self, group: PlacementGroupId, node: NodeId, attempt: u32) -> bool {
        let is_asked = |plan: &Plan| plan.attempt == attempt && plan.asked.contains_key(&node);
        self.plans.get(&group).is_some_and(|plan| plan.holds(node, attempt) || is_asked(plan))
    }

    /// The node that looks for a worker for an actor.
    pub fn looks_for(&self, actor: ActorId) -> Option<NodeId> {
        self.placing.get(&actor).map(|placing| placing.node)
    }

    /// Jobs whose drivers live.
    pub fn running_jobs(&self) -> Vec<JobId> {
        self.jobs.keys().copied().collect()
    }

    /// Whether a node takes new work.
    pub fn takes_work(&self, node: NodeId) -> bool {
        self.nodes.by_id.get(&node).is_some_and(|entry| entry.takes_work())
    }
}
