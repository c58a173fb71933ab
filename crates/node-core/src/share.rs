//! What each job is due of a node (FAIR-2): arithmetic on what jobs hold, want and are behind with.
//!
//! Everything is told in millionths of the node. Of a job that counts which holds the largest part of any one resource: its dominant
//! share. A job is due its weight's part of what all hold together, but no more than it can use; whoever had less than that for a while
//! is behind, and is due more until that is made up. So weights hold over time where single leases are too large for them to hold at once.

use std::collections::BTreeMap;
use trygon_ids::JobId;
use trygon_resources::{Amount, ResourceSet};

/// The whole node.
pub(crate) const WHOLE: i64 = 1_000_000;
/// Less than this is no difference: divisions are not exact.
const NOTHING: i64 = WHOLE / 100_000;
/// The weight of a job of which nothing else was said, in thousandths.
const USUAL_WEIGHT: i64 = 1_000;
/// The largest weight, in thousandths.
const MOST_WEIGHT: f64 = 1e9;
/// What a job is behind with is to be made up in this time. It is also about how long a lease stays where jobs take turns at it.
const CATCH_UP_MS: i64 = 250;
/// No job is further behind, or ahead: the whole node for so long.
const MOST_BEHIND: i64 = 10_000 * WHOLE;
/// What a job that does not compete, or has its share, is behind with is forgotten in this time.
const FORGET_MS: i64 = 2_000;
/// One part in so many of a job's share is left for its tasks, whatever its actors hold: they may wait for the tasks.
const LEFT_FOR_TASKS: i64 = 10;

/// What one job has to do with the node at the moment.
#[derive(Debug, Clone, Default)]
pub(crate) struct Account {
    /// In thousandths.
    pub(crate) weight: i64,
    /// What its tasks hold, less what blocked ones lent.
    pub(crate) tasks: ResourceSet,
    /// What its actors and placement groups hold.
    pub(crate) fixed: ResourceSet,
    /// Tasks that run and do not wait themselves.
    pub(crate) running: u32,
    /// What its requests could use beyond that.
    pub(crate) wants: i64,
    /// The dominant share of `tasks`.
    pub(crate) used: i64,
    /// The dominant share of `fixed`.
    pub(crate) kept: i64,
    /// Its part of what all jobs hold.
    pub(crate) share: i64,
    /// What of that is for its tasks.
    pub(crate) for_tasks: i64,
    /// What its tasks may hold now, with what it is behind.
    pub(crate) due: i64,
}

impl Account {
    /// How far its tasks are above what they are due, by weight: the least comes first.
    pub(crate) fn standing(&self) -> i64 {
        part(self.used - self.due, USUAL_WEIGHT, self.weight.max(1))
    }

    /// Whether its tasks would hold no more than they are due with `more`. One lease may go beyond the share, not two: what a job is behind
    /// with is made up by and by.
    pub(crate) fn may_have(&self, coming: i64, more: i64) -> bool {
        self.is_below(coming) && self.used + coming + more <= self.due
    }

    /// Whether its tasks hold less than its share, with what is coming.
    pub(crate) fn is_below(&self, coming: i64) -> bool {
        self.used + coming + NOTHING < self.for_tasks
    }

    /// What its tasks hold above what they are due when so much goes already, if they hold more than their share then.
    pub(crate) fn above(&self, going: i64) -> Option<i64> {
        let held = self.used - going;
        (held > self.for_tasks + NOTHING).then_some(held - self.due)
    }

    /// What it would use if it could.
    fn most(&self) -> i64 {
        self.used.saturating_add(self.kept).saturating_add(self.wants)
    }
}

/// How far a job is behind, in millionths of the node times milliseconds; below zero when it is ahead.
#[derive(Debug, Clone, Copy, Default)]
struct Behind {
    by: i64,
    /// By how much it grows each millisecond; `None` while the job does not compete.
    rate: Option<i64>,
}

/// Weights of jobs, and what they are behind with.
#[derive(Debug, Default)]
pub(crate) struct Shares {
    weights: BTreeMap<JobId, i64>,
    behind: BTreeMap<JobId, Behind>,
    counted_until_ms: u64,
    /// The jobs' accounts, while what waits is looked at.
    pub(crate) accounts: BTreeMap<JobId, Account>,
    /// When to look again.
    pub(crate) next_ms: Option<u64>,
}

