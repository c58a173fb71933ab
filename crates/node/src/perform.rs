//! What the brains ask for, done.

use crate::service::Service;
use crate::translate::{amounts, death_to_wire, devices};
use rustix::process::Signal;
use trygon_control_core::{ActorState, Effect as ActorEffect};
use trygon_ids::{ActorId, WorkerId};
use trygon_node_core::{ActorRequest, DeviceList, Effect, Event, Refusal, StopReason};
use trygon_resources::ResourceSet;
use trygon_wire::Kind;
use trygon_wire::control::{ActorUpdate, ExitWorker, LeaseGranted, LeaseRevoke, LeaseWaits, StartActor};

impl Service {
    /// Gives an event to the node's brain and does what it asks for.
    pub(crate) fn node_step(&mut self, event: Event) {
        let mut effects = Vec::new();
        self.node.step(self.now_ms(), event, &mut effects);
        for effect in effects {
            self.perform(effect);
        }
    }

    fn perform(&mut self, effect: Effect) {
        match effect {
            Effect::StartWorker { worker, environment } => self.start_worker(worker, environment),
            Effect::StopWorker { worker, reason } => self.stop_worker(worker, reason),
            Effect::Grant { owner, request_id, lease, worker, devices: held } => {
                let (owner, number) = (self.number_of(owner), self.number_of(worker));
                self.connect(owner, number);
                let worker_id = worker.as_bytes().to_vec();
                let granted = LeaseGranted { request_id, lease_id: lease, worker_id, devices: devices(held) };
                self.send(owner, Kind::LeaseGranted, &granted);
            }
            Effect::LeaseWaits { owner, request_id, message, cap_reached } => {
                let owner = self.number_of(owner);
                self.send(owner, Kind::LeaseWaits, &LeaseWaits { request_id, message, cap_reached });
            }
            Effect::LeaseRefused { owner, request_id, refusal, message } => {
                self.refuse_lease(self.number_of(owner), request_id, refusal, message);
            }
            Effect::ActorRefused { actor, refusal, message } => self.refuse_actor(actor, refusal, message),
            Effect::Revoke { owner, lease } => {
                self.send(self.number_of(owner), Kind::LeaseRevoke, &LeaseRevoke { lease_id: lease });
            }
            Effect::GroupReserved { group } => self.on_group_reserved(group),
            Effect::GroupWaits { group, message } => {
                self.say(message.clone());
                self.groups.note_waits(group, message);
            }
            Effect::ActorPlaced { actor, incarnation, worker, devices, lifetime } => {
                self.on_actor_placed(actor, incarnation, worker, devices, &lifetime);
            }
            Effect::ActorWaits { actor, message } => {
                self.say(message.clone());
                self.actors.note_waits(actor, message);
            }
            // They follow only from events of a cluster.
            Effect::AskNode { .. }
            | Effect::CancelAsk { .. }
            | Effect::GrantRemote { .. }
            | Effect::DeclineAsk { .. }
            | Effect::RefuseAsk { .. }
            | Effect::RevokeRemote { .. }
            | Effect::ForwardReturn { .. }
            | Effect::OwnerGone { .. }
            | Effect::LoadChanged { .. }
            | Effect::BundlesPrepared { .. } => self.say("unreachable in embedded mode: an effect of a cluster".to_owned()),
        }
    }

    fn stop_worker(&mut self, worker: WorkerId, reason: StopReason) {
        match reason {
            StopReason::Idle | StopReason::PlaceNeeded => {
                let number = self.number_of(worker);
                self.send(number, Kind::ExitWorker, &ExitWorker { reason: "idle".to_owned(), drain: true });
            }
            StopReason::OwnerDied => self.kill_worker(worker, "killed", "the owner of what it ran is dead".to_owned()),
            StopReason::NoEnvironment => self.forget_worker(worker),
            StopReason::GroupRemoved => {
                let message = "the placement group that it ran in was removed".to_owned();
                self.kill_worker(worker, "placement_group_removed", message);
            }
            StopReason::StartTimeout => {
                self.kill_worker(worker, "killed", "it did not become ready in time".to_owned())
            }
        }
    }

    /// Ends a worker at once; `kind` and `message` are its one cause.
    pub(crate) fn kill_worker(&mut self, worker: WorkerId, kind: &'static str, message: String) {
        let number = self.number_of(worker);
        let Some(process) = self.processes.get_mut(&number) else {
            return;
        };
        process.killed.get_or_insert((kind, message));
        if let Some(pid) = process.pid {
            let _ = rustix::process::kill_process(pid, Signal::KILL);
        }
    }

