//! Jobs: a driver each, told to every node.

use crate::head::node_table::Nodes;
use crate::head::{Head, Out};
use crate::translate::worker_id;
use trygon_ids::{JobId, NodeId};
use trygon_proto::control::{Death, KeyValueRequest};
use trygon_proto::v1::head_to_node::Body;
use trygon_proto::v1::{JobAccepted, JobEnded, JobStarted, StartJob};

/// Where the runtime environments of jobs are, and the code that they ship.
const ENVIRONMENTS: &str = "trygon.runtime_env";
/// The keys there of code that a job shipped begin so; the job's id follows, in hexadecimal.
const PACKAGE: &str = "package:";

impl Head {
    pub(super) fn on_start_job(&mut self, node: NodeId, mut job: StartJob, out: &mut Out) {
        let named = JobId::from_bytes(&job.job_id).ok().filter(|id| *id != JobId::nil());
        let id = named.unwrap_or_else(|| self.unused_job());
        // A job that a head had accepted which is no more.
        let number = u32::from_le_bytes(*id.as_bytes());
        self.next_job = self.next_job.max(number.checked_add(1).unwrap_or(1));
        job.job_id = id.as_bytes().to_vec();
        let accepted = JobAccepted { request_id: job.request_id, job_id: job.job_id.clone(), error: String::new() };
        Self::tell(node, Body::JobAccepted(accepted), out);
        self.jobs.insert(id, job.clone());
        self.tell_all(&Body::JobStarted(JobStarted { job: Some(job) }), out);
    }

    /// The next id that no job has. After the last number comes the first.
    fn unused_job(&mut self) -> JobId {
        loop {
            let id = JobId::new(self.next_job.to_le_bytes());
            self.next_job = self.next_job.checked_add(1).unwrap_or(1);
            if !id.is_nil() && !self.jobs.contains_key(&id) && !self.lingering.contains_key(&id) {
                return id;
            }
        }
    }

    /// A node that comes hears of every job that runs elsewhere. Of its own drivers it knows, or hears that their jobs are accepted: a job that
    /// it took for another node's would be nobody's.
    pub(super) fn tell_jobs(&self, node: NodeId, out: &mut Out) {
        let elsewhere = self.jobs.values().filter(|job| !Nodes::is_home(node, worker_id(&job.driver_id)));
        for job in elsewhere.chain(self.lingering.values()) {
            Self::tell(node, Body::JobStarted(JobStarted { job: Some(job.clone()) }), out);
        }
        for id in self.lingering.keys() {
            let ended = JobEnded { job_id: id.as_bytes().to_vec(), lingers: true };
            Self::tell(node, Body::JobEnded(ended), out);
        }
    }

    /// The driver is gone: its actors and groups end, but for the detached ones.
    pub(super) fn on_end_job(&mut self, job_id: &[u8], death: &Death, out: &mut Out) {
        let Ok(id) = JobId::from_bytes(job_id) else {
            return;
        };
        let Some(mut job) = self.jobs.remove(&id) else {
            return;
        };
        self.on_process_ended(worker_id(&job.driver_id), death, out);
        self.end_groups_of(id, out);
        let lingers = self.has_detached(id);
        if lingers {
            job.driver_pid = 0;
            self.lingering.insert(id, job);
        } else {
            self.forget_code(id);
        }
        self.tell_all(&Body::JobEnded(JobEnded { job_id: job_id.to_vec(), lingers }), out);
    }

    /// Actors may have ended: a job of which nothing is left is over for good.
    pub(super) fn end_lingering(&mut self, out: &mut Out) {
        let over: Vec<JobId> = self.lingering.keys().copied().filter(|id| !self.has_detached(*id)).collect();
        for id in over {
            self.lingering.remove(&id);
            self.end_groups_of(id, out);
            self.forget_code(id);
            let ended = JobEnded { job_id: id.as_bytes().to_vec(), lingers: false };
            self.tell_all(&Body::JobEnded(ended), out);
        }
    }

    /// The code that a job shipped is of no use to another.
    fn forget_code(&mut self, job: JobId) {
        self.key_values.delete_all(ENVIRONMENTS, format!("{PACKAGE}{}:", job.hex()).as_bytes());
    }

    /// Whether a process of a job that is over wants to ship code: nobody would take it away.
    pub(super) fn ships_too_late(&self, job: JobId, call: &KeyValueRequest) -> bool {
        let is_package = call.namespace == ENVIRONMENTS && call.key.starts_with(PACKAGE.as_bytes());
        let is_over = !self.jobs.contains_key(&job) && !self.lingering.contains_key(&job);
        is_package && call.operation == "put" && is_over
    }

    /// Whether a job ran and is over. One of which a head without memory was not told yet is not.
    pub(super) fn is_over(&self, job: JobId) -> bool {
        let was_told = (1..self.next_job).contains(&u32::from_le_bytes(*job.as_bytes()));
        was_told && !self.jobs.contains_key(&job) && !self.lingering.contains_key(&job)
    }

    fn has_detached(&self, job: JobId) -> bool {
        let of_job = self.job_of_actor.iter().filter(|(_, its)| **its == job).map(|(actor, _)| *actor);
        let mut actors = of_job.filter_map(|actor| self.actors.get(actor));
        actors.any(|actor| actor.spec.detached && !actor.is_dead())
    }

    /// Drivers of a node that is gone are gone too.
    pub(super) fn end_jobs_of(&mut self, node: NodeId, out: &mut Out) {
        let lost: Vec<Vec<u8>> = self
            .jobs
            .values()
            .filter(|job| Nodes::is_home(node, worker_id(&job.driver_id)))
            .map(|job| job.job_id.clone())
            .collect();
        let death = Death { kind: "node".to_owned(), message: "its node is gone".to_owned(), ..Death::default() };
        for job in lost {
            self.on_end_job(&job, &death, out);
        }
    }
}
