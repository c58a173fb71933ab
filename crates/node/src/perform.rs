//! What the brains ask for, done.

use crate::service::Service;
use crate::translate::devices;
use rustix::process::Signal;
use trygon_ids::{JobId, WorkerId};
use trygon_node_core::{Effect, Event, StopReason};
use trygon_proto::v1::node_to_head::Body;
use trygon_proto::v1::{ActorWaits, GroupReserved, GroupWaits};
use trygon_wire::Kind;
use trygon_wire::control::{ExitWorker, LeaseGranted, LeaseWaits};

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
                let worker_id = worker.as_bytes().to_vec();
                let granted = LeaseGranted { request_id, lease_id: lease, worker_id, devices: devices(held) };
                self.send_granted(self.number_of(owner), worker, granted);
            }
            Effect::MemoryLimited { worker, lease, limit_bytes, name } => {
                self.memory.limit(self.number_of(worker), lease, limit_bytes, name);
            }
            Effect::MemoryUnlimited { worker, lease } => self.memory.lift(self.number_of(worker), lease),
            Effect::LeaseWaits { owner, request_id, message, cap_reached } => {
                self.send_waits(owner, LeaseWaits { request_id, message, cap_reached });
            }
            Effect::LeaseRefused { owner, request_id, refusal, message } => {
                self.refuse_lease(self.number_of(owner), request_id, refusal, message);
            }
            Effect::ActorRefused { actor, refusal, message } => self.refuse_actor(actor, refusal, message),
            Effect::Revoke { owner, lease } => {
                self.send_revoke(self.number_of(owner), lease);
            }
            Effect::GroupReserved { group } => {
                self.tell_head(Body::GroupReserved(GroupReserved { group_id: group.as_bytes().to_vec() }));
            }
            Effect::GroupWaits { group, message } => {
                let bytes = group.as_bytes();
                self.say_to(JobId::new([bytes[0], bytes[1], bytes[2], bytes[3]]), message.clone());
                self.tell_head(Body::GroupWaits(GroupWaits { group_id: group.as_bytes().to_vec(), message }));
            }
            Effect::ActorPlaced { actor, incarnation, worker, devices, lifetime } => {
                self.on_actor_placed(actor, incarnation, worker, devices, lifetime);
            }
            Effect::ActorWaits { actor, message } => {
                self.say_to(actor.job_id(), message.clone());
                self.tell_head(Body::ActorWaits(ActorWaits { actor_id: actor.as_bytes().to_vec(), message }));
            }
            Effect::AskNode { .. }
            | Effect::CancelAsk { .. }
            | Effect::GrantRemote { .. }
            | Effect::DeclineAsk { .. }
            | Effect::RefuseAsk { .. }
            | Effect::RevokeRemote { .. }
            | Effect::ForwardReturn { .. }
            | Effect::OwnerGone { .. }
            | Effect::LoadChanged { .. }
            | Effect::BundlesPrepared { .. } => self.perform_far(effect),
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
            StopReason::MemoryPressure => self.end_for_pressure(worker),
            StopReason::StartTimeout => {
                self.kill_worker(worker, "killed", "it did not become ready in time".to_owned())
            }
        }
    }

    /// Ends a worker at once; `kind` and `message` are its one cause.
    pub(crate) fn kill_worker(&mut self, worker: WorkerId, kind: &str, message: String) {
        let number = self.number_of(worker);
        let Some(process) = self.processes.get_mut(&number) else {
            return;
        };
        process.killed.get_or_insert_with(|| (kind.to_owned(), message));
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
}
