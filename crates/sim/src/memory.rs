//! Memory: what workers use, limits that leases have, and a machine that is nearly full.

use crate::daemon_state::Limit;
use crate::machines::{machine_of, number_of};
use crate::world::World;
use trygon_ids::WorkerId;
use trygon_node_core::{Event as NodeEvent, LeaseId, MemoryCharge, WorkerMemory};

impl World {
    /// From now on a worker is held to a limit.
    pub(crate) fn limit_memory(&mut self, worker: WorkerId, lease: LeaseId, limit_bytes: u64) {
        let number = number_of(worker);
        let least_bytes = self.processes[number].used_bytes;
        let mut charge = MemoryCharge::new(limit_bytes);
        charge.on_sample(least_bytes);
        let limit = Limit { lease, limit_bytes, charge, least_bytes };
        if self.daemon.limits.insert(number, limit).is_some() {
            self.fail(format!("MEM-1: process {number} has two limits at a time"));
        }
    }

    pub(crate) fn lift_limit(&mut self, worker: WorkerId, lease: LeaseId) {
        let removed = self.daemon.limits.remove(&number_of(worker));
        if removed.is_some_and(|limit| limit.lease != lease) {
            self.fail(format!("MEM-1: the limit of another lease than {lease} was lifted"));
        }
    }

    /// A worker uses more or less than before. MEM-1: it ends for a limit only while it holds that lease, and for what it gained since.
    pub(crate) fn change_memory(&mut self, number: usize) {
        let more = self.random.below(70);
        let less = self.random.below(40);
        let process = &mut self.processes[number];
        process.used_bytes = (process.used_bytes + more).saturating_sub(less);
        let used_bytes = process.used_bytes;
        let Some(limit) = self.daemon.limits.get_mut(&number) else { return };
        limit.least_bytes = limit.least_bytes.min(used_bytes);
        if limit.charge.on_sample(used_bytes).is_none() {
            return;
        }
        let gained_bytes = used_bytes - limit.least_bytes;
        let (lease, limit_bytes) = (limit.lease, limit.limit_bytes);
        if gained_bytes <= limit_bytes || self.lease_on(number) != Some(lease) {
            return self.fail(format!(
                "MEM-1: process {number} ends for the limit of lease {lease}, having gained {gained_bytes} of {limit_bytes} bytes"
            ));
        }
        self.counts.memory_deaths += 1;
        self.kill_worker(number, "memory_limit", format!("process {number} had more than its limit"));
    }

    /// The lease that a worker serves.
    fn lease_on(&self, number: usize) -> Option<LeaseId> {
        let worker = self.processes[number].id;
        let leases = self.daemon.machines[machine_of(number)].node.lease_views();
        leases.into_iter().find(|lease| lease.worker == worker).map(|lease| lease.lease)
    }

    /// A machine is nearly full.
    pub(crate) fn press(&mut self, machine: usize) {
        let workers = self.processes.living_on(machine).into_iter().filter(|number| *number != 0);
        let workers: Vec<WorkerMemory> = workers
            .map(|number| WorkerMemory {
                worker: self.processes[number].id,
                used_bytes: self.processes[number].used_bytes,
                is_retriable: number % 2 == 0,
            })
            .collect();
        let excess_bytes = self.random.below(200);
        // Whoever watches looks again before the first one is gone.
        for _ in 0..=self.random.below(2) {
            let workers = workers.clone();
            self.node_step(machine, NodeEvent::MemoryPressure { excess_bytes, workers });
        }
    }

    /// MEM-2: one worker at a time is ended because memory is nearly full. MEM-3: and only one that holds a lease.
    pub(crate) fn end_for_memory(&mut self, worker: WorkerId) {
        let number = number_of(worker);
        let machine = machine_of(number);
        if self.daemon.victims.iter().any(|victim| machine_of(*victim) == machine) {
            return self.fail(format!("MEM-2: process {number} is to end while another of machine {machine} does"));
        }
        if self.lease_on(number).is_none() {
            return self.fail(format!("MEM-3: process {number} is to end for memory and holds no lease"));
        }
        self.daemon.victims.insert(number);
        self.counts.memory_deaths += 1;
        if let Some((caller, slot, generation, _)) = self.processes[number].started {
            // It was not this task's fault: it costs no retry.
            let task = self.processes[caller].core.task_id(slot, generation).hex();
            self.limits.entry(task).and_modify(|limit| *limit += 1);
        }
        self.kill_worker(number, "out_of_memory", format!("machine {machine} was nearly full"));
    }
}
