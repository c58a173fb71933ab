//! Actors end: killed, out of scope, crashed, or with their creator.

use crate::actors::rests::rest_us;
use crate::actors::{Actor, ActorState, Actors, Death, Effect};
use trygon_ids::{ActorId, WorkerId};

/// Its node was drained: the life that ended does not count.
const DRAINED: &str = "drained";
/// Causes after which an actor does not come back: it, or its program, wanted to end.
const FINAL_KINDS: [&str; 4] = ["user_exit", "out_of_scope", "constructor", "placement_group_removed"];

/// Causes that say nothing of the constructor.
const OUTER_KINDS: [&str; 3] = ["node", DRAINED, "killed"];

impl Actors {
    /// `kill()`: with `no_restart` for good, else as if it had crashed.
    pub fn on_kill(&mut self, actor: ActorId, no_restart: bool, effects: &mut Vec<Effect>) {
        let is_over = |entry: &&Actor| entry.is_dead() && !self.defects.dies_again;
        let Some(entry) = self.actors.get(&actor).filter(|entry| !is_over(entry)) else {
            return;
        };
        let message = format!("{} was killed by `kill()`", entry.spec.class_name);
        if !no_restart && let Some(worker) = entry.worker() {
            effects.push(Effect::Kill { worker, kind: "killed", message });
        } else if no_restart {
            self.end_now(actor, "killed", message, effects);
        }
    }

    /// The last handle is gone. An actor that has a worker finishes its queue first.
    pub fn on_out_of_scope(&mut self, actor: ActorId, effects: &mut Vec<Effect>) {
        let Some(entry) = self.actors.get_mut(&actor) else {
            return;
        };
        if entry.spec.detached {
            return;
        }
        match entry.state {
            ActorState::Dead { .. } => {}
            ActorState::Constructing { .. } => entry.out_of_scope = true,
            ActorState::Alive { worker } => {
                entry.out_of_scope = true;
                effects.push(Effect::Drain { worker });
            }
            ActorState::Pending { .. } => {
                let message = format!("the last handle of {} is gone", entry.spec.class_name);
                self.end_now(actor, "out_of_scope", message, effects);
            }
        }
    }

    /// A process is gone: as an actor's worker, as a creator and as a watcher.
    pub fn on_process_died(&mut self, process: WorkerId, death: &Death, effects: &mut Vec<Effect>) {
        if let Some(actor) = self.by_worker.remove(&process) {
            self.on_worker_died(actor, death, effects);
        }
        let children = self.by_creator.remove(&process).unwrap_or_default();
        for actor in children.into_iter().filter(|_| !self.defects.orphans_kept).collect::<Vec<_>>() {
            // ACTOR-5
            let message = format!("the process that created it (pid {}) is dead: {}", death.pid, death.message);
            self.end_now(actor, "owner_died", message, effects);
        }
        for actor in self.by_watcher.remove(&process).unwrap_or_default() {
            if let Some(actor) = self.actors.get_mut(&actor) {
                actor.watchers.remove(&process);
            }
        }
    }

    fn on_worker_died(&mut self, actor: ActorId, death: &Death, effects: &mut Vec<Effect>) {
        let Some(entry) = self.actors.get_mut(&actor) else {
            return;
        };
        if entry.is_dead() {
            return;
        }
        let is_moved = death.kind == DRAINED && entry.may_move();
        if FINAL_KINDS.contains(&death.kind.as_str()) || !(is_moved || entry.may_restart(self.defects.one_more_life)) {
            self.end(actor, death.clone(), Vec::new(), effects);
            return;
        }
        // ACTOR-2
        entry.incarnation += u32::from(!self.defects.same_life);
        entry.drained += u32::from(is_moved);
        if matches!(entry.state, ActorState::Constructing { .. }) && !OUTER_KINDS.contains(&death.kind.as_str()) {
            entry.stillborn = entry.stillborn.saturating_add(1);
        }
        entry.state = ActorState::Pending { restart: Some(death.clone()) };
        let rest_us = self.rest_us(actor);
        if let Some(entry) = self.actors.get_mut(&actor).filter(|_| rest_us > 0) {
            entry.waits = format!(
                "its process has died in its constructor {} times in a row, the last time because {}; it is started again {:.1} s after that",
                entry.stillborn,
                death.message,
                rest_us as f64 / 1e6
            );
        }
        self.notify_all(actor, effects);
        effects.push(if rest_us > 0 { Effect::Rest { actor, rest_us } } else { Effect::Place { actor } });
    }

