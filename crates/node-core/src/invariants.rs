//! The laws of `lib.rs`, checked on the whole state.

use crate::lease::Purpose;
use crate::ledger::CPU;
use crate::queue::Waiting;
use crate::worker::Life;
use crate::{LeaseId, Node};
use std::collections::{BTreeMap, BTreeSet};
use trygon_ids::NodeId;
use trygon_resources::{Amount, ResourceSet};

impl Node {
    /// Says which law is broken, if one is. Costs a walk over everything: for tests and the simulator.
    pub fn sanity_check(&self) -> Result<(), String> {
        self.check_leases()?;
        self.check_ledger()?;
        self.check_devices()?;
        self.check_abroad()?;
        self.check_pool()?;
        self.check_shares()
    }

    /// FAIR-2: what is asked back for others are leases of tasks, each once, and what some jobs are behind with others are ahead.
    fn check_shares(&self) -> Result<(), String> {
        self.shares.check()?;
        if !self.shares.is_shared() && !self.claims.0.is_empty() {
            return Err("FAIR-2: a job that is alone takes from others".to_owned());
        }
        let mut asked: BTreeSet<LeaseId> = BTreeSet::new();
        for claim in &self.claims.0 {
            for id in &claim.leases {
                let Some(lease) = self.leases.get(id) else {
                    continue;
                };
                let is_of_tasks = matches!(lease.purpose, Purpose::Tasks { .. });
                if !is_of_tasks || !lease.revoked || lease.job == claim.job || !asked.insert(*id) {
                    return Err(format!("FAIR-2: lease {id} is not to be taken back for job {}", claim.job));
                }
            }
        }
        Ok(())
    }

    fn check_leases(&self) -> Result<(), String> {
        if self.workers.keys().any(|worker| !self.environment_of.contains_key(worker))
            || self.environment_of.len() != self.workers.len()
        {
            return Err("ENV-1: it is not known what a worker runs in".to_owned());
        }
        for (id, lease) in &self.leases {
            if self.workers.get(&lease.worker).and_then(|life| life.lease()) != Some(*id) {
                return Err(format!("LEASE-1: lease {id} is not its worker's lease"));
            }
            if self.environment_of(lease.worker) != lease.environment {
                return Err(format!("ENV-1: the worker of lease {id} runs in another environment"));
            }
        }
        let held = self.workers.values().filter_map(|life| life.lease()).collect::<Vec<_>>();
        match held.iter().find(|lease| !self.leases.contains_key(lease)) {
            Some(lease) => Err(format!("LEASE-2: a worker holds lease {lease}, which ended")),
            None => Ok(()),
        }
    }

    fn check_ledger(&self) -> Result<(), String> {
        let in_groups = self.groups.iter().flat_map(|(group, bundles)| {
            bundles.iter().map(|(index, bundle)| (Some((*group, *index)), &bundle.ledger))
        });
        for (bundle, ledger) in in_groups.chain(std::iter::once((None, &self.ledger))) {
            let mut sum = ledger.free.clone();
            let mut lent = Amount::ZERO;
            for lease in self.leases.values().filter(|lease| lease.held.bundle == bundle) {
                sum.add(&lease.held.amounts);
                lent = lent + lease.lent.unwrap_or(Amount::ZERO);
            }
            if bundle.is_none() {
                self.groups.values().flatten().for_each(|(_, bundle)| sum.add(&bundle.held.amounts));
            }
            sum.set(CPU, sum.get(CPU) - lent);
            if sum != ledger.total {
                let law = if bundle.is_some() { "GROUP-1" } else { "LEDGER-1" };
                return Err(format!("{law}: {sum:?} is not {:?} in {bundle:?}", ledger.total));
            }
        }
        let gone = |lease: &&crate::lease::Lease| {
            lease.held.bundle.is_some_and(|(group, index)| {
                !self.groups.get(&group).is_some_and(|bundles| bundles.contains_key(&index))
            })
        };
        match self.leases.values().find(gone) {
            Some(lease) => Err(format!("GROUP-2: {} runs in a group that is gone", lease.name)),
            None => Ok(()),
        }
    }

