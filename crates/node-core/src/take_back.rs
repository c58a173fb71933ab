//! FAIR-2: between jobs, each gets its share by weight.
//!
//! While several jobs want what a node has, the next grant goes to the one whose tasks hold least compared with what they are due
//! (`share.rs`). A job that waits for room, that is due more and that would not hold more than its due with one lease more, has leases
//! of other jobs taken back: the oldest first, never actors, and none of a job that would then hold less than it is due. A lease goes
//! back when what it runs has ended. A node with one job does none of this.

use crate::claim::Claim;
use crate::hold::{FIRST_HOLD_MS, Hold};
use crate::lease::{Lease, Purpose};
use crate::queue::{Place, Waiting};
use crate::share::{Account, dominant};
use crate::{Effect, LeaseId, Node};
use std::collections::{BTreeMap, BTreeSet};
use trygon_ids::JobId;
use trygon_resources::ResourceSet;

/// A request waits so long before anything is taken back for it: most that runs is short.
const PATIENCE_MS: u64 = 100;
/// While jobs compete, what they are due changes with time; it is looked at this often.
const LOOK_MS: u64 = 50;

/// A request for which room could be made.
struct Wish {
    ticket: u64,
    amounts: ResourceSet,
    is_of_tasks: bool,
}

impl Node {
    /// A job's weight is known, or it is over.
    pub(crate) fn on_job_weighted(&mut self, job: JobId, weight: f64) {
        self.shares.weigh(job, weight);
        let is_shared = self.shares.is_shared();
        self.claims.0.retain(|claim| is_shared && (claim.job != job || weight > 0.0));
    }

    /// Nothing waits: nobody competes.
    pub(crate) fn rest_shares(&mut self, now_ms: u64) {
        self.claims.0.clear();
        if self.shares.is_shared() {
            self.shares.count_until(now_ms);
            self.shares.rest();
        }
    }

    /// What is granted, or what a worker is started for, counts at once.
    pub(crate) fn note_use(&mut self, place: Place, amounts: &ResourceSet, is_of_tasks: bool) {
        if !self.shares.is_shared() {
            return;
        }
        let waiting = self.queue.at(place).filter(|waiting| waiting.demand.part.is_none());
        if let Some(job) = waiting.map(|waiting| waiting.job) {
            self.shares.note(job, amounts, is_of_tasks, &self.ledger.total);
        }
    }

    /// Whether a request's job waits for it with all that it runs, and where that job stands.
    pub(crate) fn job_order(&self, job: JobId, rank: u32) -> (bool, i64) {
        let account = self.shares.accounts.get(&job);
        let waits_for_itself = rank > 0 && account.is_none_or(|account| account.running == 0);
        (waits_for_itself, account.map_or(0, Account::standing))
    }

    /// Finds what each job is due. Called before anything is granted, and after.
    pub(crate) fn open_accounts(&mut self, now_ms: u64) {
        self.shares.count_until(now_ms);
        let mut accounts: BTreeMap<JobId, Account> = BTreeMap::new();
        let shares = &self.shares;
        let total = &self.ledger.total;
        for lease in self.leases.values().filter(|lease| lease.held.bundle.is_none()) {
            let account = accounts.entry(lease.job).or_insert_with(|| shares.account(lease.job));
            let amounts = if matches!(lease.purpose, Purpose::Tasks { .. }) {
                account.running += u32::from(lease.lent.is_none());
                &mut account.tasks
            } else {
                &mut account.fixed
            };
            amounts.add(&lease.held.amounts);
            if let Some(lent) = lease.lent {
                amounts.set(crate::ledger::CPU, amounts.get(crate::ledger::CPU) - lent);
            }
        }
        for (group, bundles) in &self.groups {
            let job = group.job_id();
            let account = accounts.entry(job).or_insert_with(|| shares.account(job));
            bundles.values().for_each(|bundle| account.fixed.add(&bundle.held.amounts));
        }
        for (_, waiting) in self.queue.iter().filter(|(_, waiting)| self.competes(waiting)) {
            let account = accounts.entry(waiting.job).or_insert_with(|| shares.account(waiting.job));
            let one = dominant(&waiting.demand.amounts, total);
            account.wants = account.wants.saturating_add(one.saturating_mul(i64::from(waiting.here())));
        }
        self.shares.open(accounts, total);
    }

