//! Actors: created, placed on nodes, watched, ended.

use crate::head::node_table::{PREFIX, Settled};
use crate::head::{Head, Out};
use crate::translate::{actor_id, actor_spec, amounts, death_to_wire, worker_id};
use std::collections::BTreeSet;
use trygon_control_core::{Actor, ActorState, Created, Effect};
use trygon_ids::{ActorId, JobId, NodeId, WorkerId};
use trygon_proto::control::{
    ActorStarted, ActorUpdate, CreateActor, CreateActorReply, GetNamedActor, KillActor, NamedActor, StartActor,
};
use trygon_proto::v1::head_to_node::Body;
use trygon_proto::v1::to_process::Reply;
use trygon_proto::v1::{ActorPlaced, ActorRunning, DrainWorker, KillWorker, PlaceActor};

impl Head {
    pub(super) fn on_create_actor(&mut self, from: WorkerId, job: JobId, message: CreateActor, out: &mut Out) {
        let (request_id, get_if_exists) = (message.request_id, message.get_if_exists);
        let mut reply = CreateActorReply { request_id, ..CreateActorReply::default() };
        let mut effects = Vec::new();
        let spec = actor_spec(from, message);
        let (name, actor) = (spec.name.clone(), spec.actor);
        match self.actors.on_create(spec, &mut effects) {
            Created::Registered => {
                self.job_of_actor.insert(actor, job);
                self.note_actor(actor);
                self.answer_early_actor(actor, out);
            }
            Created::Duplicate => reply.error = "an actor with this id exists".to_owned(),
            Created::NameTaken(existing) => {
                if !get_if_exists {
                    reply.error = format!("the name {name:?} is taken by an actor that lives");
                }
                if let Some(actor) = self.actors.get(existing) {
                    reply.existing_actor_id = existing.as_bytes().to_vec();
                    reply.existing_handle_meta = actor.spec.handle_meta.clone();
                    reply.existing_class_name = actor.spec.class_name.clone();
                }
            }
        }
        self.reply(from, Reply::CreateActor(reply), out);
        self.perform_actors(effects, out);
    }

    pub(super) fn on_watch_actor(&mut self, from: WorkerId, actor: ActorId, out: &mut Out) {
        let mut effects = Vec::new();
        if self.actors.on_watch(from, actor, &mut effects) {
            self.perform_actors(effects, out);
        } else {
            self.watch_early(from, actor);
        }
    }

    pub(super) fn on_kill_actor(&mut self, message: &KillActor, out: &mut Out) {
        let mut effects = Vec::new();
        let actor = actor_id(&message.actor_id);
        if message.out_of_scope {
            self.actors.on_out_of_scope(actor, &mut effects);
        } else {
            self.actors.on_kill(actor, message.no_restart, &mut effects);
        }
        self.note_actor(actor);
        self.perform_actors(effects, out);
    }

    pub(super) fn on_actor_started(&mut self, from: WorkerId, message: ActorStarted, out: &mut Out) {
        let mut effects = Vec::new();
        let ActorStarted { actor_id: id, incarnation, error } = message;
        self.unsettle_actor(from, actor_id(&id));
        self.actors.on_started(from, actor_id(&id), incarnation, error, &mut effects);
        self.note_actor(actor_id(&id));
        self.perform_actors(effects, out);
    }

    pub(super) fn on_get_named_actor(&mut self, from: WorkerId, message: &GetNamedActor, out: &mut Out) {
        let mut reply = NamedActor { request_id: message.request_id, ..NamedActor::default() };
        if let Some(actor) = self.actors.named(&message.namespace, &message.name) {
            reply.actor_id = actor.spec.actor.as_bytes().to_vec();
            reply.class_name = actor.spec.class_name.clone();
            reply.handle_meta = actor.spec.handle_meta.clone();
        }
        self.reply(from, Reply::NamedActor(reply), out);
    }

    /// A node found a worker.
    pub(super) fn on_actor_placed(&mut self, node: NodeId, message: ActorPlaced, out: &mut Out) {
        let (actor, worker) = (actor_id(&message.actor_id), worker_id(&message.worker_id));
        let mut effects = Vec::new();
        // SEAT-1
        let is_asked = self.placing.get(&actor).is_none_or(|placing| placing.node == node) || self.defects.any_seat;
        if !is_asked || !self.actors.on_placed(actor, message.incarnation, worker, &mut effects) {
            let is_its = self.actors.on_worker(worker) == Some(actor);
            if !is_its && !self.defects.second_kept {
                // It was not wanted any more; the worker is bound to the lease of that actor, so it ends.
                let message = "its actor was ended before it began, or began elsewhere".to_owned();
                self.kill(worker, "killed", message, out);
            }
            return;
        }
        if let Some(placing) = self.forget_place(actor)
            && !self.nodes.is_alone()
        {
            self.settle(node, placing.named, Settled::Actor(actor));
        }
        self.pids.insert(worker, message.pid);
        self.note_actor(actor);
        self.perform_actors(effects, out);
    }

