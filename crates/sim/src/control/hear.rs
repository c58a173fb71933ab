//! What a node does when the head tells it something: as `crates/node` and `crates/node-core/src/on_bundles.rs` do it.

use crate::control::ids::{actor_id, group_id, worker_id};
use crate::control::machine::{Machine, cpus, placed};
use trygon_ids::WorkerId;
use trygon_proto::v1::head_to_node::Body as ToNode;
use trygon_proto::v1::node_to_head::Body;
use trygon_proto::v1::to_process::Reply;
use trygon_proto::v1::{BundlesPrepared, CommitBundles, PlaceActor, PrepareBundles, ToProcess};

impl Machine {
    /// Takes in one message. What a process is answered is handed back.
    pub(super) fn hear(&mut self, body: ToNode) -> Result<Option<(WorkerId, Reply)>, String> {
        match body {
            ToNode::Registered(registered) => self.on_registered(registered.node_number),
            ToNode::GivenUp(_) => self.is_given_up = true,
            ToNode::Heard(heard) => self.questions.note_heard(heard.number),
            ToNode::PlaceActor(place) => self.on_place(place),
            ToNode::UnplaceActor(unplace) => {
                let unwanted = actor_id(&unplace.actor_id);
                self.queue.retain(|(actor, ..)| *actor != unwanted);
            }
            ToNode::StartActor(start) => {
                if let Some(work) = self.works.get_mut(&actor_id(&start.actor_id)).filter(|work| !work.is_begun) {
                    (work.is_begun, work.life) = (true, start.incarnation);
                }
            }
            ToNode::ActorRunning(running) => {
                let worker = worker_id(&running.worker_id);
                self.works.values_mut().filter(|work| work.worker == worker).for_each(|work| work.is_running = true);
            }
            ToNode::DrainWorker(drain) => {
                self.end(worker_id(&drain.worker_id), "out_of_scope", "the last handle is gone");
            }
            ToNode::KillWorker(kill) => self.end(worker_id(&kill.worker_id), &kill.kind, &kill.message),
            ToNode::ReserveGroup(reserve) => self.groups.push_back(reserve),
            ToNode::PrepareBundles(prepare) => self.prepare(prepare),
            ToNode::CommitBundles(commit) => self.commit(&commit)?,
            ToNode::ReleaseGroup(release) => {
                let meant = group_id(&release.group_id);
                self.groups.retain(|group| group.group_id != release.group_id);
                self.held.retain(|(group, _), (attempt, _)| {
                    *group != meant || (release.attempt != 0 && *attempt != release.attempt)
                });
            }
            ToNode::JobAccepted(accepted) => {
                self.questions.note_job(accepted.request_id);
                self.on_job_accepted(accepted.request_id, &accepted.job_id);
            }
            ToNode::JobStarted(started) => {
                let job = started.job.map(|job| job.job_id).unwrap_or_default();
                self.known_jobs.insert(job.try_into().unwrap_or_default());
            }
            ToNode::JobEnded(ended) if !ended.lingers => self.on_job_ended(ended.job_id.try_into().unwrap_or_default()),
            ToNode::GroupNews(news) => self.questions.note_group(&news),
            ToNode::ToProcess(ToProcess { worker_id: to, reply: Some(reply) }) => {
                let to = worker_id(&to);
                self.questions.note_answer(to, &reply);
                return Ok(self.askers.contains_key(&to).then_some((to, reply)));
            }
            _ => {}
        }
        Ok(None)
    }

    /// BACK-2: a node that has the worker says so, and looks for no second one.
    fn on_place(&mut self, place: PlaceActor) {
        let Some(actor) = place.actor.map(|actor| actor_id(&actor.actor_id)) else {
            return;
        };
        let there = self.works.get(&actor).filter(|work| work.life == place.incarnation);
        if let Some(again) = there.map(|work| placed(actor, work)) {
            return self.say(Body::ActorPlaced(again));
        }
        let job = place.job_id.try_into().unwrap_or_default();
        self.queue.push_back((actor, place.incarnation, job));
    }

    fn prepare(&mut self, message: PrepareBundles) {
        let group = group_id(&message.group_id);
        let indices = || message.bundles.iter().map(|bundle| bundle.index);
        let missing = indices().filter(|index| !self.held.contains_key(&(group, *index))).count();
        let ok = missing <= self.free();
        if ok {
            for index in indices() {
                self.held.entry((group, index)).or_insert((0, false)).0 = message.attempt;
            }
        }
        let (attempt, free) = (message.attempt, cpus(self.free()));
        self.say(Body::BundlesPrepared(BundlesPrepared { group_id: message.group_id, attempt, ok, free }));
    }

    /// GROUP-4: only what is held may be used.
    fn commit(&mut self, commit: &CommitBundles) -> Result<(), String> {
        let meant = group_id(&commit.group_id);
        let of_it = self.held.iter_mut().filter(|((group, _), held)| *group == meant && held.0 == commit.attempt);
        if of_it.map(|(_, held)| held.1 = true).count() == 0 {
            return Err(format!("GROUP-4: node {} may use bundles of {meant} that it does not hold", self.number));
        }
        Ok(())
    }

    fn on_job_accepted(&mut self, request_id: u64, job: &[u8]) {
        let job: [u8; 4] = job.try_into().unwrap_or_default();
        if self.known_jobs.contains(&job) {
            return;
        }
        let Some(driver) = self.drivers.remove(&request_id) else {
            return;
        };
        self.known_jobs.insert(job);
        let start = trygon_proto::v1::StartJob {
            request_id,
            driver_id: driver.as_bytes().to_vec(),
            job_id: job.to_vec(),
            ..trygon_proto::v1::StartJob::default()
        };
        self.jobs.insert(job, start);
        self.askers.insert(driver, crate::control::machine::Asker { process: driver, job, actor: None });
    }
    /// Workers of a job that is over end.
    fn on_job_ended(&mut self, job: [u8; 4]) {
        self.known_jobs.remove(&job);
        let of_job = self.askers.values().filter(|asker| asker.job == job && asker.actor.is_none());
        for process in of_job.map(|asker| asker.process).collect::<Vec<_>>() {
            self.jobs.remove(&job);
            self.end(process, "exit", "its job is over");
        }
    }
}