    /// What is due from now on, until something happens.
    pub(crate) fn close_accounts(&mut self, now_ms: u64) {
        self.open_accounts(now_ms);
        let lacks_room = |waiting: &Waiting| !self.ledger.free.covers(&waiting.demand.amounts);
        let competing = self.queue.iter().filter(|(_, waiting)| self.competes(waiting) && lacks_room(waiting));
        let until_patient = competing.map(|(_, waiting)| waiting.since_ms + PATIENCE_MS).collect::<Vec<_>>();
        let is_contended = self.shares.accounts.len() > 1 && !until_patient.is_empty();
        let moves = self.shares.run_on(is_contended, self.defects.shares_uneven) && self.may_claim_later();
        let moves = moves.then_some(now_ms + LOOK_MS);
        let patient = until_patient.into_iter().filter(|until_ms| is_contended && *until_ms > now_ms).min();
        self.shares.next_ms = moves.into_iter().chain(patient).min();
    }

    /// Whether time alone may make a job due more than it has and is coming to it, and others due less.
    fn may_claim_later(&self) -> bool {
        let going = self.going();
        let total = &self.ledger.total;
        let coming = |job| -> i64 { self.claims.coming(job, true).map(|amounts| dominant(amounts, total)).sum() };
        let accounts = &self.shares.accounts;
        let is_below = accounts.iter().any(|(job, account)| account.wants > 0 && account.is_below(coming(*job)));
        let going_of = |job| going.get(job).copied().unwrap_or(0);
        is_below && accounts.iter().any(|(job, account)| account.above(going_of(job)).is_some())
    }

    /// What goes already of what each job holds.
    fn going(&self) -> BTreeMap<JobId, i64> {
        let mut going: BTreeMap<JobId, i64> = BTreeMap::new();
        for lease in self.claims.leases().filter_map(|lease| self.leases.get(&lease)) {
            *going.entry(lease.job).or_default() += dominant(&lease.held.amounts, &self.ledger.total);
        }
        going
    }

    /// Whether a request competes with other jobs for what this node has.
    fn competes(&self, waiting: &Waiting) -> bool {
        waiting.here() > 0
            && waiting.demand.part.is_none()
            && !waiting.told
            && self.prepared.contains(&waiting.environment)
            && self.could_stay(&waiting.demand)
    }

    /// Takes leases back for jobs that are due more than they have.
    pub(crate) fn take_back(&mut self, now_ms: u64, effects: &mut Vec<Effect>) {
        let (leases, tickets) = (&self.leases, self.queue.iter().map(|(_, waiting)| waiting.ticket));
        let tickets: BTreeSet<u64> = tickets.collect();
        self.claims.0.retain_mut(|claim| {
            claim.leases.retain(|lease| leases.contains_key(lease));
            !claim.leases.is_empty() && tickets.contains(&claim.ticket)
        });
        let mut jobs: Vec<(i64, JobId)> = self
            .shares
            .accounts
            .iter()
            .filter(|(_, account)| account.wants > 0)
            .map(|(job, account)| (account.standing(), *job))
            .collect();
        jobs.sort_unstable();
        for (_, job) in jobs {
            while let Some((wish, leases)) = self.next_claim(now_ms, job) {
                self.claim(now_ms, job, wish, leases, effects);
            }
        }
    }

    /// The first request of a job for which leases of others are to be taken back, and which.
    fn next_claim(&self, now_ms: u64, job: JobId) -> Option<(Wish, Vec<LeaseId>)> {
        let held = self.hold.as_ref().filter(|hold| hold.job == job).map(|hold| hold.ticket);
        let mut tried: BTreeSet<(&ResourceSet, bool)> = BTreeSet::new();
        for (_, waiting) in self.queue.iter().filter(|(_, waiting)| waiting.job == job && self.competes(waiting)) {
            let left = waiting.here().saturating_sub(waiting.planned);
            let is_patient = waiting.is_passing() || waiting.since_ms + PATIENCE_MS <= now_ms;
            let is_next = held.is_none_or(|ticket| ticket == waiting.ticket);
            if left <= self.claims.promised(waiting.ticket) || !is_patient || !is_next {
                continue;
            }
            let is_of_tasks = matches!(waiting.purpose, Purpose::Tasks { .. });
            let amounts = &waiting.demand.amounts;
            let is_new = tried.insert((amounts, is_of_tasks));
            if !is_new || self.ledger.free.covers(amounts) || !self.is_due(job, amounts, is_of_tasks) {
                continue;
            }
            let Some(leases) = self.to_take_back(job, amounts) else {
                continue;
            };
            let is_held_for_other = self.hold.as_ref().is_some_and(|hold| hold.ticket != waiting.ticket);
            if leases.len() > 1 && is_held_for_other {
                continue;
            }
            return Some((Wish { ticket: waiting.ticket, amounts: amounts.clone(), is_of_tasks }, leases));
        }
        None
    }