    fn check_devices(&self) -> Result<(), String> {
        for (name, instances) in &self.ledger.instances {
            let mut sum = instances.clone();
            let of_node = self.leases.values().filter(|lease| lease.held.bundle.is_none()).map(|lease| &lease.held);
            let of_bundles = self.groups.values().flatten().map(|(_, bundle)| &bundle.held);
            for (index, share) in of_node.chain(of_bundles).flat_map(|held| held.shares.get(name).into_iter().flatten())
            {
                sum[*index as usize] = sum[*index as usize] + *share;
            }
            if instances.iter().any(|free| *free < Amount::ZERO) || sum.iter().any(|whole| *whole != Amount::whole(1)) {
                return Err(format!("LEDGER-2: shares of {name} do not add up: {sum:?}"));
            }
        }
        let bundles = self.groups.values().flatten().flat_map(|(_, bundle)| bundle.ledger.instances.values().flatten());
        match bundles.into_iter().find(|free| **free < Amount::ZERO || **free > Amount::whole(1)) {
            Some(free) => Err(format!("LEDGER-2: {free:?} of a device is free in a bundle")),
            None => Ok(()),
        }
    }

    fn check_pool(&self) -> Result<(), String> {
        let idle = self.workers.values().filter(|life| matches!(life, Life::Idle { .. })).count();
        let listed = self.idle.iter().all(|worker| matches!(self.workers.get(worker), Some(Life::Idle { .. })));
        if !listed || idle != self.idle.len() {
            return Err("POOL-1: the list of idle workers is wrong".to_owned());
        }
        if self.options.max_workers != 0 && self.workers.len() > self.options.max_workers {
            return Err(format!("POOL-1: {} workers, {} allowed", self.workers.len(), self.options.max_workers));
        }
        if self.queue.is_consistent() { Ok(()) } else { Err("QUEUE-1: lines and turns differ".to_owned()) }
    }

    fn check_abroad(&self) -> Result<(), String> {
        let mut asked: BTreeMap<NodeId, ResourceSet> = BTreeMap::new();
        for (place, waiting) in self.queue.iter() {
            if waiting.abroad.count() > waiting.left || (waiting.home.is_some() && waiting.abroad.count() > 0) {
                return Err(format!("SPILL-1: more is asked elsewhere than {} of {} wants", waiting.name, place.owner));
            }
            for (node, ask) in waiting.abroad.open() {
                asked.entry(node).or_default().add_times(&waiting.demand.named_amounts(), ask.count);
            }
            if waiting.home.is_some_and(|home| !home.may_wait)
                && !self.is_wanted_soon(waiting)
                && self.claims.promised(waiting.ticket) == 0
            {
                return Err(format!("SPILL-3: {}, which does not fit, was not declined", waiting.name));
            }
        }
        let pending = self.cluster.view.iter().filter(|seat| !seat.pending().is_empty());
        let pending: BTreeMap<NodeId, ResourceSet> =
            pending.map(|seat| (seat.node(), seat.pending().clone())).collect();
        asked.retain(|_, amounts| !amounts.is_empty());
        if asked != pending {
            return Err(format!("SPILL-4: {asked:?} is asked for, and {pending:?} counts as taken"));
        }
        let lost = self.cluster.foreign.values().find(|lease| self.cluster.view.is_gone(lease.node));
        lost.map_or(Ok(()), |lease| Err(format!("SPILL-5: a lease of node {}, which is gone", lease.node)))
    }

    /// Whether a request of another node may be granted as soon as there is a worker.
    fn is_wanted_soon(&self, waiting: &Waiting) -> bool {
        let Some(part) = &waiting.demand.part else {
            return self.ledger.free.covers(&waiting.demand.amounts);
        };
        let bundles = self.groups.get(&part.group).into_iter().flatten();
        bundles.into_iter().any(|(_, bundle)| bundle.ledger.free.covers(&waiting.demand.amounts))
    }
}
