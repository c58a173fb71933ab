//! The node's memory is nearly full: which worker is ended.
//!
//! - **MEM-2** one worker is ended at a time: the next one only after the last one is gone.
//! - **MEM-3** only workers that hold a lease are ended for memory.
//!
//! The one that grew is to go, not the one that came last by chance. So only those are looked at that have a quarter of what the largest
//! has, or more. Among them work that is tried again goes before work that would be lost, tasks go before actors, and the newest goes first:
//! least is lost with it.

use crate::lease::Purpose;
use crate::{Effect, LeaseId, Node, StopReason};
use trygon_ids::WorkerId;
use trygon_resources::{Amount, ResourceSet};

/// What one worker has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct WorkerMemory {
    /// The worker.
    pub worker: WorkerId,
    /// What it and its children use.
    pub used_bytes: u64,
    /// What it runs is tried again.
    pub is_retriable: bool,
}

impl Node {
    /// Too much is in use, by `excess_bytes`.
    pub(crate) fn on_memory_pressure(
        &mut self,
        excess_bytes: u64,
        workers: &[WorkerMemory],
        effects: &mut Vec<Effect>,
    ) {
        if self.memory_victim.is_some() && !self.defects.many_victims {
            return;
        }
        let Some(victim) = self.choose_victim(excess_bytes, workers) else {
            return;
        };
        self.memory_victim = Some(victim);
        effects.push(Effect::StopWorker { worker: victim, reason: StopReason::MemoryPressure });
    }

    /// Whether a worker is being ended because memory was nearly full.
    pub fn ends_for_memory(&self) -> bool {
        self.memory_victim.is_some()
    }

    fn choose_victim(&self, excess_bytes: u64, workers: &[WorkerMemory]) -> Option<WorkerId> {
        let leased = workers.iter().filter_map(|memory| Some((memory, self.lease_of_worker(memory.worker)?)));
        let mut leased: Vec<(&WorkerMemory, (LeaseId, bool))> = leased.collect();
        if self.defects.idle_victims {
            leased = workers.iter().map(|memory| (memory, (LeaseId::MAX, false))).collect();
        }
        let largest_bytes = leased.iter().map(|(memory, _)| memory.used_bytes).max()?;
        // Somebody else fills the machine: the end of all of them would not help.
        if largest_bytes.saturating_mul(leased.len() as u64) < excess_bytes {
            return None;
        }
        let is_large = |memory: &WorkerMemory| memory.used_bytes >= largest_bytes / 4;
        let rank =
            |(memory, (lease, is_actor)): &&(&WorkerMemory, (LeaseId, bool))| (!*is_actor, memory.is_retriable, *lease);
        leased.iter().filter(|(memory, _)| is_large(memory)).max_by_key(rank).map(|(memory, _)| memory.worker)
    }

    /// The lease that a worker holds, and whether it is an actor's.
    fn lease_of_worker(&self, worker: WorkerId) -> Option<(LeaseId, bool)> {
        let id = self.workers.get(&worker)?.lease()?;
        self.leases.get(&id).map(|lease| (id, matches!(lease.purpose, Purpose::Actor { .. })))
    }

    /// Leases with a limit ended: nobody is held against it any more.
    pub(crate) fn lift_memory_limits(&mut self, effects: &mut Vec<Effect>) {
        let lifted = std::mem::take(&mut self.lifted_limits);
        if self.defects.limits_kept {
            return;
        }
        effects.extend(lifted.into_iter().map(|(worker, lease)| Effect::MemoryUnlimited { worker, lease }));
    }
}

/// How much memory a lease may gain that holds this; `None` when it did not say.
pub(crate) fn memory_limit(held: &ResourceSet) -> Option<u64> {
    u64::try_from(held.get(MEMORY).units() / ONE).ok().filter(|bytes| *bytes > 0)
}

/// The resource's name; its unit is the byte.
const MEMORY: &str = "memory";
/// The units of one byte.
const ONE: i64 = Amount::whole(1).units();