    /// Whether a job would not have more than it is due with this besides what it has and what is coming. Actors stay: they are to
    /// fit into the job's share as it is, but one may be there in any case.
    pub(crate) fn is_due(&self, job: JobId, amounts: &ResourceSet, is_of_tasks: bool) -> bool {
        let (Some(account), total) = (self.shares.accounts.get(&job), &self.ledger.total) else {
            return false;
        };
        let coming =
            |is_of_tasks| -> i64 { self.claims.coming(job, is_of_tasks).map(|amounts| dominant(amounts, total)).sum() };
        let more = dominant(amounts, total);
        let fits_tasks = account.may_have(coming(true), more);
        if is_of_tasks {
            return fits_tasks;
        }
        let kept = account.kept + coming(false);
        kept + more <= account.share || (kept == 0 && fits_tasks)
    }

    /// The leases of other jobs that would make room, the oldest first; `None` if what they have above their due is not enough.
    fn to_take_back(&self, job: JobId, amounts: &ResourceSet) -> Option<Vec<LeaseId>> {
        let total = &self.ledger.total;
        let going = self.going();
        let others = self.shares.accounts.iter().filter(|(other, _)| **other != job);
        let above = others.filter_map(|(other, account)| {
            let above = account.above(going.get(other).copied().unwrap_or(0))?;
            Some((*other, (above, account.weight.max(1))))
        });
        let mut above: BTreeMap<JobId, (i64, i64)> = above.collect();
        let mut coming = self.ledger.free.clone();
        let mut taken: Vec<LeaseId> = Vec::new();
        while !coming.covers(amounts) {
            let missing: Vec<&str> =
                amounts.iter().filter(|(name, amount)| coming.get(name) < *amount).map(|(name, _)| name).collect();
            let helps = |lease: &Lease| missing.iter().any(|name| !lease.held.amounts.get(name).is_zero());
            let oldest = |other: JobId, above: i64| {
                let spare = |lease: &Lease| dominant(&lease.held.amounts, total) <= above;
                let is_it = |(id, lease): &(&LeaseId, &Lease)| {
                    lease.job == other
                        && may_go(lease, self.defects.asks_twice)
                        && !taken.contains(id)
                        && helps(lease)
                        && spare(lease)
                };
                self.leases.iter().find(is_it).map(|(id, lease)| (*id, lease))
            };
            let found = above.iter().filter_map(|(other, (above, weight))| {
                let (id, lease) = oldest(*other, *above)?;
                Some((i128::from(*above) * 1_000 / i128::from(*weight), id, lease))
            });
            let (_, id, lease) = found.max_by_key(|(above, id, _)| (*above, std::cmp::Reverse(*id)))?;
            coming.add(&lease.held.amounts);
            taken.push(id);
            if let Some((above, _)) = above.get_mut(&lease.job) {
                *above -= dominant(&lease.held.amounts, total);
            }
        }
        Some(taken).filter(|taken| !taken.is_empty())
    }

    fn claim(&mut self, now_ms: u64, job: JobId, wish: Wish, leases: Vec<LeaseId>, effects: &mut Vec<Effect>) {
        let Wish { ticket, amounts, is_of_tasks } = wish;
        leases.iter().for_each(|lease| self.revoke(*lease, effects));
        if leases.len() > 1 && self.hold.is_none() {
            // They come back one by one, and others would take each.
            let until_ms = now_ms + FIRST_HOLD_MS;
            self.hold = Some(Hold { ticket, job, until_ms, amounts: amounts.clone(), part: None });
        }
        self.claims.0.push(Claim { ticket, job, amounts, is_of_tasks, leases: leases.into_iter().collect() });
    }

    /// Asks the owner of a lease to give it back when what runs has ended.
    pub(crate) fn revoke(&mut self, id: LeaseId, effects: &mut Vec<Effect>) {
        if let Some(lease) = self.leases.get_mut(&id).filter(|lease| !lease.revoked) {
            lease.revoked = true;
            effects.push(match lease.home {
                Some(node) => Effect::RevokeRemote { node, owner: lease.owner, lease: id },
                None => Effect::Revoke { owner: lease.owner, lease: id },
            });
        }
    }

    /// Whether a request has to stand back for the one that resources are held for. One of a job that comes first does not.
    pub(crate) fn keeps_back(&self, ticket: u64, job: JobId, demand: &trygon_placement::Demand) -> bool {
        let Some(hold) = self.hold.as_ref().filter(|hold| hold.keeps_back(ticket, demand) && !self.defects.hold_open)
        else {
            return false;
        };
        job == hold.job || !self.shares.is_shared() || self.shares.standing(job) >= self.shares.standing(hold.job)
    }
}

/// Whether a lease may be taken back for another job.
fn may_go(lease: &Lease, asks_twice: bool) -> bool {
    let is_of_tasks = matches!(lease.purpose, Purpose::Tasks { .. });
    is_of_tasks && lease.lent.is_none() && (!lease.revoked || asks_twice) && lease.held.bundle.is_none()
}
