//! Leases are asked for and given back.

use crate::lease::{Lease, Purpose, Refusal};
use crate::on_group::refused;
use crate::on_memory_pressure::memory_limit;
use crate::queue::Waiting;
use crate::worker::Life;
use crate::{Effect, LeaseId, LeaseRequest, Node};
use trygon_ids::WorkerId;
use trygon_placement::Demand;

impl Node {
    /// A request joins its owner's line, unless it can never be met.
    pub(crate) fn on_lease_requested(&mut self, now_ms: u64, request: LeaseRequest, effects: &mut Vec<Effect>) {
        if request.count == 0 {
            return;
        }
        let purpose = Purpose::Tasks { request_id: request.request_id };
        let LeaseRequest { owner, job, resources, count, depth, name, environment, .. } = request;
        let demand = Demand::parse(&resources);
        if let Some(why) = self.refusal(&demand) {
            let message = format!("{name} cannot be scheduled: {why}");
            effects.push(refused(owner, &purpose, Refusal::Unschedulable, message));
            return;
        }
        self.queue.push(owner, Waiting::new(job, purpose, demand, count, now_ms).of(depth, name, environment));
    }

    /// LEASE-2: a lease that ended before, or that is another's, is left alone.
    pub(crate) fn on_lease_returned(&mut self, now_ms: u64, owner: WorkerId, lease: LeaseId, worker_exiting: bool) {
        let is_theirs = |lease: &&Lease| lease.owner == owner && matches!(lease.purpose, Purpose::Tasks { .. });
        let Some(worker) = self.leases.get(&lease).filter(is_theirs).map(|lease| lease.worker) else {
            return;
        };
        self.end_lease(lease);
        if self.defects.ended_held {
            return;
        }
        let Some(life) = self.workers.get_mut(&worker) else {
            return;
        };
        if worker_exiting || matches!(life, Life::Exiting { .. }) {
            *life = Life::Exiting { lease: None };
        } else {
            *life = Life::Idle { since_ms: now_ms };
            self.idle.push_back(worker);
            if self.defects.idle_twice {
                self.idle.push_back(worker);
            }
        }
    }

    /// Takes a lease off the books. The worker's life is the caller's to change.
    pub(crate) fn end_lease(&mut self, lease: LeaseId) -> Option<Lease> {
        let (id, lease) = (lease, self.leases.remove(&lease)?);
        if memory_limit(&lease.held.amounts).is_some() {
            self.lifted_limits.push((lease.worker, id));
        }
        if !self.defects.held_kept {
            self.release(&lease.held);
        }
        if let Some(lent) = lease.lent
            && let Some(books) = self.books(lease.held.bundle)
        {
            // What it holds went back as a whole, and what it lent had gone back before.
            books.take_back_cpus(lent);
        }
        Some(lease)
    }
}