    /// A worker that has not begun: if it was not forked, there is nobody who would tell of its end.
    fn forget_worker(&mut self, worker: WorkerId) {
        let number = self.number_of(worker);
        if self.processes.get(&number).is_some_and(|process| process.pid.is_none()) {
            self.processes.remove(&number);
            self.later.push(Event::ProcessDied { process: worker });
        } else {
            self.kill_worker(worker, "killed", "its runtime environment cannot be made".to_owned());
        }
    }

    fn on_actor_placed(
        &mut self,
        actor: ActorId,
        incarnation: u32,
        worker: WorkerId,
        held: DeviceList,
        lifetime: &ResourceSet,
    ) {
        let mut effects = Vec::new();
        if !self.actors.on_placed(actor, incarnation, worker, &mut effects) {
            // It was not wanted any more; the worker is bound to the lease of that actor, so it ends.
            self.kill_worker(worker, "killed", "its actor was ended before it began".to_owned());
            return;
        }
        let Some(entry) = self.actors.get(actor) else {
            return;
        };
        let spec = &entry.spec;
        let message = StartActor {
            actor_id: actor.as_bytes().to_vec(),
            incarnation,
            class_hash: spec.class_hash.clone(),
            class_name: spec.class_name.clone(),
            name: spec.name.clone(),
            namespace: spec.namespace.clone(),
            arguments: spec.arguments.clone(),
            options: spec.options.clone(),
            devices: devices(held),
            resources: amounts(lifetime),
            class_body: self.functions.get(&spec.class_hash).unwrap_or_default().to_vec(),
            depth: spec.depth,
            handle_meta: spec.handle_meta.clone(),
        };
        let number = self.number_of(worker);
        self.send(number, Kind::StartActor, &message);
        self.perform_actor_effects(effects);
    }

    /// Does what the lives of actors ask for.
    pub(crate) fn perform_actor_effects(&mut self, effects: Vec<ActorEffect>) {
        for effect in effects {
            match effect {
                ActorEffect::Place { actor } => self.place_actor(actor),
                ActorEffect::Unplace { actor } => self.node_step(Event::ActorUnwanted { actor }),
                // The frame was sent when the worker was found.
                ActorEffect::Start { .. } => {}
                ActorEffect::Running { worker } => self.node_step(Event::ActorRunning { worker }),
                ActorEffect::Notify { watcher, actor } => self.notify(watcher, actor),
                ActorEffect::Drain { worker } => self.drain_actor(worker),
                ActorEffect::Kill { worker, kind, message } => self.kill_worker(worker, kind, message),
            }
        }
    }

    fn drain_actor(&mut self, worker: WorkerId) {
        let number = self.number_of(worker);
        if let Some(process) = self.processes.get_mut(&number) {
            process.draining = Some("the last handle of the actor is gone");
        }
        self.send(number, Kind::ExitWorker, &ExitWorker { reason: "out_of_scope".to_owned(), drain: true });
    }

    pub(crate) fn place_actor(&mut self, actor: ActorId) {
        if self.is_actor_of_absent_group(actor) {
            return;
        }
        let Some(entry) = self.actors.get(actor) else {
            return;
        };
        let spec = &entry.spec;
        let request = ActorRequest {
            actor,
            incarnation: entry.incarnation,
            owner: spec.creator,
            placement: spec.placement.clone(),
            lifetime: spec.lifetime.clone(),
            depth: spec.depth,
            name: spec.class_name.clone(),
            environment: self.environments.number_of(&spec.environment),
        };
        match self.want_environment(request.environment) {
            Ok(()) => self.node_step(Event::ActorWanted(request)),
            Err(message) => self.refuse_actor(actor, Refusal::NoEnvironment, message),
        }
    }

    /// Tells a watcher how an actor is. When it lives, the two are connected first.
    fn notify(&mut self, watcher: WorkerId, actor: ActorId) {
        let watcher = self.number_of(watcher);
        let Some(entry) = self.actors.get(actor) else {
            return;
        };
        let alive_on = if let ActorState::Alive { worker } = entry.state { Some(worker) } else { None };
        let error = if let ActorState::Dead { error, .. } = &entry.state { error.clone() } else { Vec::new() };
        let update = ActorUpdate {
            actor_id: actor.as_bytes().to_vec(),
            state: entry.state_name().to_owned(),
            incarnation: entry.incarnation,
            worker_id: alive_on.map(|worker| worker.as_bytes().to_vec()).unwrap_or_default(),
            death: entry.death().filter(|_| alive_on.is_none()).map(death_to_wire),
            error,
            class_name: entry.spec.class_name.clone(),
            name: entry.spec.name.clone(),
        };
        if entry.is_dead() && entry.spec.detached {
            let mut effects = Vec::new();
            self.groups.on_actor_dead(actor, &mut effects);
            self.perform_group_effects(effects);
        }
        if let Some(worker) = alive_on {
            let number = self.number_of(worker);
            self.connect(watcher, number);
        }
        self.send(watcher, Kind::ActorUpdate, &update);
    }
}
