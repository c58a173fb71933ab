//! The pass over what waits: grants leases, and starts workers where only a worker is missing.

use crate::lease::{Lease, Purpose};
use crate::ledger::Held;
use crate::queue::Place;
use crate::worker::Life;
use crate::{Effect, Node};
use std::collections::BTreeSet;
use trygon_ids::WorkerId;
use trygon_resources::ResourceSet;

impl Node {
    /// Grants what can be granted, in the order of QUEUE-1.
    pub(crate) fn dispatch(&mut self, now_ms: u64, effects: &mut Vec<Effect>) {
        if self.queue.is_empty() {
            return;
        }
        let startable = self.startable(now_ms);
        let starting = self.workers.values().filter(|life| matches!(life, Life::Starting { .. })).count();
        let mut too_large: BTreeSet<ResourceSet> = BTreeSet::new();
        // What is taken for workers that start, so that no later request gets it in this pass.
        let mut planned: Vec<Held> = Vec::new();
        let mut stuck: Option<Place> = None;
        while let Some(place) = self.next_candidate(&too_large) {
            let Some(resources) = self.queue.at(place).map(|waiting| waiting.resources.clone()) else {
                break;
            };
            let Some(held) = self.ledger.acquire(&resources) else {
                if !self.ledger.is_feasible(&resources) {
                    self.tell_infeasible(place, effects);
                }
                too_large.insert(resources);
                continue;
            };
            if let Some(worker) = self.take_idle(place) {
                self.grant(place, worker, held, effects);
                continue;
            }
            planned.push(held);
            if planned.len() > starting + startable {
                stuck = Some(place);
                break;
            }
            if let Some(waiting) = self.queue.at(place) {
                waiting.planned += 1;
            }
        }
        for held in &planned {
            self.ledger.release(held);
        }
        let missing = planned.len().saturating_sub(starting).min(startable);
        for _ in 0..missing {
            self.start_worker(now_ms, effects);
        }
        self.queue.clear_plans();
        if let Some(place) = stuck {
            self.tell_cap(place, effects);
        }
    }

    /// The idle worker used last; for an actor, one that owns nothing, because an actor may be killed.
    fn take_idle(&mut self, place: Place) -> Option<WorkerId> {
        let is_actor = self.queue.at(place).is_some_and(|waiting| matches!(waiting.purpose, Purpose::Actor { .. }));
        // A worker cannot be its own: it would wait for itself.
        let suits = |worker: &WorkerId| *worker != place.owner && !(is_actor && self.owners.contains(worker));
        let position = self.idle.iter().rposition(suits)?;
        self.idle.remove(position)
    }

    /// How many more workers may be started now (POOL-1).
    fn startable(&self, now_ms: u64) -> usize {
        if now_ms < self.no_start_before_ms {
            return 0;
        }
        let starting = self.workers.values().filter(|life| matches!(life, Life::Starting { .. })).count();
        let cap = if self.options.max_workers == 0 { usize::MAX } else { self.options.max_workers };
        let at_once = self.options.max_parallel_starts.saturating_sub(starting);
        at_once.min(cap.saturating_sub(self.workers.len()))
    }

    /// QUEUE-1: the first of the requests with the highest rank, among those that may fit.
    fn next_candidate(&self, too_large: &BTreeSet<ResourceSet>) -> Option<Place> {
        let mut best: Option<(u32, Place)> = None;
        let mut owner_rank: Option<(WorkerId, bool)> = None;
        for (place, waiting) in self.queue.iter() {
            if waiting.planned >= waiting.left || too_large.contains(&waiting.resources) {
                continue;
            }
            let blocked = match owner_rank {
                Some((owner, blocked)) if owner == place.owner => blocked,
                _ => self.is_blocked(place.owner),
            };
            owner_rank = Some((place.owner, blocked));
            let rank = if blocked { waiting.depth.saturating_add(1) } else { 0 };
            if best.is_none_or(|(other, _)| rank > other) {
                best = Some((rank, place));
            }
        }
        best.map(|(_, place)| place)
    }

    fn grant(&mut self, place: Place, worker: WorkerId, held: Held, effects: &mut Vec<Effect>) {
        let Some(waiting) = self.queue.at(place) else {
            return;
        };
        let purpose = waiting.purpose.clone();
        let name = waiting.name.clone();
        self.queue.granted(place);
        let lease = self.next_lease;
        self.next_lease += 1;
        let devices = held.devices();
        effects.push(match &purpose {
            Purpose::Tasks { request_id } => {
                Effect::Grant { owner: place.owner, request_id: *request_id, lease, worker, devices }
            }
            Purpose::Actor { actor, incarnation, lifetime } => {
                let lifetime = lifetime.clone();
                Effect::ActorPlaced { actor: *actor, incarnation: *incarnation, worker, devices, lifetime }
            }
        });
        self.workers.insert(worker, Life::Leased { lease });
        self.leases.insert(lease, Lease { worker, owner: place.owner, purpose, held, name, lent: None });
    }

    fn tell_infeasible(&mut self, place: Place, effects: &mut Vec<Effect>) {
        let total = describe(&self.ledger.total);
        let Some(waiting) = self.queue.at(place).filter(|waiting| !waiting.told) else {
            return;
        };
        waiting.told = true;
        let message = format!(
            "{} needs {}, more than this node has ({total}). It waits until a node with enough joins; \
             ask for less, or start with more resources.",
            waiting.name,
            describe(&waiting.resources),
        );
        effects.push(match &waiting.purpose {
            Purpose::Tasks { request_id } => {
                Effect::LeaseWaits { owner: place.owner, request_id: *request_id, message, cap_reached: false }
            }
            Purpose::Actor { actor, .. } => Effect::ActorWaits { actor: *actor, message },
        });
    }

    /// The request lacks only a process, and every process that there may be waits for others.
    fn tell_cap(&mut self, place: Place, effects: &mut Vec<Effect>) {
        let cap = self.options.max_workers;
        let may_end = |life: &Life| {
            life.lease().and_then(|lease| self.leases.get(&lease)).is_none_or(|lease| lease.lent.is_none())
        };
        if cap == 0 || self.workers.len() < cap || self.workers.values().any(may_end) {
            return;
        }
        let chain: Vec<&str> =
            self.leases.values().filter(|lease| lease.lent.is_some()).map(|lease| lease.name.as_str()).collect();
        let chain = chain.join(" -> ");
        let Some(waiting) = self.queue.at(place).filter(|waiting| !waiting.told) else {
            return;
        };
        waiting.told = true;
        let message = format!(
            "{} waits for a worker process, but all {cap} that are allowed wait in `get` or `wait` themselves: {chain}. \
             Allow more processes, or nest tasks less deeply.",
            waiting.name
        );
        effects.push(match &waiting.purpose {
            Purpose::Tasks { request_id } => {
                Effect::LeaseWaits { owner: place.owner, request_id: *request_id, message, cap_reached: true }
            }
            Purpose::Actor { actor, .. } => Effect::ActorWaits { actor: *actor, message },
        });
    }
}

fn describe(resources: &ResourceSet) -> String {
    let parts: Vec<String> = resources.iter().map(|(name, amount)| format!("{name}: {}", amount.as_f64())).collect();
    if parts.is_empty() { "nothing".to_owned() } else { parts.join(", ") }
}
