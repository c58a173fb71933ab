//! Questions to the daemon, each waited for.

use crate::answer::Answer;
use crate::engine::Engine;
use crate::runtime::Runtime;
use crate::wait::{Outcome, Patience};
use trygon_ids::ActorId;
use trygon_wire::{Kind, Message, control};
use trygon_worker_core::{ActorState, SystemError};

/// Why there is no answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RequestError {
    /// The daemon is gone.
    Closed,
    /// A signal may have come: the question is withdrawn.
    Interrupted,
    /// The daemon refused, with a sentence for people.
    Refused(String),
    /// The head has no room to keep the change, with a sentence for people.
    OutOfDisk(String),
}

/// Whether the key existed, its value, and keys for `list`.
pub type KeyValueAnswer = (bool, Vec<u8>, Vec<Vec<u8>>);

/// A named actor that was found.
#[derive(Debug, Clone)]
pub struct NamedActorInfo {
    /// The actor.
    pub actor: ActorId,
    /// Its class's name.
    pub class_name: String,
    /// What a handle needs to know.
    pub handle_meta: Vec<u8>,
}

/// What became of a registration.
#[derive(Debug, Clone)]
pub enum ActorRegistration {
    /// The actor is registered.
    Created,
    /// The name belongs to this living actor.
    Exists(NamedActorInfo),
}

impl Runtime {
    /// Sends a question and waits for its answer.
    pub(crate) fn ask<M: Message>(&self, kind: Kind, build: impl FnOnce(u64) -> M) -> Result<Answer, RequestError> {
        let mut engine = self.lock();
        let request_id = engine.next_request;
        engine.next_request += 1;
        engine.control.send(kind, &build(request_id));
        drop(engine);
        self.await_answer(request_id, &Patience::for_ever())
    }

    pub(crate) fn await_answer(&self, request_id: u64, patience: &Patience) -> Result<Answer, RequestError> {
        loop {
            let arrived = |engine: &mut Engine| engine.answers.contains_key(&request_id) || engine.is_closed();
            let outcome = self.wait(patience, arrived);
            if let Some(answer) = self.lock().answers.remove(&request_id) {
                return match answer {
                    Answer::Failed(message) => Err(RequestError::Refused(message)),
                    answer => Ok(answer),
                };
            }
            match outcome {
                Outcome::Ready | Outcome::TimedOut => return Err(RequestError::Closed),
                // Short questions are answered in microseconds; a signal is looked at right after.
                Outcome::Interrupted => {}
            }
        }
    }

    /// Asks about the node; the answer is JSON.
    pub fn query_state(&self, what: &str, argument: &str) -> Result<String, RequestError> {
        let build =
            |request_id| control::StateQuery { request_id, what: what.to_owned(), argument: argument.to_owned() };
        match self.ask(Kind::StateQuery, build)? {
            Answer::State(reply) if reply.error.is_empty() => Ok(reply.json),
            Answer::State(reply) => Err(RequestError::Refused(reply.error)),
            _ => Err(RequestError::Closed),
        }
    }

    /// One key-value call: whether the key existed, its value, and keys for `list`.
    pub fn key_value(&self, call: control::KeyValueRequest) -> Result<KeyValueAnswer, RequestError> {
        match self.ask(Kind::KeyValueRequest, |request_id| control::KeyValueRequest { request_id, ..call })? {
            Answer::KeyValue(reply) if !reply.out_of_disk.is_empty() => Err(RequestError::OutOfDisk(reply.out_of_disk)),
            Answer::KeyValue(reply) => Ok((reply.existed, reply.value, reply.keys)),
            _ => Err(RequestError::Closed),
        }
    }

    /// Looks up a named actor.
    pub fn named_actor(&self, name: &str, namespace: &str) -> Result<Option<NamedActorInfo>, RequestError> {
        let build =
            |request_id| control::GetNamedActor { request_id, name: name.to_owned(), namespace: namespace.to_owned() };
        match self.ask(Kind::GetNamedActor, build)? {
            Answer::NamedActor(found) => Ok(ActorId::from_bytes(&found.actor_id).ok().map(|actor| NamedActorInfo {
                actor,
                class_name: found.class_name,
                handle_meta: found.handle_meta,
            })),
            _ => Err(RequestError::Closed),
        }
    }

    /// Registers an actor; its class was exported before.
    pub fn create_actor(&self, message: control::CreateActor) -> Result<ActorRegistration, RequestError> {
        match self.ask(Kind::CreateActor, |request_id| control::CreateActor { request_id, ..message })? {
            Answer::ActorCreated(reply) => {
                if !reply.out_of_disk.is_empty() {
                    return Err(RequestError::OutOfDisk(reply.out_of_disk));
                }
                if let Ok(actor) = ActorId::from_bytes(&reply.existing_actor_id) {
                    let class_name = reply.existing_class_name;
                    let handle_meta = reply.existing_handle_meta;
                    return Ok(ActorRegistration::Exists(NamedActorInfo { actor, class_name, handle_meta }));
                }
                if reply.error.is_empty() {
                    Ok(ActorRegistration::Created)
                } else {
                    Err(RequestError::Refused(reply.error))
                }
            }
            _ => Err(RequestError::Closed),
        }
    }

    /// Ends an actor.
    pub fn kill_actor(&self, actor: ActorId, no_restart: bool) {
        let mut engine = self.lock();
        let message = control::KillActor { actor_id: actor.as_bytes().to_vec(), no_restart, out_of_scope: false };
        engine.control.send(Kind::KillActor, &message);
        if no_restart {
            // The caller knows before the daemon does: no call of this process reaches it any more.
            let index = engine.core.actor(actor);
            let error =
                SystemError::new("actor_died").with("actor_id", actor.hex()).with("cause_kind", "killed").encode();
            let state = &mut *engine;
            state.core.on_actor_state(index, ActorState::Dead { error }, &mut state.links);
        }
        engine.settle_and_flush();
    }
}

impl Runtime {
    /// Registers an actor without a name, without waiting.
    pub fn create_unnamed_actor(&self, message: control::CreateActor) {
        let mut engine = self.lock();
        engine.control.send(Kind::CreateActor, &message);
        engine.control.flush();
    }
}
