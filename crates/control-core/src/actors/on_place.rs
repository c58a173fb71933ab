//! An actor gets its worker, and its constructor ends.

use crate::actors::{ActorState, Actors, Death, Effect};
use trygon_ids::{ActorId, WorkerId};

impl Actors {
    /// A worker was found. False: the actor does not want it any more (ACTOR-3); the worker is free for others to end.
    pub fn on_placed(&mut self, actor: ActorId, incarnation: u32, worker: WorkerId, effects: &mut Vec<Effect>) -> bool {
        // A worker has one actor.
        if self.by_worker.get(&worker).is_some_and(|other| *other != actor) {
            return false;
        }
        let Some(entry) = self.actors.get_mut(&actor) else {
            return false;
        };
        let ActorState::Pending { restart } = &mut entry.state else {
            return false;
        };
        if entry.incarnation != incarnation && !self.defects.life_ignored {
            return false;
        }
        let restart = restart.take();
        entry.waits.clear();
        entry.state = ActorState::Constructing { worker, restart };
        self.by_worker.insert(worker, actor);
        effects.push(Effect::Start { actor, worker });
        true
    }

    /// The constructor is done; `error` is what it raised, encoded, or empty.
    pub fn on_started(
        &mut self,
        from: WorkerId,
        actor: ActorId,
        incarnation: u32,
        error: Vec<u8>,
        effects: &mut Vec<Effect>,
    ) {
        let Some(entry) = self.actors.get_mut(&actor) else {
            return;
        };
        let ActorState::Constructing { worker, .. } = entry.state else {
            return;
        };
        if (worker != from || entry.incarnation != incarnation) && !self.defects.start_ignored {
            return;
        }
        if !error.is_empty() {
            let message = format!("the constructor of {} raised", entry.spec.class_name);
            let death = Death { kind: "constructor".to_owned(), message: message.clone(), ..Death::default() };
            self.end(actor, death, error, effects);
            effects.push(Effect::Kill { worker, kind: "constructor", message });
            return;
        }
        entry.state = ActorState::Alive { worker };
        entry.stillborn = 0;
        let out_of_scope = entry.out_of_scope;
        effects.push(Effect::Running { worker });
        self.notify_all(actor, effects);
        if out_of_scope {
            effects.push(Effect::Drain { worker });
        }
    }
}
