//! What the head tells this node.

use crate::head_place::HeadPlace;
use crate::placed::{ActorHere, Placed};
use crate::service::Service;
use crate::translate::{actor_id, amounts, devices, group_id, resource_set, worker_id};
use trygon_ids::{ActorId, JobId, WorkerId};
use trygon_node_core::{ActorRequest, DeviceList, Event, GroupRequest, Refusal};
use trygon_proto::v1::head_to_node::Body;
use trygon_proto::v1::node_to_head::Body as ToHead;
use trygon_proto::v1::to_process::Reply;
use trygon_proto::v1::{
    ActorPlaced, ActorRefused, HeadToNode, PlaceActor, PrepareBundles, ReleaseGroup, ReserveGroup, ToProcess,
};
use trygon_resources::ResourceSet;
use trygon_wire::Kind;
use trygon_wire::control::{ExitWorker, StartActor};

impl Service {
    /// Handles one message.
    pub(crate) fn on_head_message(&mut self, message: HeadToNode) {
        let Some(body) = message.body else {
            return;
        };
        match body {
            Body::ToProcess(message) => self.on_reply(message),
            Body::PlaceActor(message) => self.on_place_actor(message),
            Body::UnplaceActor(message) => {
                let actor = actor_id(&message.actor_id);
                self.placing.remove(&actor);
                self.node_step(Event::ActorUnwanted { actor });
            }
            Body::StartActor(message) => self.on_start_actor(message),
            Body::ActorRunning(message) => self.on_actor_running(worker_id(&message.worker_id)),
            Body::DrainWorker(message) => self.drain_actor(worker_id(&message.worker_id)),
            Body::KillWorker(message) => {
                self.kill_worker(worker_id(&message.worker_id), &message.kind, message.message);
            }
            Body::ReserveGroup(message) => self.on_reserve_group(message),
            Body::ReleaseGroup(message) => self.on_release_group(&message),
            Body::JobAccepted(accepted) => self.on_job_accepted(&accepted),
            Body::JobStarted(started) => self.on_job_started(started.job.unwrap_or_default()),
            Body::JobEnded(ended) => self.on_job_ended(&ended),
            Body::GroupNews(news) => {
                if let HeadPlace::Remote(questions) = &mut self.head.place {
                    questions.note_group(&news);
                }
                self.on_group_news(&news);
            }
            Body::Registered(message) => self.on_registered(&message),
            Body::View(view) => self.on_view(view),
            Body::PrepareBundles(message) => self.on_prepare_bundles(message),
            Body::CommitBundles(message) => {
                let (group, attempt) = (group_id(&message.group_id), message.attempt);
                self.node_step(Event::BundlesCommit { group, attempt });
            }
            Body::Drain(message) => self.on_drain(message),
            Body::Heard(heard) => {
                if let HeadPlace::Remote(questions) = &mut self.head.place {
                    questions.note_heard(heard.number);
                }
            }
            Body::Notice(notice) => {
                if let Ok(job) = JobId::from_bytes(&notice.job_id) {
                    self.say_to(job, notice.message);
                }
            }
            Body::GivenUp(message) => self.on_given_up(&message.message, message.is_fenced),
        }
    }

    fn on_reply(&mut self, message: ToProcess) {
        let to = worker_id(&message.worker_id);
        let Some(reply) = message.reply else {
            return;
        };
        self.head.note_answer(to, &reply);
        if to == WorkerId::nil() {
            if let Reply::KeyValue(reply) = reply {
                self.on_environment_description(reply);
            }
            return;
        }
        let number = self.number_of(to);
        match reply {
            Reply::CreateActor(reply) => self.send(number, Kind::CreateActorReply, &reply),
            Reply::ActorUpdate(update) => self.send_actor_update(number, update),
            Reply::NamedActor(reply) => self.send(number, Kind::NamedActor, &reply),
            Reply::Function(reply) => self.send(number, Kind::FunctionReply, &reply),
            Reply::KeyValue(reply) => self.send(number, Kind::KeyValueReply, &reply),
            Reply::State(reply) => self.send(number, Kind::StateReply, &reply),
            Reply::GroupReply(reply) => self.send(number, Kind::PlacementGroupReply, &reply),
            Reply::GroupUpdate(update) => self.send(number, Kind::PlacementGroupUpdate, &update),
        }
    }

    fn on_place_actor(&mut self, message: PlaceActor) {
        let Some(actor) = message.actor else {
            return;
        };
        if self.says_where(actor_id(&actor.actor_id), message.incarnation) {
            return;
        }
        let job = JobId::from_bytes(&message.job_id).unwrap_or(JobId::nil());
        let request = ActorRequest {
            actor: actor_id(&actor.actor_id),
            incarnation: message.incarnation,
            owner: worker_id(&message.creator),
            placement: resource_set(&actor.placement_resources),
            lifetime: resource_set(&actor.lifetime_resources),
            depth: actor.depth,
            name: actor.class_name,
            environment: self.environment_number(job, &actor.environment),
        };
        self.placing.insert(request.actor, message.incarnation);
        match self.want_environment(request.environment) {
            Ok(()) => self.node_step(Event::ActorWanted(request)),
            Err(message) => self.refuse_actor(request.actor, Refusal::NoEnvironment, message),
        }
    }

