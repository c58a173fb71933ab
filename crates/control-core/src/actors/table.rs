//! Every actor, by id, by worker and by name.

use crate::actors::{Actor, Effect};
use crate::defects::ActorDefects;
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use trygon_ids::{ActorId, WorkerId};

/// Dead actors that are remembered, so that late handles hear why.
pub(crate) const MAX_DEAD: usize = 10_000;

/// All actors.
#[derive(Debug, Default, serde::Serialize, serde::Deserialize)]
pub struct Actors {
    pub(crate) actors: BTreeMap<ActorId, Actor>,
    pub(crate) by_worker: BTreeMap<WorkerId, ActorId>,
    pub(crate) names: BTreeMap<(String, String), ActorId>,
    /// Actors that live and end with this process.
    pub(crate) by_creator: BTreeMap<WorkerId, BTreeSet<ActorId>>,
    /// Actors that this process watches.
    pub(crate) by_watcher: BTreeMap<WorkerId, BTreeSet<ActorId>>,
    /// Dead actors, the oldest first.
    pub(crate) dead: VecDeque<ActorId>,
    /// Dead actors that are not remembered any more, until somebody takes note.
    pub(crate) forgotten: Vec<ActorId>,
    /// Detached actors that have ended, until somebody takes note.
    #[serde(skip)]
    pub(crate) ended: Vec<ActorId>,
    /// How many dead actors are remembered: fewer in the simulator.
    #[serde(skip)]
    pub(crate) most_dead: MostDead,
    #[serde(skip)]
    pub(crate) defects: ActorDefects,
}

/// How many dead actors are remembered.
#[derive(Debug, Clone, Copy)]
pub(crate) struct MostDead(pub(crate) usize);

impl Default for MostDead {
    fn default() -> Self {
        Self(MAX_DEAD)
    }
}

impl Actors {
    /// Remembers at most so many dead actors, and has planted defects.
    #[doc(hidden)]
    pub fn plant(&mut self, most_dead: usize, defects: ActorDefects) {
        (self.most_dead, self.defects) = (MostDead(most_dead), defects);
    }

    /// An actor that lives or is remembered.
    pub fn get(&self, actor: ActorId) -> Option<&Actor> {
        self.actors.get(&actor)
    }

    /// Actors that were forgotten since this was asked last.
    pub fn take_forgotten(&mut self) -> Vec<ActorId> {
        std::mem::take(&mut self.forgotten)
    }

    /// Detached actors that have ended since this was asked last: what they made ends with them.
    pub fn take_ended(&mut self) -> Vec<ActorId> {
        std::mem::take(&mut self.ended)
    }

    /// The actor that has this name.
    pub fn named(&self, namespace: &str, name: &str) -> Option<&Actor> {
        self.names.get(&(namespace.to_owned(), name.to_owned())).and_then(|actor| self.actors.get(actor))
    }

    /// Namespaces and names that are taken.
    pub fn names(&self) -> impl Iterator<Item = (&str, &str)> {
        self.names.keys().map(|(namespace, name)| (namespace.as_str(), name.as_str()))
    }

    /// Every actor.
    pub fn iter(&self) -> impl Iterator<Item = (&ActorId, &Actor)> {
        self.actors.iter()
    }

    /// The actor that this worker is.
    pub fn on_worker(&self, worker: WorkerId) -> Option<ActorId> {
        self.by_worker.get(&worker).copied()
    }

    /// Processes whose ids begin so, as far as anything depends on them: workers of actors, creators, watchers.
    pub fn processes_of(&self, prefix: &[u8]) -> BTreeSet<WorkerId> {
        let mut first = [0; WorkerId::LEN];
        first[..prefix.len()].copy_from_slice(prefix);
        let first = WorkerId::new(first);
        let is_of = |worker: &&WorkerId| worker.as_bytes().starts_with(prefix);
        let workers = self.by_worker.range(first..).map(|(worker, _)| worker).take_while(is_of);
        let creators = self.by_creator.range(first..).map(|(worker, _)| worker).take_while(is_of);
        let watchers = self.by_watcher.range(first..).map(|(worker, _)| worker).take_while(is_of);
        workers.chain(creators).chain(watchers).copied().collect()
    }

    /// Notes why an actor waits for a worker.
    pub fn note_waits(&mut self, actor: ActorId, message: String) {
        if let Some(actor) = self.actors.get_mut(&actor) {
            actor.waits = message;
        }
    }

    pub(crate) fn notify_all(&self, actor: ActorId, effects: &mut Vec<Effect>) {
        let watchers = self.actors.get(&actor).into_iter().flat_map(|entry| &entry.watchers);
        effects.extend(watchers.map(|watcher| Effect::Notify { watcher: *watcher, actor }));
    }

    /// Says which law is broken, if one is.
    pub fn sanity_check(&self) -> Result<(), String> {
        for ((namespace, name), id) in &self.names {
            let Some(actor) = self.actors.get(id) else {
                return Err(format!("ACTOR-1: {name} names nothing"));
            };
            if actor.is_dead() || actor.spec.name != *name || actor.spec.namespace != *namespace {
                return Err(format!("ACTOR-1: {name} names an actor that is dead or called differently"));
            }
        }
        let has_its_name = |(id, actor): (&ActorId, &Actor)| {
            let key = || (actor.spec.namespace.clone(), actor.spec.name.clone());
            actor.is_dead() || actor.spec.name.is_empty() || self.names.get(&key()) == Some(id)
        };
        if !self.actors.iter().all(has_its_name) {
            return Err("ACTOR-1: two actors that live have one name".to_owned());
        }
        for (id, actor) in &self.actors {
            if actor.worker().is_some_and(|worker| self.by_worker.get(&worker) != Some(id)) {
                return Err("ACTOR-3: the worker of an actor is not known as such".to_owned());
            }
            let limit = actor.spec.max_restarts;
            if limit >= 0 && i64::from(actor.restarts()) > limit {
                return Err(format!("ACTOR-2: life {} with {limit} restarts allowed", actor.incarnation));
            }
        }
        for (id, actor) in &self.actors {
            let is_child = self.by_creator.get(&actor.spec.creator).is_some_and(|children| children.contains(id));
            if is_child == (actor.is_dead() || actor.spec.detached) {
                return Err("ACTOR-5: an actor's creator is not known as such".to_owned());
            }
            let is_watched = |watcher| self.by_watcher.get(watcher).is_some_and(|actors| actors.contains(id));
            if !actor.watchers.iter().all(is_watched) {
                return Err("ACTOR-4: a watcher is not known as such".to_owned());
            }
        }
        if self.by_worker.iter().any(|(worker, id)| self.actors.get(id).and_then(Actor::worker) != Some(*worker)) {
            return Err("ACTOR-3: a worker is an actor that is elsewhere".to_owned());
        }
        let dead = self.actors.values().filter(|actor| actor.is_dead()).count();
        if dead != self.dead.len() {
            return Err(format!("ACTOR-4: {dead} actors are dead, {} are listed", self.dead.len()));
        }
        if dead > self.most_dead.0 {
            return Err(format!("RECORD-1: {dead} dead actors are remembered"));
        }
        Ok(())
    }
}
