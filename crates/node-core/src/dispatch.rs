//! The pass over what waits: grants leases, and starts workers where only a worker is missing.

use crate::lease::{Lease, Purpose};
use crate::ledger::Held;
use crate::queue::Place;
use crate::worker::Life;
use crate::{Effect, EnvironmentId, Node, StopReason};
use std::collections::{BTreeMap, BTreeSet};
use std::iter::repeat_n;
use trygon_ids::WorkerId;
use trygon_resources::ResourceSet;

impl Node {
    /// Grants what can be granted, in the order of QUEUE-1.
    pub(crate) fn dispatch(&mut self, now_ms: u64, effects: &mut Vec<Effect>) {
        if self.queue.is_empty() {
            return;
        }
        let startable = self.startable(now_ms);
        let starting = self.starting();
        // Environments in which no more may start now: whoever needs another one does not wait for that.
        let mut full: BTreeSet<EnvironmentId> = BTreeSet::new();
        let mut too_large: BTreeSet<ResourceSet> = BTreeSet::new();
        // What is taken for workers that start, so that no later request gets it in this pass.
        let mut planned: Vec<Held> = Vec::new();
        let mut wanted: BTreeMap<EnvironmentId, usize> = BTreeMap::new();
        let mut stuck: Option<Place> = None;
        while let Some(place) = self.next_candidate(&too_large, &full) {
            let Some(waiting) = self.queue.at(place) else {
                break;
            };
            let (resources, environment) = (waiting.resources.clone(), waiting.environment);
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
            let begun = starting.get(&environment).copied().unwrap_or(0);
            if wanted.get(&environment).copied().unwrap_or(0) >= begun.max(self.most_starting(now_ms)) {
                full.insert(environment);
                continue;
            }
            *wanted.entry(environment).or_default() += 1;
            if missing(&wanted, &starting).map(|(_, count)| count).sum::<usize>() > startable {
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
        let missing = missing(&wanted, &starting).flat_map(|(environment, count)| repeat_n(environment, count));
        for environment in missing.take(startable) {
            self.start_worker(now_ms, environment, effects);
        }
        self.queue.clear_plans();
        if let Some(place) = stuck {
            self.make_place(place, effects);
            self.tell_cap(place, effects);
        }
    }

    /// The idle worker used last; for an actor, one that owns nothing, because an actor may be killed.
    fn take_idle(&mut self, place: Place) -> Option<WorkerId> {
        let waiting = self.queue.at(place)?;
        let (is_actor, environment) = (matches!(waiting.purpose, Purpose::Actor { .. }), waiting.environment);
        // A worker cannot be its own: it would wait for itself.
        let suits = |worker: &WorkerId| {
            *worker != place.owner
                && !(is_actor && self.owners.contains(worker))
                && self.environment_of(*worker) == environment
        };
        let position = self.idle.iter().rposition(suits)?;
        self.idle.remove(position)
    }

    /// Workers that start, by environment.
    fn starting(&self) -> BTreeMap<EnvironmentId, usize> {
        let mut starting = BTreeMap::new();
        let workers = self.workers.iter().filter(|(_, life)| matches!(life, Life::Starting { .. }));
        for (worker, _) in workers {
            *starting.entry(self.environment_of(*worker)).or_default() += 1;
        }
        starting
    }

    /// Ends an idle worker of another environment if the cap leaves no place for one that is needed.
    fn make_place(&mut self, place: Place, effects: &mut Vec<Effect>) {
        let cap = self.options.max_workers;
        let Some(environment) = self.queue.at(place).map(|waiting| waiting.environment) else {
            return;
        };
        let is_ending = |life: &Life| matches!(life, Life::Exiting { .. });
        if cap == 0 || self.workers.len() < cap || self.workers.values().any(is_ending) {
            return;
        }
        let is_other = |worker: &WorkerId| self.environment_of(*worker) != environment && !self.owners.contains(worker);
        if let Some(worker) = self.idle.iter().position(is_other).and_then(|position| self.idle.remove(position)) {
            self.workers.insert(worker, Life::Exiting { lease: None });
            effects.push(Effect::StopWorker { worker, reason: StopReason::PlaceNeeded });
        }
    }

    /// How many more workers the cap leaves (POOL-1).
    fn startable(&self, now_ms: u64) -> usize {
        if now_ms < self.no_start_before_ms {
            return 0;
        }
        let cap = if self.options.max_workers == 0 { usize::MAX } else { self.options.max_workers };
        cap.saturating_sub(self.workers.len())
    }

    /// How many workers of one environment may start at the same time.
    fn most_starting(&self, now_ms: u64) -> usize {
        if now_ms < self.no_start_before_ms { 0 } else { self.options.max_parallel_starts }
    }

    /// QUEUE-1: the first of the requests with the highest rank, among those that may fit.
    fn next_candidate(&self, too_large: &BTreeSet<ResourceSet>, full: &BTreeSet<EnvironmentId>) -> Option<Place> {
        let mut best: Option<(u32, Place)> = None;
        let mut owner_rank: Option<(WorkerId, bool)> = None;
        for (place, waiting) in self.queue.iter() {
            if waiting.planned >= waiting.left
                || too_large.contains(&waiting.resources)
                || !self.prepared.contains(&waiting.environment)
                || full.contains(&waiting.environment)
            {
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
        let (name, environment) = (waiting.name.clone(), waiting.environment);
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
        self.leases.insert(lease, Lease { worker, owner: place.owner, purpose, held, name, environment, lent: None });
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

/// How many workers of each environment are wanted beyond those that start.
fn missing<'a>(
    wanted: &'a BTreeMap<EnvironmentId, usize>,
    starting: &'a BTreeMap<EnvironmentId, usize>,
) -> impl Iterator<Item = (EnvironmentId, usize)> + 'a {
    wanted.iter().map(|(environment, wanted)| {
        (*environment, wanted.saturating_sub(starting.get(environment).copied().unwrap_or(0)))
    })
}