impl Shares {
    /// Whether there is more than one job, so that there is something to share.
    pub(crate) fn is_shared(&self) -> bool {
        self.weights.len() > 1
    }

    /// A job has this weight from now on; it is over if that is 0.
    pub(crate) fn weigh(&mut self, job: JobId, weight: f64) {
        if weight > 0.0 {
            let thousandths = (weight * USUAL_WEIGHT as f64).clamp(1.0, MOST_WEIGHT);
            self.weights.insert(job, thousandths as i64);
        } else {
            self.weights.remove(&job);
            self.behind.remove(&job);
        }
        if !self.is_shared() {
            self.behind.clear();
            self.accounts.clear();
            self.next_ms = None;
        }
    }

    /// An account in which nothing is noted yet.
    pub(crate) fn account(&self, job: JobId) -> Account {
        Account { weight: self.weights.get(&job).copied().unwrap_or(USUAL_WEIGHT), ..Account::default() }
    }

    /// Where a job stands among others.
    pub(crate) fn standing(&self, job: JobId) -> i64 {
        self.accounts.get(&job).map_or(0, Account::standing)
    }

    /// Counts the time since the last event.
    pub(crate) fn count_until(&mut self, now_ms: u64) {
        let passed_ms = i64::try_from(now_ms.saturating_sub(self.counted_until_ms)).unwrap_or(FORGET_MS);
        self.counted_until_ms = now_ms;
        for behind in self.behind.values_mut() {
            behind.by = match behind.rate {
                Some(rate) if rate.abs() > NOTHING => {
                    behind.by.saturating_add(rate.saturating_mul(passed_ms)).clamp(-MOST_BEHIND, MOST_BEHIND)
                }
                _ => behind.by - part(behind.by, passed_ms.min(FORGET_MS), FORGET_MS),
            };
        }
    }

    /// Nobody competes from now on.
    pub(crate) fn rest(&mut self) {
        self.behind.values_mut().for_each(|behind| behind.rate = None);
        self.accounts.clear();
        self.next_ms = None;
    }

    /// Takes the accounts of all jobs and finds what each is due.
    pub(crate) fn open(&mut self, mut accounts: BTreeMap<JobId, Account>, total: &ResourceSet) {
        for account in accounts.values_mut() {
            account.used = dominant(&account.tasks, total);
            account.kept = dominant(&account.fixed, total);
        }
        divide(&mut accounts);
        self.settle(&accounts);
        for (job, account) in &mut accounts {
            let by = self.behind.get(job).map_or(0, |behind| behind.by);
            account.due = account.for_tasks + by / CATCH_UP_MS;
        }
        self.accounts = accounts;
    }

    /// Nobody saves up what it does not want, and what some are behind with, others are ahead with.
    fn settle(&mut self, accounts: &BTreeMap<JobId, Account>) {
        let mut sum = 0;
        for (job, account) in accounts {
            let behind = self.behind.entry(*job).or_default();
            if account.wants == 0 {
                behind.by = behind.by.min(0);
            }
            sum += behind.by;
        }
        let each = sum / i64::try_from(accounts.len()).unwrap_or(1).max(1);
        let competing = self.behind.iter_mut().filter(|(job, _)| accounts.contains_key(job));
        competing.for_each(|(_, behind)| behind.by -= each);
    }

    /// From now on jobs fall behind, or catch up, as the accounts say. True if any does.
    pub(crate) fn run_on(&mut self, is_contended: bool, is_uneven: bool) -> bool {
        self.behind.values_mut().for_each(|behind| behind.rate = None);
        let mut moves = false;
        for (job, account) in self.accounts.iter().filter(|_| is_contended) {
            let rate = account.for_tasks - if is_uneven { account.used / 2 } else { account.used };
            moves |= rate.abs() > NOTHING;
            self.behind.entry(*job).or_default().rate = Some(rate);
        }
        moves
    }

