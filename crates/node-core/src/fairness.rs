//! FAIR-1: a request that fits the node is overtaken for a bounded time.
//!
//! Small requests find room more often than large ones, and an owner with endless work never gives a lease back. So a request that has
//! waited long enough has resources held for it: nothing that came later takes of them, and leases of tasks are taken back, the
//! oldest first, until there will be enough. Children of blocked workers are let through, for others wait for them.
//!
//! What runs may itself wait for what is held back, by ways that nobody here can see. So a hold ends after a while, and the next one for
//! the same request lasts twice as long.

use crate::hold::{Hold, MAX_HOLD_MS, patient_until_ms};
use crate::lease::{Lease, Purpose};
use crate::{Effect, Node};
use trygon_ids::{JobId, WorkerId};
use trygon_placement::Demand;
use trygon_resources::{Amount, ResourceSet};

impl Node {
    /// Ends a hold whose time is over, and begins one for the first request whose patience is.
    pub(crate) fn update_hold(&mut self, now_ms: u64, effects: &mut Vec<Effect>) {
        // Also while there is a hold: whoever is not noted as aged is waited for, and its time would be over for ever.
        self.queue.iter_mut().for_each(|(_, waiting)| waiting.is_aged |= waiting.patient_until_ms <= now_ms);
        if let Some(hold) = &self.hold {
            let ticket = hold.ticket;
            let is_over = hold.until_ms <= now_ms;
            match self.queue.with_ticket(ticket) {
                Some(_) if !is_over => return,
                Some(waiting) => {
                    waiting.hold_ms = (waiting.hold_ms * 2).min(MAX_HOLD_MS);
                    waiting.patient_until_ms = patient_until_ms(now_ms);
                    waiting.is_aged = false;
                }
                None => {}
            }
            self.hold = None;
        }
        let mut aged: Vec<(u64, WorkerId)> = Vec::new();
        for (owner, waiting) in self.queue.iter_mut() {
            let has_workers = self.prepared.contains(&waiting.environment);
            if waiting.is_aged && !waiting.told && has_workers && waiting.here() > 0 && !waiting.is_passing() {
                aged.push((waiting.ticket, owner));
            }
        }
        aged.sort_unstable();
        for (ticket, owner) in aged {
            if self.begin_hold(now_ms, ticket, owner, effects) {
                return;
            }
        }
    }

    /// Holds resources for a request, if what is held by tasks would do. Actors and groups may stay for ever: nothing is held for those
    /// who would have to wait for them.
    fn begin_hold(&mut self, now_ms: u64, ticket: u64, owner: WorkerId, effects: &mut Vec<Effect>) -> bool {
        let Some(waiting) = self.queue.with_ticket(ticket) else {
            return false;
        };
        let (demand, hold_ms, environment) = (waiting.demand.clone(), waiting.hold_ms, waiting.environment);
        let (job, is_of_tasks) = (waiting.job, matches!(waiting.purpose, Purpose::Tasks { .. }));
        if !self.could_stay(&demand) {
            return false;
        }
        let mut coming = match &demand.part {
            None => self.ledger.free.clone(),
            Some(part) => match self.largest_bundle(part, &demand.amounts) {
                Some(free) => free,
                None => return false,
            },
        };
        let mut taken_back = Vec::new();
        let may_take_all = !self.shares.is_shared();
        for (id, lease) in &self.leases {
            if coming.covers(&demand.amounts) {
                break;
            }
            let is_inside = match (&demand.part, lease.held.bundle) {
                (None, None) => true,
                (Some(part), Some((group, index))) => {
                    part.group == group && part.bundle.is_none_or(|wanted| wanted as usize == index)
                }
                _ => false,
            };
            let is_same =
                lease.owner == owner && lease.environment == environment && lease.held.amounts == demand.amounts;
            // What other jobs hold is FAIR-2's to take back.
            let is_theirs = may_take_all || lease.job == job;
            if is_inside && !is_same && is_theirs && may_come_back(lease) {
                coming.add(&lease.held.amounts);
                taken_back.push(*id);
            }
        }
        let comes =
            coming.covers(&demand.amounts) || (!may_take_all && self.may_come(job, &demand, coming, is_of_tasks));
        if taken_back.is_empty() || !comes || self.defects.never_held {
            return false;
        }
        let asked = taken_back.into_iter().filter(|_| !self.defects.hold_unasked);
        asked.collect::<Vec<_>>().into_iter().for_each(|id| self.revoke(id, effects));
        let until_ms = now_ms + hold_ms;
        self.hold = Some(Hold { ticket, job, until_ms, amounts: demand.amounts, part: demand.part });
        true
    }

    /// Whether the rest may come from other jobs: the request is too large for what its own job runs, which falls behind while that is
    /// held back, until the others have to give (FAIR-2).
    fn may_come(&self, job: JobId, demand: &Demand, mut coming: ResourceSet, is_of_tasks: bool) -> bool {
        if demand.part.is_some() || !(is_of_tasks || self.is_due(job, &demand.amounts, is_of_tasks)) {
            return false;
        }
        let others = self.leases.values().filter(|lease| lease.job != job && lease.held.bundle.is_none());
        others.filter(|lease| may_come_back(lease)).for_each(|lease| coming.add(&lease.held.amounts));
        coming.covers(&demand.amounts)
    }

    /// What is free in the bundle where most is missing least: with several that could serve, the one with the most room.
    fn largest_bundle(&self, part: &trygon_placement::GroupPart, amounts: &ResourceSet) -> Option<ResourceSet> {
        let bundles = self.groups.get(&part.group)?;
        let wanted = bundles.iter().filter(|(index, bundle)| {
            part.bundle.is_none_or(|wanted| wanted as usize == **index) && bundle.ledger.is_feasible(amounts)
        });
        let room = |free: &ResourceSet| -> Amount {
            amounts.iter().fold(Amount::ZERO, |sum, (name, amount)| sum + free.get(name).min(amount))
        };
        wanted.map(|(_, bundle)| bundle.ledger.free.clone()).max_by_key(|free| room(free))
    }

    /// A lease of the request was granted: it may be overtaken again for a while.
    pub(crate) fn forget_hold(&mut self, ticket: u64) {
        if self.hold.as_ref().is_some_and(|hold| hold.ticket == ticket) {
            self.hold = None;
        }
    }
}

/// Whether a lease could be taken back: one of tasks that run. More of the same is no reason to take it.
fn may_come_back(lease: &Lease) -> bool {
    matches!(lease.purpose, Purpose::Tasks { .. }) && lease.lent.is_none()
}
