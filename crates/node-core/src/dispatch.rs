//! The pass over what waits: grants leases, and starts workers where only a worker is missing.

use crate::lease::{Lease, Purpose};
use crate::ledger::Held;
use crate::on_memory_pressure::memory_limit;
use crate::queue::Place;
use crate::worker::Life;
use crate::{Effect, EnvironmentId, Node, StopReason};
use std::collections::{BTreeMap, BTreeSet};
use std::iter::repeat_n;
use trygon_ids::WorkerId;
use trygon_placement::{Demand, describe};

/// What comes first is least: children of a job of which nothing else runs, then whose job has least of its due, then the deepest.
type Order = (bool, i64, std::cmp::Reverse<u32>);

/// What one pass found.
#[derive(Default)]
struct Pass {
    /// What is taken for workers that start, so that no later request gets it in this pass.
    planned: Vec<Held>,
    /// How many workers each environment needs.
    wanted: BTreeMap<EnvironmentId, usize>,
    /// Who needs a worker when no more may start.
    stuck: Option<Place>,
}

impl Node {
    /// Grants what can be granted, in the order of QUEUE-1.
    pub(crate) fn dispatch(&mut self, now_ms: u64, effects: &mut Vec<Effect>) {
        if self.queue.is_empty() {
            // Nobody is left for whom anything could be held, nor a time at which to look.
            self.hold = None;
            self.rest_shares(now_ms);
            return;
        }
        self.hear_wishes(now_ms, effects);
        let startable = self.startable(now_ms);
        let starting = self.starting();
        let is_shared = self.shares.is_shared();
        if is_shared {
            self.open_accounts(now_ms);
        }
        self.update_hold(now_ms, effects);
        let Pass { planned, wanted, stuck } = self.pass(now_ms, startable, &starting, effects);
        if is_shared {
            self.take_back(now_ms, effects);
        }
        self.spill(now_ms, effects);
        self.decline_rest(effects);
        for held in &planned {
            self.release(held);
        }
        let missing = missing(&wanted, &starting).flat_map(|(environment, count)| repeat_n(environment, count));
        for environment in missing.take(startable) {
            self.start_worker(now_ms, environment, effects);
        }
        self.queue.clear_plans();
        self.queue.sweep();
        if is_shared {
            self.close_accounts(now_ms);
        }
        if let Some(place) = stuck {
            self.make_place(place, effects);
            self.tell_cap(place, effects);
        }
    }

    /// Goes through what waits, the first in turn first, until nothing more fits.
    fn pass(
        &mut self,
        now_ms: u64,
        startable: usize,
        starting: &BTreeMap<EnvironmentId, usize>,
        effects: &mut Vec<Effect>,
    ) -> Pass {
        // Environments in which no more may start now: whoever needs another one does not wait for that.
        let mut full: BTreeSet<EnvironmentId> = BTreeSet::new();
        let mut too_large: BTreeSet<Demand> = BTreeSet::new();
        // Groups that do not fit: they are compared bundle by bundle, so that their sums say nothing of one another.
        let mut skipped: BTreeSet<u64> = BTreeSet::new();
        let mut pass = Pass::default();
        while let Some(place) = self.next_candidate(&too_large, &skipped, &full) {
            let Some(waiting) = self.queue.at(place) else {
                break;
            };
            if matches!(waiting.purpose, Purpose::Group { .. }) {
                skipped.extend(self.dispatch_group(place, now_ms, effects));
                continue;
            }
            let is_of_tasks = matches!(waiting.purpose, Purpose::Tasks { .. });
            let (demand, environment) = (waiting.demand.clone(), waiting.environment);
            let Some(held) = self.acquire_if_labelled(&demand) else {
                self.tell_if_never(place, &demand, is_of_tasks, effects);
                too_large.insert(demand);
                continue;
            };
            if let Some(worker) = self.take_idle(place) {
                self.grant(place, worker, held, now_ms, effects);
                continue;
            }
            self.note_use(place, &held.amounts, is_of_tasks);
            pass.planned.push(held);
            let begun = starting.get(&environment).copied().unwrap_or(0);
            if pass.wanted.get(&environment).copied().unwrap_or(0) >= begun.max(self.most_starting(now_ms)) {
                full.insert(environment);
                continue;
            }
            *pass.wanted.entry(environment).or_default() += 1;
            if missing(&pass.wanted, starting).map(|(_, count)| count).sum::<usize>() > startable {
                pass.stuck = Some(place);
                break;
            }
            if let Some(waiting) = self.queue.at(place) {
                waiting.planned += 1;
            }
        }
        pass
    }

