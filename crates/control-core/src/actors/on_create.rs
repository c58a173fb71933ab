//! Actors are created, found by name and watched.

use crate::actors::{Actor, ActorSpec, ActorState, Actors, Effect};
use std::collections::BTreeSet;
use trygon_ids::{ActorId, WorkerId};

/// Whether an actor was registered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Created {
    /// It is registered; its creator watches it.
    Registered,
    /// The name is taken by this actor.
    NameTaken(ActorId),
    /// The same actor was registered before; nothing changed.
    Duplicate,
}

impl Actors {
    /// ACTOR-1: registers an actor unless its name is taken.
    pub fn on_create(&mut self, spec: ActorSpec, effects: &mut Vec<Effect>) -> Created {
        if self.actors.contains_key(&spec.actor) {
            return Created::Duplicate;
        }
        if !spec.name.is_empty() {
            let key = (spec.namespace.clone(), spec.name.clone());
            if let Some(taken) = self.names.get(&key).filter(|_| !self.defects.name_shared) {
                return Created::NameTaken(*taken);
            }
            self.names.insert(key, spec.actor);
        }
        let actor = spec.actor;
        let watchers = BTreeSet::from([spec.creator]);
        self.by_watcher.entry(spec.creator).or_default().insert(actor);
        if !spec.detached {
            self.by_creator.entry(spec.creator).or_default().insert(actor);
        }
        let state = ActorState::Pending { restart: None };
        self.actors.insert(
            actor,
            Actor {
                spec,
                state,
                incarnation: 0,
                drained: 0,
                stillborn: 0,
                waits: String::new(),
                watchers,
                out_of_scope: false,
            },
        );
        effects.push(Effect::Place { actor });
        Created::Registered
    }

    /// A process wants to hear of an actor. False: there is no such actor, or it is forgotten.
    pub fn on_watch(&mut self, watcher: WorkerId, actor: ActorId, effects: &mut Vec<Effect>) -> bool {
        let Some(entry) = self.actors.get_mut(&actor) else {
            return false;
        };
        entry.watchers.insert(watcher);
        self.by_watcher.entry(watcher).or_default().insert(actor);
        effects.push(Effect::Notify { watcher, actor });
        true
    }
}