    /// ACTOR-6: how long it rests before its next life.
    fn rest_us(&self, actor: ActorId) -> u64 {
        let stillborn = self.actors.get(&actor).map_or(0, |entry| entry.stillborn);
        match (self.defects.restless, self.defects.rests_even) {
            (true, _) => 0,
            (_, true) => rest_us(stillborn.min(2), actor),
            _ => rest_us(stillborn, actor),
        }
    }

    /// No worker will ever be found for it; `kind` and `message` are the one cause.
    pub fn on_refused(&mut self, actor: ActorId, kind: &str, message: String, effects: &mut Vec<Effect>) {
        let is_pending = |entry: &&Actor| matches!(entry.state, ActorState::Pending { .. });
        if self.actors.get(&actor).filter(is_pending).is_some() {
            let death = Death { kind: kind.to_owned(), message, ..Death::default() };
            self.end(actor, death, Vec::new(), effects);
        }
    }

    /// Ends an actor whatever it does: its worker, if it has one, is killed.
    fn end_now(&mut self, actor: ActorId, kind: &'static str, message: String, effects: &mut Vec<Effect>) {
        let Some(entry) = self.actors.get(&actor) else {
            return;
        };
        let worker = entry.worker();
        let death = Death { kind: kind.to_owned(), message: message.clone(), ..Death::default() };
        match worker {
            Some(worker) => effects.push(Effect::Kill { worker, kind, message }),
            None => effects.push(Effect::Unplace { actor }),
        }
        self.end(actor, death, Vec::new(), effects);
    }

    /// ACTOR-4: the one way into the last state.
    pub(crate) fn end(&mut self, actor: ActorId, death: Death, error: Vec<u8>, effects: &mut Vec<Effect>) {
        let Some(entry) = self.actors.get_mut(&actor) else {
            return;
        };
        if let Some(worker) = entry.worker() {
            self.by_worker.remove(&worker);
        }
        entry.state = ActorState::Dead { death, error };
        entry.spec.arguments = Vec::new();
        if !entry.spec.name.is_empty() && !self.defects.name_kept {
            self.names.remove(&(entry.spec.namespace.clone(), entry.spec.name.clone()));
        }
        if entry.spec.detached {
            self.ended.push(actor);
        }
        let creator = entry.spec.creator;
        if let Some(children) = self.by_creator.get_mut(&creator) {
            children.remove(&actor);
            if children.is_empty() {
                self.by_creator.remove(&creator);
            }
        }
        if !self.defects.end_unheard {
            self.notify_all(actor, effects);
        }
        self.dead.push_back(actor);
        while self.dead.len() > self.most_dead.0 && !self.defects.dead_kept {
            // RECORD-1
            if let Some(oldest) = self.dead.pop_front() {
                self.forget(oldest);
                if !self.defects.forgets_silently {
                    self.forgotten.push(oldest);
                }
            }
        }
    }

    fn forget(&mut self, actor: ActorId) {
        for watcher in self.actors.remove(&actor).map(|entry| entry.watchers).unwrap_or_default() {
            if let Some(actors) = self.by_watcher.get_mut(&watcher) {
                actors.remove(&actor);
                if actors.is_empty() {
                    self.by_watcher.remove(&watcher);
                }
            }
        }
    }
}