    /// Says so if what waits can never be met.
    fn tell_if_never(&mut self, place: Place, demand: &Demand, is_of_tasks: bool, effects: &mut Vec<Effect>) {
        // What tasks need may be had elsewhere: `spill` sees to that.
        let may_be_elsewhere = is_of_tasks && self.cluster.number.is_some();
        if !may_be_elsewhere && !self.is_feasible(demand) {
            self.tell_infeasible(place, effects);
        }
    }

    /// Reserves a placement group. Its ticket when it does not fit now.
    fn dispatch_group(&mut self, place: Place, now_ms: u64, effects: &mut Vec<Effect>) -> Option<u64> {
        let waiting = self.queue.at(place)?;
        let (ticket, demand) = (waiting.ticket, waiting.demand.clone());
        let Purpose::Group { group, bundles, apart } = waiting.purpose.clone() else {
            return None;
        };
        let may_fit = !(apart && bundles.len() > 1) && self.has_labels(&demand);
        if may_fit && self.reserve(group, &bundles) {
            self.note_use(place, &demand.amounts, false);
            self.finish_grant(place, now_ms);
            effects.push(Effect::GroupReserved { group });
            return None;
        }
        if !may_fit || !self.is_feasible(&demand) {
            self.tell_infeasible(place, effects);
        }
        Some(ticket)
    }

