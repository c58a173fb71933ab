//! Placement groups are wanted and removed.

use crate::lease::{Lease, Purpose, Refusal};
use crate::queue::Waiting;
use crate::worker::Life;
use crate::{Effect, GroupRequest, LeaseId, Node, PLAIN, StopReason};
use trygon_ids::{PlacementGroupId, WorkerId};
use trygon_placement::Demand;
use trygon_resources::ResourceSet;

impl Node {
    /// The group joins its creator's line: it is served in turn with leases, and reserved as a whole.
    pub(crate) fn on_group_wanted(&mut self, now_ms: u64, request: GroupRequest) {
        let GroupRequest { group, owner, bundles, apart, labels, name } = request;
        // Asked for twice it is the same group: a second reservation would take the place of the first, and what that holds be lost.
        let is_it = |purpose: &Purpose| matches!(purpose, Purpose::Group { group: other, .. } if *other == group);
        if self.groups.contains_key(&group) || self.queue.iter().any(|(_, waiting)| is_it(&waiting.purpose)) {
            return;
        }
        let mut amounts = ResourceSet::new();
        bundles.iter().for_each(|bundle| amounts.add(bundle));
        let demand = Demand { labels, ..Demand::plain(amounts) };
        let purpose = Purpose::Group { group, bundles, apart };
        let waiting = Waiting::new(group.job_id(), purpose, demand, 1, now_ms).of(0, name, PLAIN);
        self.queue.push(owner, waiting);
    }

    /// GROUP-2: nothing of a group outlives it; what waits for it is refused, what runs in it is ended.
    pub(crate) fn on_group_removed(&mut self, group: PlacementGroupId, effects: &mut Vec<Effect>) {
        self.queue.cancel_group(group);
        for (owner, waiting) in self.queue.take_of_group(group) {
            let message = format!("{} waited in placement group {group}, which was removed", waiting.name);
            self.refuse(owner, &waiting, Refusal::GroupRemoved, message, effects);
        }
        let is_inside = |lease: &Lease| lease.held.bundle.is_some_and(|(of, _)| of == group);
        let inside: Vec<(LeaseId, WorkerId)> =
            self.leases.iter().filter(|(_, lease)| is_inside(lease)).map(|(id, lease)| (*id, lease.worker)).collect();
        if self.defects.group_outlived {
            self.groups.remove(&group);
            return;
        }
        for (lease, worker) in inside {
            self.workers.insert(worker, Life::Exiting { lease: Some(lease) });
            effects.push(Effect::StopWorker { worker, reason: StopReason::GroupRemoved });
        }
        self.dissolve(group);
    }

    /// Why a request cannot be met by this node, whatever ends: then it is refused at once.
    pub(crate) fn refusal(&self, demand: &Demand) -> Option<String> {
        let wanted = demand.node.as_ref()?;
        if *wanted != self.options.node_id && self.cluster.number.is_some() {
            return self.refusal_elsewhere(demand, wanted);
        }
        if *wanted != self.options.node_id {
            return Some(format!("node {wanted}, which it is bound to (soft=False), does not exist"));
        }
        let total = trygon_placement::describe(&self.ledger.total);
        (!self.is_feasible(demand)).then(|| {
            format!("it needs {}, more than the node has that it is bound to (soft=False): {total}", demand.describe())
        })
    }
}

impl Node {
    /// The same of what is bound to another node. One that was never heard of may be about to join.
    fn refusal_elsewhere(&self, demand: &Demand, wanted: &str) -> Option<String> {
        let node = trygon_placement::node_id(wanted);
        if node.is_none_or(|node| self.cluster.view.is_gone(node)) {
            return Some(format!("node {wanted}, which it is bound to (soft=False), does not exist"));
        }
        let seat = node.and_then(|node| self.cluster.view.get(node))?;
        let could = seat.whole_room(&demand.named_amounts(), 1) > 0 && seat.has_labels(demand.labels.as_deref());
        let total = trygon_placement::describe(&seat.state.total);
        (!could && demand.part.is_none()).then(|| {
            format!("it needs {}, more than the node has that it is bound to (soft=False): {total}", demand.describe())
        })
    }
}

/// What tells an owner that its request will never be met.
pub(crate) fn refused(owner: WorkerId, purpose: &Purpose, refusal: Refusal, message: String) -> Effect {
    match purpose {
        Purpose::Tasks { request_id } => Effect::LeaseRefused { owner, request_id: *request_id, refusal, message },
        Purpose::Actor { actor, .. } => Effect::ActorRefused { actor: *actor, refusal, message },
        Purpose::Group { group, .. } => Effect::GroupWaits { group: *group, message },
    }
}
