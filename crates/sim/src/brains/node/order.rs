//! QUEUE-1 from outside: to whom a lease was granted, and who waited for the same.

use std::collections::BTreeMap;
use trygon_ids::{ActorId, PlacementGroupId, WorkerId};
use trygon_node_core::{Effect, LeaseId, Node, QueuedView};

/// Whose turn it is, and what was asked.
#[derive(Debug, Default)]
pub(super) struct Order {
    /// Owners of what waits: whoever got something goes to the end.
    turns: Vec<WorkerId>,
    /// Requests for tasks, by owner and number, as they were when they were asked.
    asked: BTreeMap<(WorkerId, u64), QueuedView>,
    pub(super) actors: BTreeMap<ActorId, WorkerId>,
    pub(super) groups: BTreeMap<PlacementGroupId, WorkerId>,
}

/// What was so before an event.
#[derive(Debug)]
pub(super) struct Before {
    queue: Vec<QueuedView>,
    working: Vec<(WorkerId, LeaseId)>,
    is_holding: bool,
}

/// Whether two requests want the same, for the same job.
fn is_alike(left: &QueuedView, right: &QueuedView) -> bool {
    left.job == right.job && left.environment == right.environment && left.demand == right.demand
}

/// Workers that have a lease.
fn working(node: &Node) -> Vec<(WorkerId, LeaseId)> {
    node.lease_views().into_iter().map(|lease| (lease.worker, lease.lease)).collect()
}

impl Order {
    pub(super) fn before(&self, node: &Node) -> Before {
        Before { queue: node.queued_views(), working: working(node), is_holding: node.is_holding() }
    }

    /// A request for tasks.
    pub(super) fn ask(&mut self, view: QueuedView) {
        if let Some(request_id) = view.request_id {
            if !self.turns.contains(&view.owner) {
                self.turns.push(view.owner);
            }
            self.asked.insert((view.owner, request_id), view);
        }
    }

    /// What the node did with one event.
    pub(super) fn check(&mut self, mut before: Before, node: &Node, effects: &[Effect]) -> Result<(), String> {
        let after = node.queued_views();
        let blocked: Vec<WorkerId> =
            node.lease_views().into_iter().filter(|lease| lease.blocked).map(|lease| lease.worker).collect();
        let is_calm = !before.is_holding
            && !node.is_holding()
            && !effects.iter().any(|effect| matches!(effect, Effect::Revoke { .. }));
        let still = working(node);
        before.working.retain(|working| still.contains(working));
        for effect in effects {
            let owner = match effect {
                Effect::Grant { owner, request_id, .. } => {
                    let Some(asked) = self.asked.get(&(*owner, *request_id)) else {
                        return Err(format!("LEASE-4: request {request_id} of {owner} was never made"));
                    };
                    let rank = if blocked.contains(owner) { asked.rank } else { 0 };
                    self.check_grant(asked, rank, &before, &after, is_calm)?;
                    Some(*owner)
                }
                Effect::ActorPlaced { actor, .. } => self.actors.get(actor).copied(),
                Effect::GroupReserved { group } => self.groups.get(group).copied(),
                _ => None,
            };
            if let Some(owner) = owner {
                self.turns.retain(|other| *other != owner);
                self.turns.push(owner);
            }
        }
        self.turns.retain(|owner| after.iter().any(|view| view.owner == *owner));
        for view in &after {
            if !self.turns.contains(&view.owner) {
                self.turns.push(view.owner);
            }
        }
        Ok(())
    }

    /// Who waits for the same when all is done was passed over: nobody of a higher rank may be, nor of the same whose turn came first.
    fn check_grant(
        &self,
        granted: &QueuedView,
        rank: u32,
        before: &Before,
        after: &[QueuedView],
        is_calm: bool,
    ) -> Result<(), String> {
        let turn = |owner: &WorkerId| self.turns.iter().position(|other| other == owner);
        for waiting in after.iter().filter(|waiting| waiting.request_id.is_some() && waiting.here > 0) {
            if !is_alike(waiting, granted) || waiting.owner == granted.owner {
                continue;
            }
            if waiting.rank > rank {
                return Err(format!(
                    "QUEUE-1: {} got a lease with rank {rank}, and {} waits for the same with rank {}",
                    granted.owner, waiting.owner, waiting.rank
                ));
            }
            // A worker that was idle, if only for a moment, may be the only one, and cannot be its own.
            let is_worker = waiting.owner.as_bytes()[20..].iter().any(|byte| *byte != 0);
            let was_idle = is_worker && before.working.iter().all(|(worker, _)| *worker != waiting.owner);
            let waited = before.queue.iter().any(|view| view.ticket == waiting.ticket && view.here > 0);
            if is_calm && waited && !was_idle && waiting.rank == rank && turn(&waiting.owner) < turn(&granted.owner) {
                return Err(format!(
                    "QUEUE-1: {} got a lease, and it was the turn of {}, which waits for the same",
                    granted.owner, waiting.owner
                ));
            }
        }
        Ok(())
    }
}