    /// The idle worker used last; for an actor, one that owns nothing, because an actor may be killed.
    fn take_idle(&mut self, place: Place) -> Option<WorkerId> {
        let waiting = self.queue.at(place)?;
        let (is_actor, environment) = (matches!(waiting.purpose, Purpose::Actor { .. }), waiting.environment);
        // A worker cannot be its own: it would wait for itself.
        let suits = |worker: &WorkerId| {
            *worker != place.owner
                && !(is_actor && self.owners.contains(worker))
                && (self.environment_of(*worker) == environment || self.defects.environment_ignored)
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

    /// QUEUE-1: the first of the requests with the highest rank, among those that may fit; FAIR-2: of the job that comes first.
    fn next_candidate(
        &self,
        too_large: &BTreeSet<Demand>,
        skipped: &BTreeSet<u64>,
        full: &BTreeSet<EnvironmentId>,
    ) -> Option<Place> {
        // Jobs that come first, among them the highest rank. In a node with one job all stand alike.
        let mut best: Option<(Order, Place)> = None;
        let is_shared = self.shares.is_shared();
        let mut owner_rank: Option<(WorkerId, bool)> = None;
        for (place, waiting) in self.queue.iter() {
            let is_out = match waiting.purpose {
                // It needs no worker.
                Purpose::Group { .. } => skipped.contains(&waiting.ticket),
                _ => {
                    waiting.planned >= waiting.here()
                        || too_large.contains(&waiting.demand)
                        || !self.prepared.contains(&waiting.environment)
                        || full.contains(&waiting.environment)
                }
            };
            if is_out {
                continue;
            }
            let blocked = match owner_rank {
                Some((owner, blocked)) if owner == place.owner => blocked,
                _ => self.is_blocked(place.owner),
            };
            owner_rank = Some((place.owner, blocked));
            let rank = match blocked && !self.defects.children_wait {
                true if self.defects.depth_ignored => 1,
                true => waiting.depth.saturating_add(1),
                false => 0,
            };
            if rank == 0 && self.keeps_back(waiting.ticket, waiting.job, &waiting.demand) {
                continue;
            }
            let (waits_for_itself, standing) = if is_shared { self.job_order(waiting.job, rank) } else { (false, 0) };
            let order = (!waits_for_itself, standing, std::cmp::Reverse(rank));
            if best.is_none_or(|(other, _)| order < other) {
                best = Some((order, place));
            }
        }
        best.map(|(_, place)| place)
    }

    fn grant(&mut self, place: Place, worker: WorkerId, held: Held, now_ms: u64, effects: &mut Vec<Effect>) {
        let Some(waiting) = self.queue.at(place) else {
            return;
        };
        let (purpose, home) = (waiting.purpose.clone(), waiting.home.map(|home| home.node));
        let (name, environment, job) = (waiting.name.clone(), waiting.environment, waiting.job);
        self.note_use(place, &held.amounts, matches!(purpose, Purpose::Tasks { .. }));
        self.finish_grant(place, now_ms);
        let lease = self.next_lease;
        self.next_lease += 1;
        let devices = held.devices();
        if let Some(limit_bytes) = memory_limit(&held.amounts) {
            effects.push(Effect::MemoryLimited { worker, lease, limit_bytes, name: name.clone() });
        }
        effects.push(match &purpose {
            Purpose::Tasks { request_id } => {
                let (owner, request_id) = (place.owner, *request_id);
                match home {
                    Some(node) => Effect::GrantRemote { node, owner, request_id, lease, worker, devices },
                    None => Effect::Grant { owner, request_id, lease, worker, devices },
                }
            }
            Purpose::Actor { actor, incarnation, lifetime } => {
                let lifetime = lifetime.clone();
                Effect::ActorPlaced { actor: *actor, incarnation: *incarnation, worker, devices, lifetime }
            }
            // It needs no worker.
            Purpose::Group { group, .. } => Effect::GroupReserved { group: *group },
        });
        if !self.defects.lease_unnoted {
            self.workers.insert(worker, Life::Leased { lease });
        }
        let owner = place.owner;
        let granted = Lease { worker, owner, job, home, purpose, held, name, environment, lent: None, revoked: false };
        self.leases.insert(lease, granted);
    }

    /// One lease of a request, or a group, was granted.
    fn finish_grant(&mut self, place: Place, now_ms: u64) {
        let ticket = self.ticket_of(place);
        self.forget_hold(ticket);
        self.claims.granted(ticket);
        self.queue.granted(place, now_ms, !self.defects.turns_kept);
    }

    fn ticket_of(&mut self, place: Place) -> u64 {
        self.queue.at(place).map_or(u64::MAX, |waiting| waiting.ticket)
    }

    fn acquire_if_labelled(&mut self, demand: &Demand) -> Option<Held> {
        let is_wanted_here = self.cluster.number.is_none() || self.could_stay(demand);
        if is_wanted_here && self.has_labels(demand) { self.acquire(demand) } else { None }
    }

    pub(crate) fn tell_infeasible(&mut self, place: Place, effects: &mut Vec<Effect>) {
        let Some(waiting) = self.queue.at(place).filter(|waiting| !waiting.told && waiting.home.is_none()) else {
            return;
        };
        waiting.told = true;
        let (name, demand, purpose) = (waiting.name.clone(), waiting.demand.clone(), waiting.purpose.clone());
        let why = self.why_infeasible(&demand, &purpose);
        let message = format!("{name} {why}");
        if let Some(waiting) = self.queue.at(place) {
            waiting.abroad.why.clone_from(&message);
        }
        effects.push(match purpose {
            Purpose::Tasks { request_id } => {
                Effect::LeaseWaits { owner: place.owner, request_id, message, cap_reached: false }
            }
            Purpose::Actor { actor, .. } => Effect::ActorWaits { actor, message },
            Purpose::Group { group, .. } => Effect::GroupWaits { group, message },
        });
    }

    fn why_infeasible(&self, demand: &Demand, purpose: &Purpose) -> String {
        if let Purpose::Group { bundles, apart: true, .. } = purpose
            && bundles.len() > 1
        {
            let count = bundles.len();
            return format!(
                "has {count} bundles that must be on different nodes (STRICT_SPREAD), and there is one node. It waits \
                 until enough nodes join; use SPREAD, or PACK, to run on one."
            );
        }
        if self.cluster.has_others() {
            return self.cluster.view.explain(demand, &[(&self.ledger.total, &self.options.labels)]);
        }
        if !self.has_labels(demand) {
            let labels = &self.options.labels;
            let own: Vec<String> = labels.iter().map(|(key, value)| format!("{key}={value}")).collect();
            let wanted = demand.labels.as_deref().unwrap_or_default();
            return format!(
                "wants a node with the labels {wanted}, and this one has {}. It waits until such a node joins.",
                own.join(", ")
            );
        }
        if demand.part.is_some() {
            return format!(
                "needs {}, more than any such bundle has. It waits for ever; ask for less, or make larger bundles.",
                demand.describe()
            );
        }
        format!(
            "needs {}, more than this node has ({}). It waits until a node with enough joins; ask for less, or start \
             with more resources.",
            demand.describe(),
            describe(&self.ledger.total)
        )
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
        let Some(waiting) = self.queue.at(place).filter(|waiting| !waiting.told && waiting.home.is_none()) else {
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
            // It needs no process.
            Purpose::Group { group, .. } => Effect::GroupWaits { group: *group, message },
        });
    }
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