    /// Does what the lives of actors ask for.
    pub(super) fn perform_actors(&mut self, effects: Vec<Effect>, out: &mut Out) {
        let concerned: BTreeSet<ActorId> = effects.iter().filter_map(actor_of).collect();
        for actor in concerned {
            self.note_actor(actor);
        }
        for effect in effects {
            match effect {
                Effect::Place { actor } => self.place(actor, out),
                Effect::Rest { actor, rest_us } => self.rest(actor, rest_us),
                Effect::Unplace { actor } => self.unplace(actor, out),
                Effect::Start { actor, worker } => self.start(actor, worker, out),
                Effect::Running { worker } => self.tell_running(worker, out),
                Effect::Notify { watcher, actor } => self.notify_of_actor(watcher, actor, out),
                Effect::Drain { worker } => self.tell_drain(worker, out),
                Effect::Kill { worker, kind, message } => self.kill(worker, kind, message, out),
            }
        }
        // PLACE-3, whether anybody watches or not.
        for actor in self.actors.take_ended() {
            let mut effects = Vec::new();
            self.groups.on_actor_dead(actor, &mut effects);
            self.perform_groups(effects, out);
        }
        for actor in self.actors.take_forgotten() {
            self.job_of_actor.remove(&actor);
            self.history.forget_actor(actor);
        }
    }

    pub(super) fn tell_running(&self, worker: WorkerId, out: &mut Out) {
        let running = ActorRunning { worker_id: worker.as_bytes().to_vec() };
        self.tell_home_of(worker, Body::ActorRunning(running), out);
    }

    pub(super) fn tell_drain(&self, worker: WorkerId, out: &mut Out) {
        let drain = DrainWorker { worker_id: worker.as_bytes().to_vec() };
        self.tell_home_of(worker, Body::DrainWorker(drain), out);
    }

    /// The worker may run the constructor: from here on this life is known to everybody.
    pub(super) fn start(&self, actor: ActorId, worker: WorkerId, out: &mut Out) {
        let Some(entry) = self.actors.get(actor) else {
            return;
        };
        let spec = &entry.spec;
        let message = StartActor {
            actor_id: actor.as_bytes().to_vec(),
            incarnation: entry.incarnation,
            class_hash: spec.class_hash.clone(),
            class_name: spec.class_name.clone(),
            name: spec.name.clone(),
            namespace: spec.namespace.clone(),
            arguments: spec.arguments.clone(),
            options: spec.options.clone(),
            // Which devices it has and how much of what is known where it runs.
            devices: Vec::new(),
            resources: std::collections::BTreeMap::new(),
            class_body: self.functions.get(&spec.class_hash).unwrap_or_default().to_vec(),
            depth: spec.depth,
            handle_meta: spec.handle_meta.clone(),
        };
        self.tell_home_of(worker, Body::StartActor(message), out);
    }

    pub(super) fn kill(&self, worker: WorkerId, kind: &str, message: String, out: &mut Out) {
        let kill = KillWorker { worker_id: worker.as_bytes().to_vec(), kind: kind.to_owned(), message };
        self.tell_home_of(worker, Body::KillWorker(kill), out);
    }

    /// Tells a watcher how an actor is.
    fn notify_of_actor(&self, watcher: WorkerId, actor: ActorId, out: &mut Out) {
        let Some(entry) = self.actors.get(actor) else {
            return;
        };
        let update = actor_update(actor, entry);
        self.reply(watcher, Reply::ActorUpdate(update), out);
    }

    /// Every process of a node that anything depends on.
    pub(super) fn known_processes_of(&self, node: NodeId) -> BTreeSet<WorkerId> {
        self.actors.processes_of(&node.as_bytes()[..PREFIX])
    }
}

fn actor_of(effect: &Effect) -> Option<ActorId> {
    match effect {
        Effect::Place { actor } | Effect::Start { actor, .. } | Effect::Notify { actor, .. } => Some(*actor),
        Effect::Rest { .. }
        | Effect::Unplace { .. }
        | Effect::Running { .. }
        | Effect::Drain { .. }
        | Effect::Kill { .. } => None,
    }
}

/// What a node is told that is to find a worker for an actor.
pub(super) fn place_message(entry: &Actor, job: JobId) -> PlaceActor {
    let spec = &entry.spec;
    let actor = CreateActor {
        actor_id: spec.actor.as_bytes().to_vec(),
        class_hash: spec.class_hash.clone(),
        class_name: spec.class_name.clone(),
        name: spec.name.clone(),
        namespace: spec.namespace.clone(),
        placement_resources: amounts(&spec.placement),
        lifetime_resources: amounts(&spec.lifetime),
        max_restarts: spec.max_restarts,
        arguments: spec.arguments.clone(),
        handle_meta: spec.handle_meta.clone(),
        options: spec.options.clone(),
        depth: spec.depth,
        detached: spec.detached,
        environment: spec.environment.clone(),
        ..CreateActor::default()
    };
    PlaceActor {
        actor: Some(actor),
        incarnation: entry.incarnation,
        creator: spec.creator.as_bytes().to_vec(),
        job_id: job.as_bytes().to_vec(),
    }
}

fn actor_update(actor: ActorId, entry: &Actor) -> ActorUpdate {
    let alive_on = if let ActorState::Alive { worker } = entry.state { Some(worker) } else { None };
    let error = if let ActorState::Dead { error, .. } = &entry.state { error.clone() } else { Vec::new() };
    ActorUpdate {
        actor_id: actor.as_bytes().to_vec(),
        state: entry.state_name().to_owned(),
        incarnation: entry.incarnation,
        worker_id: alive_on.map(|worker| worker.as_bytes().to_vec()).unwrap_or_default(),
        death: entry.death().filter(|_| alive_on.is_none()).map(death_to_wire),
        error,
        class_name: entry.spec.class_name.clone(),
        name: entry.spec.name.clone(),
    }
}
