//! Frames about actors.

use crate::service::{EarlyWatch, Service};
use crate::translate::{actor_id, actor_spec};
use trygon_control_core::{Created, Effect};
use trygon_ids::{ActorId, WorkerId};
use trygon_wire::control::{self, ActorUpdate, CreateActorReply, Death, NamedActor};
use trygon_wire::{FrameError, Kind, decode};

/// A creation that was sent before its handle is here long before this is over.
const EARLY_WATCH_MS: u64 = 500;

impl Service {
    /// Handles one.
    pub(crate) fn on_actor_frame(
        &mut self,
        from: u64,
        worker: WorkerId,
        kind: Kind,
        body: &[u8],
    ) -> Result<(), FrameError> {
        let mut effects = Vec::new();
        match kind {
            Kind::CreateActor => return self.on_create_actor(from, worker, decode(body)?),
            Kind::WatchActor => {
                let control::WatchActor { actor_id: id } = decode(body)?;
                let actor = actor_id(&id);
                if !self.actors.on_watch(worker, actor, &mut effects) {
                    let until_ms = self.now_ms() + EARLY_WATCH_MS;
                    self.early_watches.push(EarlyWatch { from, actor, until_ms });
                }
            }
            Kind::KillActor => {
                let control::KillActor { actor_id: id, no_restart, out_of_scope } = decode(body)?;
                if out_of_scope {
                    self.actors.on_out_of_scope(actor_id(&id), &mut effects);
                } else {
                    self.actors.on_kill(actor_id(&id), no_restart, &mut effects);
                }
            }
            Kind::ActorStarted => {
                let control::ActorStarted { actor_id: id, incarnation, error } = decode(body)?;
                self.actors.on_started(worker, actor_id(&id), incarnation, error, &mut effects);
            }
            _ => {
                let control::GetNamedActor { request_id, name, namespace } = decode(body)?;
                let mut reply = NamedActor { request_id, ..NamedActor::default() };
                if let Some(actor) = self.actors.named(&namespace, &name) {
                    reply.actor_id = actor.spec.actor.as_bytes().to_vec();
                    reply.class_name = actor.spec.class_name.clone();
                    reply.handle_meta = actor.spec.handle_meta.clone();
                }
                self.send(from, Kind::NamedActor, &reply);
            }
        }
        self.perform_actor_effects(effects);
        Ok(())
    }

    fn on_create_actor(
        &mut self,
        from: u64,
        worker: WorkerId,
        message: control::CreateActor,
    ) -> Result<(), FrameError> {
        let (request_id, get_if_exists) = (message.request_id, message.get_if_exists);
        let mut reply = CreateActorReply { request_id, ..CreateActorReply::default() };
        let mut effects = Vec::new();
        let spec = actor_spec(worker, message);
        let name = spec.name.clone();
        let actor = spec.actor;
        match self.actors.on_create(spec, &mut effects) {
            Created::Registered => self.answer_early_watches(actor, &mut effects),
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
        self.send(from, Kind::CreateActorReply, &reply);
        self.perform_actor_effects(effects);
        Ok(())
    }

    fn answer_early_watches(&mut self, actor: ActorId, effects: &mut Vec<Effect>) {
        let (early, others) =
            std::mem::take(&mut self.early_watches).into_iter().partition(|watch| watch.actor == actor);
        self.early_watches = others;
        let early: Vec<EarlyWatch> = early;
        for watch in early {
            self.actors.on_watch(self.node.worker_id(watch.from), actor, effects);
        }
    }

    /// Actors that did not come to be known in time never will be.
    pub(crate) fn on_early_watches_deadline(&mut self) {
        let now_ms = self.now_ms();
        let (over, others) =
            std::mem::take(&mut self.early_watches).into_iter().partition(|watch| watch.until_ms <= now_ms);
        self.early_watches = others;
        let over: Vec<EarlyWatch> = over;
        for watch in over {
            self.tell_unknown(watch.from, watch.actor.as_bytes().to_vec());
        }
    }

    /// ACTOR-4 for actors that nobody remembers.
    fn tell_unknown(&mut self, from: u64, actor_id: Vec<u8>) {
        let message = "no such actor is known; it ended long ago, or belongs to another job".to_owned();
        let death = Some(Death { kind: "unknown".to_owned(), message, ..Death::default() });
        let update = ActorUpdate { actor_id, state: "dead".to_owned(), death, ..ActorUpdate::default() };
        self.send(from, Kind::ActorUpdate, &update);
    }
}
