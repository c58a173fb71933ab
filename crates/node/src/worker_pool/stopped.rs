//! Processes that are stopped (`SIGSTOP`) and would be waited for: a zygote that is to fork, a worker whose task is to end at once. Neither can
//! do what it is asked, and the daemon can end it.

use crate::service::Service;
use crate::worker_pool::stop_watch::ForcedEnd;
use crate::worker_pool::zygote::Zygote;
use rustix::process::Pid;
use trygon_ids::WorkerId;
use trygon_node_core::EnvironmentId;
use trygon_processes::is_stopped;
use trygon_proto::v1::CancelForced;
use trygon_proto::v1::node_to_node::Body;

/// A zygote forks within a few milliseconds. One that has not after this is looked at, again and again.
const FORK_MS: u64 = 500;
/// How often, and how long, a worker is looked at whose task is to end at once: it does that by itself, unless it is stopped.
const LOOK_MS: u64 = 200;
const LOOKS_MS: u64 = 2_000;

impl Service {
    /// A process here has cancelled a task with force that runs in this worker, here or elsewhere.
    pub(crate) fn on_cancel_forced(&mut self, from: u64, worker: &[u8]) {
        let (worker, owner) = (crate::translate::worker_id(worker), self.node.worker_id(from));
        if self.processes.contains_key(&self.number_of(worker)) {
            return self.look_for_stop(worker, owner);
        }
        if let Some(node) = self.cluster.as_ref().and_then(|cluster| cluster.nodes.of_worker(worker)) {
            let (worker, owner) = (worker.as_bytes().to_vec(), owner.as_bytes().to_vec());
            self.tell_node(node, Body::CancelForced(CancelForced { worker, owner }));
        }
    }

    /// From now on, for a moment, the worker is ended if it is found stopped.
    pub(crate) fn look_for_stop(&mut self, worker: WorkerId, owner: WorkerId) {
        let now_ms = self.now_ms();
        self.stops.ends.push(ForcedEnd { worker, owner, until_ms: now_ms + LOOKS_MS });
        self.stops.look_ms = now_ms;
    }

    /// When something is to be looked at.
    pub(crate) fn stops_deadline_ms(&self) -> Option<u64> {
        let ends_ms = Some(self.stops.look_ms).filter(|_| !self.stops.ends.is_empty());
        self.environments.fork_look_ms().into_iter().chain(ends_ms).min()
    }

    /// Looks.
    pub(crate) fn on_stops_deadline(&mut self) {
        let now_ms = self.now_ms();
        if !self.stops.ends.is_empty() && self.stops.look_ms <= now_ms {
            self.end_stopped_workers(now_ms);
        }
        if self.environments.fork_look_ms().is_some_and(|at_ms| at_ms <= now_ms) {
            for environment in self.environments.stopped_zygotes(now_ms, now_ms + FORK_MS) {
                self.log("the zygote is stopped (SIGSTOP) and forks no workers: it is ended, and another one started");
                self.on_zygote_died(environment);
            }
        }
    }

    fn end_stopped_workers(&mut self, now_ms: u64) {
        self.stops.look_ms = now_ms + LOOK_MS;
        for end in std::mem::take(&mut self.stops.ends) {
            let pid = self.processes.get(&self.number_of(end.worker)).and_then(|process| process.pid);
            let is_its = self.node.is_leased_to(end.worker, end.owner);
            let Some(pid) = pid.filter(|_| is_its) else {
                continue;
            };
            if is_stopped(pid) {
                let message = "the task that it ran was cancelled with force=True while it was stopped (SIGSTOP)";
                self.kill_worker(end.worker, "cancelled", message.to_owned());
            } else if end.until_ms > now_ms {
                self.stops.ends.push(end);
            }
        }
    }

    /// The zygote of an environment was asked for a worker.
    pub(in crate::worker_pool) fn note_fork(&mut self, environment: EnvironmentId, number: u64) {
        let look_ms = self.now_ms() + FORK_MS;
        if let Some(zygote) = self.environments.zygote(environment) {
            zygote.forks.insert(number);
            zygote.look_ms.get_or_insert(look_ms);
        }
    }
}

impl Zygote {
    /// It has forked this worker.
    pub(in crate::worker_pool) fn has_forked(&mut self, number: u64) {
        self.forks.remove(&number);
        if self.forks.is_empty() {
            self.look_ms = None;
        }
    }

    pub(in crate::worker_pool) fn is_due(&self, now_ms: u64) -> bool {
        self.look_ms.is_some_and(|look_ms| look_ms <= now_ms)
    }

    pub(in crate::worker_pool) fn is_stopped(&self) -> bool {
        i32::try_from(self.child.id()).ok().and_then(Pid::from_raw).is_some_and(is_stopped)
    }
}
