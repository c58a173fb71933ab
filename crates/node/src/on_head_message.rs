//! What the head tells this node.

use crate::placed::Placed;
use crate::service::Service;
use crate::translate::{actor_id, amounts, devices, group_id, resource_set, worker_id};
use trygon_ids::{ActorId, WorkerId};
use trygon_node_core::{ActorRequest, DeviceList, Event, GroupRequest, Refusal};
use trygon_proto::v1::head_to_node::Body;
use trygon_proto::v1::node_to_head::Body as ToHead;
use trygon_proto::v1::to_process::Reply;
use trygon_proto::v1::{ActorPlaced, ActorRefused, HeadToNode, PlaceActor, ReserveGroup, ToProcess};
use trygon_resources::ResourceSet;
use trygon_wire::Kind;
use trygon_wire::control::{ActorUpdate, ExitWorker, StartActor};

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
            Body::ActorRunning(message) => {
                self.node_step(Event::ActorRunning { worker: worker_id(&message.worker_id) });
            }
            Body::DrainWorker(message) => self.drain_actor(worker_id(&message.worker_id)),
            Body::KillWorker(message) => {
                self.kill_worker(worker_id(&message.worker_id), &message.kind, message.message);
            }
            Body::ReserveGroup(message) => self.on_reserve_group(message),
            Body::ReleaseGroup(message) => {
                self.node_step(Event::GroupRemoved { group: group_id(&message.group_id) });
            }
            Body::GroupNews(news) => self.on_group_news(&news),
            // A node that is a cluster of its own knows its job and its only node.
            Body::Registered(_)
            | Body::View(_)
            | Body::JobAccepted(_)
            | Body::JobStarted(_)
            | Body::JobEnded(_)
            | Body::PrepareBundles(_)
            | Body::CommitBundles(_)
            | Body::Drain(_) => {}
        }
    }

    fn on_reply(&mut self, message: ToProcess) {
        let to = worker_id(&message.worker_id);
        let Some(reply) = message.reply else {
            return;
        };
        if to == WorkerId::nil() {
            if let Reply::KeyValue(reply) = reply {
                self.on_environment_description(reply);
            }
            return;
        }
        let number = self.number_of(to);
        match reply {
            Reply::CreateActor(reply) => self.send(number, Kind::CreateActorReply, &reply),
            Reply::ActorUpdate(update) => self.on_actor_update(number, &update),
            Reply::NamedActor(reply) => self.send(number, Kind::NamedActor, &reply),
            Reply::Function(reply) => self.send(number, Kind::FunctionReply, &reply),
            Reply::KeyValue(reply) => self.send(number, Kind::KeyValueReply, &reply),
            Reply::State(reply) => self.send(number, Kind::StateReply, &reply),
            Reply::GroupReply(reply) => self.send(number, Kind::PlacementGroupReply, &reply),
            Reply::GroupUpdate(update) => self.send(number, Kind::PlacementGroupUpdate, &update),
        }
    }

    /// When the actor lives, watcher and worker are connected first.
    fn on_actor_update(&mut self, watcher: u64, update: &ActorUpdate) {
        if !update.worker_id.is_empty() {
            let worker = self.number_of(worker_id(&update.worker_id));
            self.connect(watcher, worker);
        }
        self.send(watcher, Kind::ActorUpdate, update);
    }

    fn on_place_actor(&mut self, message: PlaceActor) {
        let Some(actor) = message.actor else {
            return;
        };
        let request = ActorRequest {
            actor: actor_id(&actor.actor_id),
            incarnation: message.incarnation,
            owner: worker_id(&message.creator),
            placement: resource_set(&actor.placement_resources),
            lifetime: resource_set(&actor.lifetime_resources),
            depth: actor.depth,
            name: actor.class_name,
            environment: self.environments.number_of(&actor.environment),
        };
        self.placing.insert(request.actor, message.incarnation);
        match self.want_environment(request.environment) {
            Ok(()) => self.node_step(Event::ActorWanted(request)),
            Err(message) => self.refuse_actor(request.actor, Refusal::NoEnvironment, message),
        }
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
        self.placed.insert(actor, Placed { worker, devices: devices(held), lifetime });
        let message = ActorPlaced {
            actor_id: actor.as_bytes().to_vec(),
            incarnation,
            worker_id: worker.as_bytes().to_vec(),
            pid: self.pid_of(worker),
        };
        self.tell_head(ToHead::ActorPlaced(message));
    }

    fn on_start_actor(&mut self, message: StartActor) {
        let Some(placed) = self.placed.remove(&actor_id(&message.actor_id)) else {
            return;
        };
        let number = self.number_of(placed.worker);
        let message = StartActor { devices: placed.devices, resources: amounts(&placed.lifetime), ..message };
        self.send(number, Kind::StartActor, &message);
    }

    /// A worker is gone, or not wanted: what waited for it does not wait any more.
    pub(crate) fn forget_placed(&mut self, worker: WorkerId) {
        self.placed.retain(|_, placed| placed.worker != worker);
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
}
