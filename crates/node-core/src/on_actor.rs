//! Actors ask for a worker of their own, and start to run there.

use crate::lease::{Purpose, Refusal};
use crate::on_group::refused;
use crate::on_memory_pressure::memory_limit;
use crate::queue::Waiting;
use crate::{ActorRequest, Effect, Node};
use trygon_ids::WorkerId;
use trygon_placement::Demand;
use trygon_resources::ResourceSet;

impl Node {
    /// The actor joins its creator's line, with whatever it needs at any time.
    pub(crate) fn on_actor_wanted(&mut self, now_ms: u64, request: ActorRequest, effects: &mut Vec<Effect>) {
        let ActorRequest { actor, incarnation, owner, placement, lifetime, depth, name, environment } = request;
        let demand = Demand::parse(&larger_of_each(&placement, &lifetime));
        let purpose = Purpose::Actor { actor, incarnation, lifetime };
        if let Some(why) = self.refusal(&demand) {
            let message = format!("{name} cannot be scheduled: {why}");
            effects.push(refused(owner, &purpose, Refusal::Unschedulable, message));
            return;
        }
        self.queue.push(owner, Waiting::new(actor.job_id(), purpose, demand, 1, now_ms).of(depth, name, environment));
    }

    /// The constructor is done: what was only needed to place the actor is free again.
    pub(crate) fn on_actor_running(&mut self, worker: WorkerId) {
        let Some(lease) = self.workers.get(&worker).and_then(|life| life.lease()) else {
            return;
        };
        let Some(lease) = self.leases.get_mut(&lease) else {
            return;
        };
        let Purpose::Actor { lifetime, .. } = &lease.purpose else {
            return;
        };
        let keep = Demand::parse(lifetime).amounts;
        let (lent, mut held) = (lease.lent.take(), std::mem::take(&mut lease.held));
        let was_limited = memory_limit(&held.amounts).is_some();
        let id = self.workers.get(&worker).and_then(|life| life.lease());
        if let Some(books) = self.books(held.bundle) {
            if let Some(lent) = lent {
                books.take_back_cpus(lent);
            }
            books.shrink(&mut held, &keep);
        }
        if let Some(id) = id.filter(|_| was_limited && memory_limit(&held.amounts).is_none()) {
            // The memory was for the constructor only.
            self.lifted_limits.push((worker, id));
        }
        if let Some(lease) = id.and_then(|id| self.leases.get_mut(&id)) {
            lease.held = held;
        }
    }
}

fn larger_of_each(left: &ResourceSet, right: &ResourceSet) -> ResourceSet {
    let mut larger = left.clone();
    for (name, amount) in right.iter() {
        larger.set(name, amount.max(left.get(name)));
    }
    larger
}
