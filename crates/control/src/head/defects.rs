//! Rules that a test takes away, to see that the simulator notices; and what it sees of the head. All defects are off in a program that works.

use crate::head::Head;
use crate::head::plan::{Answer, Plan};
use trygon_control_core::{ActorDefects, Actors, GroupDefects, PlacementGroups};
use trygon_ids::{ActorId, JobId, NodeId, PlacementGroupId};

/// Planted defects.
#[doc(hidden)]
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct HeadDefects {
    /// Of actors.
    pub actors: ActorDefects,
    /// Of placement groups.
    pub groups: GroupDefects,
    /// PLACE-3: a group outlives its job.
    pub job_outlived: bool,
    /// BACK-1: processes that a node that comes back does not name are believed in.
    pub missing_believed: bool,
    /// BACK-1: bundles that nobody knows of stay on a node that comes back.
    pub unknown_kept: bool,
    /// BACK-2: a node that comes back is not asked again for workers of actors.
    pub asked_once: bool,
    /// BACK-2: a node that comes back is not asked again for bundles.
    pub prepared_once: bool,
    /// BACK-2: a node that comes back is not told again that bundles may be used.
    pub committed_once: bool,
    /// BACK-2: a node that comes back is not told again that an actor runs.
    pub told_once: bool,
    /// GROUP-4: bundles are used when the first node holds its own.
    pub commits_early: bool,
    /// GROUP-5: what an attempt that failed held does not go back.
    pub attempt_kept: bool,
    /// GROUP-5: an answer that comes late is not answered.
    pub late_kept: bool,
    /// GROUP-6: bundles of a node that is gone are not placed again.
    pub bundles_lost: bool,
    /// SEAT-1: a worker is taken whoever found it.
    pub any_seat: bool,
    /// SEAT-1: a second worker of an actor is not ended.
    pub second_kept: bool,
    /// SEAT-2: an actor stays where it waits.
    pub never_moves: bool,
    /// HEAR-1: what is said again is taken in again.
    pub heard_twice: bool,
    /// HEAR-1: what is said again is not answered again.
    pub answered_once: bool,
    /// VIEW-1: what is asked for actors does not count.
    pub asked_free: bool,
    /// VIEW-1: what a node is not to do any more still counts.
    pub unasked_counts: bool,
    /// VIEW-2: a node that is gone is picked.
    pub gone_picked: bool,
    /// VIEW-2: a node that drains is picked.
    pub drains_picked: bool,
}

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
