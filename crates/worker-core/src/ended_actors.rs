//! Actors that ended: remembered for a while, so that their calls fail at once and with their cause, then forgotten.

use crate::calls_in_flight::CallsInFlight;
use crate::effect::Effect;
use crate::error_value::SystemError;
use crate::numbers::ActorIndex;
use crate::remembered::Registry;
use crate::state::{Actor, ActorState, CallOrder, Core, Function};
use std::collections::VecDeque;
use trygon_ids::ActorId;

/// Of so many dead actors a process remembers the cause itself. Of others it asks again.
const REMEMBERED: usize = 1_000;
/// The number of an actor that never was: what is forgotten is its method.
const NOBODY: ActorIndex = ActorIndex(0);

impl Actor {
    pub(crate) fn new(id: ActorId, state: ActorState) -> Self {
        Self {
            id,
            state,
            methods: Vec::new(),
            queue: VecDeque::new(),
            dropped: 0,
            in_flight: CallsInFlight::default(),
            sent_to: None,
            interrupted: Vec::new(),
            next_sequence: 0,
            order: CallOrder::default(),
            waiting: 0,
            pinned: Vec::new(),
            handle: None,
            holds_handle: false,
        }
    }

    /// No actors. The forgotten one is dead: a call of it that comes too late fails.
    pub(crate) fn registry() -> Registry<Self> {
        let error =
            SystemError::new("actor_died").with("message", "the actor ended long ago, and its cause is forgotten");
        let nobody = || Self::new(ActorId::nil(), ActorState::Dead { error: error.encode() });
        let mut registry = Registry::new(nobody());
        registry.push(nobody());
        registry.forget(NOBODY.0);
        registry
    }
}

impl Function {
    /// What stands for forgotten methods.
    pub(crate) fn forgotten() -> Self {
        Self { name: String::new(), class: u32::MAX, actor: Some(NOBODY), average_ns: 0, one_at_a_time: false }
    }
}

impl Core {
    /// Forgets the actors that ended first, when there are many.
    pub(crate) fn forget_ended_actors(&mut self) {
        while self.ended_actors.len() > REMEMBERED {
            let Some(index) = self.ended_actors.pop_front() else { return };
            // Its calls are failing at this moment, one after the other.
            if self.pending_calls(index) > 0 {
                return self.ended_actors.push_back(index);
            }
            let actor = &mut self.actors[index.0];
            let (id, functions) = (actor.id, std::mem::take(&mut actor.methods));
            for function in &functions {
                self.functions.forget(function.0);
            }
            self.actors.forget(index.0);
            self.actor_of.remove(&id);
            self.effects.push(Effect::MethodsForgotten { functions });
        }
    }

    /// Nobody has a handle of the actor any more.
    pub(crate) fn on_handles_gone(&mut self, index: ActorIndex) {
        if self.actors.is_known(index.0) {
            let actor = self.actors[index.0].id;
            self.effects.push(Effect::ActorOutOfScope { actor, index });
        }
    }
}