    /// A job's tasks hold more than before, or will.
    pub(crate) fn note(&mut self, job: JobId, amounts: &ResourceSet, is_of_tasks: bool, total: &ResourceSet) {
        let Some(account) = self.accounts.get_mut(&job) else {
            return;
        };
        if is_of_tasks {
            account.tasks.add(amounts);
            account.used = dominant(&account.tasks, total);
            account.running += 1;
        } else {
            account.fixed.add(amounts);
            account.kept = dominant(&account.fixed, total);
        }
    }

    /// Says what is wrong, if something is.
    pub(crate) fn check(&self) -> Result<(), String> {
        if let Some((job, behind)) = self.behind.iter().find(|(_, behind)| behind.by.abs() > 2 * MOST_BEHIND) {
            return Err(format!("FAIR-2: job {job} is behind by {}", behind.by));
        }
        let sum: i64 = self.behind.values().filter_map(|behind| behind.rate).sum();
        // Divisions lose less than one each.
        if sum.abs() > 4 * i64::try_from(self.behind.len()).unwrap_or(i64::MAX / 4) {
            return Err(format!("FAIR-2: jobs fall behind by {sum} more than others get ahead: {:?}", self.behind));
        }
        Ok(())
    }
}

/// The largest part of any one resource.
pub(crate) fn dominant(amounts: &ResourceSet, total: &ResourceSet) -> i64 {
    let part_of = |(name, amount): (&str, Amount)| match total.get(name).units() {
        whole if whole > 0 => part(amount.units(), WHOLE, whole),
        _ => 0,
    };
    amounts.iter().map(part_of).max().unwrap_or(0).max(0)
}

/// What each job's part is of what all hold, and what of it is for tasks.
fn divide(accounts: &mut BTreeMap<JobId, Account>) {
    let all: i64 = accounts.values().map(|account| account.used + account.kept).sum();
    let claims: Vec<(i64, i64)> = accounts.values().map(|account| (account.weight, account.most())).collect();
    let (shares, level) = fill(all, &claims);
    // What is for tasks is divided again: what actors hold counts, but not more than leaves a little for tasks.
    let entitled = accounts.values().map(|account| {
        let whole = part(account.weight, level.0, level.1).max(LEFT_FOR_TASKS);
        (whole - account.kept).max(whole / LEFT_FOR_TASKS)
    });
    let claims: Vec<(i64, i64)> =
        entitled.zip(accounts.values()).map(|(weight, account)| (weight, account.used + account.wants)).collect();
    let (for_tasks, _) = fill(accounts.values().map(|account| account.used).sum(), &claims);
    for (account, (share, for_tasks)) in accounts.values_mut().zip(shares.into_iter().zip(for_tasks)) {
        (account.share, account.for_tasks) = (share, for_tasks);
    }
}

/// Divides `amount` by weight, nobody getting more than the most it can use; with it, what one unit of weight is worth, as a fraction.
fn fill(amount: i64, claims: &[(i64, i64)]) -> (Vec<i64>, (i64, i64)) {
    let mut shares: Vec<Option<i64>> = vec![None; claims.len()];
    let mut level = (amount, claims.iter().map(|claim| claim.0).sum::<i64>().max(1));
    loop {
        let open = claims.iter().zip(&shares).filter(|(_, share)| share.is_none()).map(|(claim, _)| claim.0);
        let weights: i64 = open.sum();
        if weights == 0 {
            break;
        }
        level = ((amount - shares.iter().flatten().sum::<i64>()).max(0), weights);
        let mut is_done = true;
        for (share, (weight, most)) in shares.iter_mut().zip(claims).filter(|(share, _)| share.is_none()) {
            if *most < part(*weight, level.0, level.1) {
                *share = Some(*most);
                is_done = false;
            }
        }
        if is_done {
            break;
        }
    }
    let share = |(share, (weight, _)): (Option<i64>, &(i64, i64))| share.unwrap_or(part(*weight, level.0, level.1));
    (shares.into_iter().zip(claims).map(share).collect(), level)
}

/// `amount * numerator / denominator`, exact in between.
fn part(amount: i64, numerator: i64, denominator: i64) -> i64 {
    let exact = i128::from(amount) * i128::from(numerator) / i128::from(denominator.max(1));
    i64::try_from(exact).unwrap_or(if exact > 0 { i64::MAX } else { i64::MIN })
}
