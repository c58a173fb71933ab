//! Actors ask for a worker of their own, and start to run there.

use crate::lease::Purpose;
use crate::queue::Waiting;
use crate::{ActorRequest, Node};
use trygon_ids::WorkerId;
use trygon_resources::ResourceSet;

impl Node {
    /// The actor joins its creator's line, with whatever it needs at any time.
    pub(crate) fn on_actor_wanted(&mut self, request: ActorRequest) {
        let ActorRequest { actor, incarnation, owner, placement, lifetime, depth, name, environment } = request;
        let resources = larger_of_each(&placement, &lifetime);
        let purpose = Purpose::Actor { actor, incarnation, lifetime };
        let waiting = Waiting { purpose, resources, left: 1, depth, name, environment, told: false, planned: 0 };
        self.queue.push(owner, waiting);
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
        if let Some(lent) = lease.lent.take() {
            self.ledger.take_back_cpus(lent);
        }
        self.ledger.shrink(&mut lease.held, lifetime);
    }
}

fn larger_of_each(left: &ResourceSet, right: &ResourceSet) -> ResourceSet {
    let mut larger = left.clone();
    for (name, amount) in right.iter() {
        larger.set(name, amount.max(left.get(name)));
    }
    larger
}
