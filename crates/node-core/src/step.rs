//! One event: its handler, then a pass over what waits.

use crate::{Effect, Event, Node};

impl Node {
    /// Handles `event` at `now_ms` (any monotonic clock) and appends what is to be done.
    pub fn step(&mut self, now_ms: u64, event: Event, effects: &mut Vec<Effect>) {
        self.now_ms = now_ms;
        match event {
            Event::Start => self.on_start(now_ms, effects),
            Event::JobWeighted { job, weight } => self.on_job_weighted(job, weight),
            Event::LeaseRequested(request) => self.on_lease_requested(now_ms, request, effects),
            Event::LeaseCancelled { .. } if self.defects.cancel_ignored => {}
            Event::LeaseCancelled { owner, request_id } => {
                for waiting in self.queue.cancel_tasks(owner, request_id) {
                    self.recall(owner, &waiting, effects);
                }
            }
            Event::LeaseReturned { owner, lease, worker_exiting } => {
                if !self.return_foreign(owner, lease, worker_exiting, effects) {
                    self.on_lease_returned(now_ms, owner, lease, worker_exiting);
                }
            }
            Event::ActorWanted(request) => self.on_actor_wanted(now_ms, request, effects),
            Event::GroupWanted(request) => self.on_group_wanted(now_ms, request),
            Event::GroupRemoved { group } => self.on_group_removed(group, effects),
            Event::ActorUnwanted { actor } => self.queue.cancel_actor(actor),
            Event::ActorRunning { worker } => self.on_actor_running(worker),
            Event::EnvironmentReady { environment } => self.on_environment_ready(now_ms, environment, effects),
            Event::EnvironmentFailed { environment, message } => {
                self.on_environment_failed(environment, &message, effects);
            }
            Event::WorkersKept { environment, count } => self.on_workers_kept(now_ms, environment, count, effects),
            Event::WorkerReady { worker } => self.on_worker_ready(now_ms, worker),
            Event::WorkerExiting { worker } => self.on_worker_exiting(worker),
            Event::ProcessDied { process } => {
                self.owners.remove(&process);
                self.on_process_died(now_ms, process, effects);
            }
            Event::Blocked { worker, depth: _ } => self.on_blocked(worker),
            Event::Unblocked { worker } => self.on_unblocked(worker),
            Event::WorkerOwns { worker, owns } => {
                if owns {
                    self.owners.insert(worker);
                } else {
                    self.owners.remove(&worker);
                }
            }
            Event::MemoryPressure { excess_bytes, workers } => {
                self.on_memory_pressure(excess_bytes, &workers, effects);
            }
            Event::Tick => self.on_tick(now_ms, effects),
            Event::Numbered { number } => self.on_numbered(number),
            Event::ClusterChanged(delta) => self.on_cluster_changed(delta, effects),
            Event::BundlesPrepare { group, attempt, bundles } => {
                self.on_bundles_prepare(group, attempt, &bundles, effects);
            }
            Event::BundlesCommit { group, attempt } => self.on_bundles_commit(group, attempt),
            Event::BundlesReturn { group, attempt } => self.on_bundles_return(group, attempt, effects),
            remote => self.on_remote(now_ms, remote, effects),
        }
        self.lift_memory_limits(effects);
        self.dispatch(now_ms, effects);
        self.report_load(now_ms, effects);
    }
}
