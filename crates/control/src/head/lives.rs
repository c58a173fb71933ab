//! Notes in the history what became of an actor or a group: read from its state after whatever may have changed that.

use crate::head::Head;
use crate::head::history::What;
use trygon_control_core::{ActorState, GroupState};
use trygon_ids::{ActorId, PlacementGroupId};

impl Head {
    /// Notes how an actor is now, if that is new.
    pub(super) fn note_actor(&mut self, actor: ActorId) {
        let Some(entry) = self.actors.get(actor) else {
            return;
        };
        let what = match &entry.state {
            ActorState::Pending { restart: None } => What::Began,
            ActorState::Pending { restart: Some(death) } => What::Again(said(&death.message, &death.kind)),
            ActorState::Constructing { worker, .. } => match self.nodes.of_worker(*worker) {
                Some(node) => What::PlacedOn(node),
                None => return,
            },
            ActorState::Alive { .. } => What::Runs,
            ActorState::Dead { death, .. } => What::Ended(said(&death.message, &death.kind)),
        };
        self.history.of_actor(self.now_us, actor, what);
    }

    /// The same for a group. `why` is said of what it has lost.
    pub(super) fn note_group(&mut self, group: PlacementGroupId, why: &str) {
        let Some(entry) = self.groups.get(group) else {
            return;
        };
        let first = self.plans.get(&group).and_then(|plan| plan.held().next()).map(|(_, node)| node);
        let node = self.group_node.get(&group).copied().or(first);
        let what = match entry.state {
            GroupState::Pending { .. } if entry.reserved_us == 0 => What::Began,
            GroupState::Pending { .. } => What::Again(why.into()),
            GroupState::Created => node.map_or(What::Runs, What::PlacedOn),
            GroupState::Removed => {
                What::Ended("remove_placement_group() was called, or its job or its actor ended".into())
            }
        };
        self.history.of_group(self.now_us, group, what);
    }
}

fn said(message: &str, kind: &str) -> Box<str> {
    if message.is_empty() { kind.into() } else { message.into() }
}