    /// BACK-2: the head asks again for what it did not hear. An actor that has its worker gets no second one, whose coming would take the
    /// first one's place: what the head says to the first would go to the second.
    fn says_where(&mut self, actor: ActorId, incarnation: u32) -> bool {
        let placed = self.placed.get(&actor).map(|placed| (placed.incarnation, placed.worker));
        let here = self.actors_here.get(&actor).map(|here| (here.incarnation, here.worker));
        let Some((_, worker)) = placed.or(here).filter(|(life, _)| *life == incarnation) else {
            return false;
        };
        self.say_placed(actor, incarnation, worker);
        true
    }

    fn say_placed(&mut self, actor: ActorId, incarnation: u32, worker: WorkerId) {
        let message = ActorPlaced {
            actor_id: actor.as_bytes().to_vec(),
            incarnation,
            worker_id: worker.as_bytes().to_vec(),
            pid: self.pid_of(worker),
        };
        self.tell_head(ToHead::ActorPlaced(message));
    }

    /// An actor will never have a worker here.
    pub(crate) fn refuse_actor(&mut self, actor: ActorId, refusal: Refusal, message: String) {
        let incarnation = self.placing.remove(&actor).unwrap_or(0);
        let (actor_id, kind) = (actor.as_bytes().to_vec(), refusal.as_str().to_owned());
        self.tell_head(ToHead::ActorRefused(ActorRefused { actor_id, incarnation, kind, message }));
    }

    /// The node found a worker; the head decides whether it is still wanted.
    pub(crate) fn on_actor_placed(
        &mut self,
        actor: ActorId,
        incarnation: u32,
        worker: WorkerId,
        held: DeviceList,
        lifetime: ResourceSet,
    ) {
        self.placing.remove(&actor);
        let before = self.placed.insert(actor, Placed { worker, incarnation, devices: devices(held), lifetime });
        self.say_placed(actor, incarnation, worker);
        // SEAT-1: the head may not hear of the one that was found for an earlier life: what a registration names is one for each actor.
        if let Some(before) = before.filter(|before| before.worker != worker) {
            self.kill_worker(before.worker, "killed", "its actor was given another worker before it began".to_owned());
        }
    }

    fn on_start_actor(&mut self, message: StartActor) {
        let Some(placed) = self.placed.remove(&actor_id(&message.actor_id)) else {
            return;
        };
        let number = self.number_of(placed.worker);
        let here = ActorHere { worker: placed.worker, incarnation: message.incarnation, is_running: false };
        self.actors_here.insert(actor_id(&message.actor_id), here);
        let message = StartActor { devices: placed.devices, resources: amounts(&placed.lifetime), ..message };
        self.send(number, Kind::StartActor, &message);
    }

    fn on_actor_running(&mut self, worker: WorkerId) {
        for actor in self.actors_here.values_mut().filter(|actor| actor.worker == worker) {
            actor.is_running = true;
        }
        self.node_step(Event::ActorRunning { worker });
    }

    /// A worker is gone, or not wanted: what waited for it does not wait any more.
    pub(crate) fn forget_placed(&mut self, worker: WorkerId) {
        self.placed.retain(|_, placed| placed.worker != worker);
        self.actors_here.retain(|_, actor| actor.worker != worker);
    }

    fn drain_actor(&mut self, worker: WorkerId) {
        let number = self.number_of(worker);
        if let Some(process) = self.processes.get_mut(&number) {
            process.draining = Some("the last handle of the actor is gone");
        }
        self.send(number, Kind::ExitWorker, &ExitWorker { reason: "out_of_scope".to_owned(), drain: true });
    }

    fn on_reserve_group(&mut self, message: ReserveGroup) {
        let request = GroupRequest {
            group: group_id(&message.group_id),
            owner: worker_id(&message.creator),
            bundles: message.bundles.iter().map(|bundle| resource_set(&bundle.resources)).collect(),
            apart: message.apart,
            labels: Some(message.labels).filter(|labels| !labels.is_empty()),
            name: message.name,
        };
        self.node_step(Event::GroupWanted(request));
    }

    fn on_prepare_bundles(&mut self, message: PrepareBundles) {
        let bundles = message.bundles.iter().map(|bundle| (bundle.index, resource_set(&bundle.resources))).collect();
        let (group, attempt) = (group_id(&message.group_id), message.attempt);
        self.node_step(Event::BundlesPrepare { group, attempt, bundles });
    }

    /// A node that is a cluster of its own reserves groups by itself; elsewhere the head does, in attempts.
    fn on_release_group(&mut self, message: &ReleaseGroup) {
        let (group, attempt) = (group_id(&message.group_id), message.attempt);
        let event = match attempt {
            0 => Event::GroupRemoved { group },
            _ => Event::BundlesReturn { group, attempt },
        };
        self.node_step(event);
    }
}
