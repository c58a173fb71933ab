//! Cancelling: what waits is dropped at once, what was sent is taken back or interrupted by its worker, and nothing that was cancelled is
//! tried again (CANCEL-1).
//!
//! A task that waits in a queue is completed where it stands; the queue goes on naming its slot until it comes to it, or until half of the
//! queue is such tasks. So cancelling costs the same however long the queue is.

use crate::effect::{Cancel, Effect, Outbox};
use crate::entry::{Phase, Value};
use crate::error_value::{SystemError, error_summary};
use crate::numbers::{ActorIndex, PeerIndex};
use crate::on_done::Returned;
use crate::state::{ActorState, Core};

/// What cancelling did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum CancelOutcome {
    /// Nothing: the object is no task's, or its task has ended.
    Finished,
    /// It had not been sent: its results are the error now.
    Dropped,
    /// Its worker was asked.
    Asked,
    /// Nothing: the process of an actor is not ended for one call.
    ActorForced,
}

impl Core {
    /// Cancels the task of an own object.
    pub fn cancel<O: Outbox>(&mut self, slot: u32, generation: u32, how: Cancel, outbox: &mut O) -> CancelOutcome {
        let Some(entry) = self.table.get_mut(slot, generation).filter(|entry| !entry.is_put) else {
            return CancelOutcome::Finished;
        };
        let actor = self.functions[entry.function.0].actor;
        if how.force && actor.is_some() {
            return CancelOutcome::ActorForced;
        }
        match (entry.phase, actor) {
            (Phase::Free | Phase::Done | Phase::Dropped, _) => return CancelOutcome::Finished,
            (Phase::WaitsForArguments | Phase::Delayed, None) => self.fail_cancelled(slot, outbox),
            (Phase::WaitsForArguments, Some(actor)) if self.actors[actor.0].order.out_of_order => {
                // It is in no queue yet.
                self.actors[actor.0].waiting -= 1;
                self.fail_cancelled(slot, outbox);
                self.pump_actor(actor, outbox);
            }
            (Phase::WaitsForArguments | Phase::Queued | Phase::Delayed, Some(actor)) => {
                self.drop_call(actor, slot, outbox)
            }
            (Phase::Queued, None) => self.drop_task(self.class_of_task(slot), slot, outbox),
            (Phase::Pushed, actor) => {
                entry.cancelled = true;
                return self.cancel_pushed(slot, actor, how, outbox);
            }
        }
        CancelOutcome::Dropped
    }

    fn cancel_pushed<O: Outbox>(
        &mut self,
        slot: u32,
        actor: Option<ActorIndex>,
        how: Cancel,
        outbox: &mut O,
    ) -> CancelOutcome {
        if let Some(actor) = actor {
            let interrupted = &mut self.actors[actor.0].interrupted;
            if let Some(position) = interrupted.iter().position(|waiting| *waiting == slot) {
                interrupted.remove(position);
                self.fail_cancelled(slot, outbox);
                self.pump_actor(actor, outbox);
                return CancelOutcome::Dropped;
            }
        }
        let entry = self.table.at(slot);
        if let Some(peer) = self.worker_of_pushed(entry.lease, actor) {
            let (generation, attempt) = (entry.generation, entry.attempt);
            self.effects.push(Effect::Cancel { peer, slot, generation, attempt, how });
        }
        // Without a worker it has died, and what is said of its death settles the task.
        CancelOutcome::Asked
    }

    fn worker_of_pushed(&self, lease: u32, actor: Option<ActorIndex>) -> Option<PeerIndex> {
        let Some(actor) = actor else { return Some(self.leases[lease as usize].peer) };
        match self.actors[actor.0].state {
            ActorState::Alive { peer, .. } => Some(peer),
            _ => None,
        }
    }

    /// Cancels what a call of this process submitted and is not done. An actor's process is never ended for it.
    pub fn cancel_children<O: Outbox>(&mut self, call: u32, force: bool, outbox: &mut O) {
        let children: Vec<(u32, u32, bool)> = self
            .table
            .used()
            .filter(|(_, entry)| entry.parent == call && !entry.is_over())
            .map(|(slot, entry)| {
                let is_call = self.functions[entry.function.0].actor.is_some();
                (slot, entry.generation, is_call)
            })
            .collect();
        for (slot, generation, is_call) in children {
            self.cancel(slot, generation, Cancel { force: force && !is_call, recursive: true }, outbox);
        }
    }

    /// The task's results are the error of a cancelled task.
    pub(crate) fn fail_cancelled<O: Outbox>(&mut self, slot: u32, outbox: &mut O) {
        let entry = self.table.at_mut(slot);
        entry.cancelled = true;
        let generation = entry.generation;
        let name = &self.functions[entry.function.0].name;
        let error = SystemError::new("cancelled")
            .with("name", name)
            .with("task_id", self.task_id(slot, generation).hex())
            .encode();
        self.fail(slot, &error, outbox);
    }

    /// As [`Core::fail_cancelled`], for one that a queue names.
    fn drop_queued<O: Outbox>(&mut self, slot: u32, outbox: &mut O) {
        self.begin_drop(slot);
        self.fail_cancelled(slot, outbox);
    }

    /// From here on, because those that wait for its result are told before it is settled, and set the queue going.
    fn begin_drop(&mut self, slot: u32) {
        self.table.at_mut(slot).phase = Phase::Dropped;
        self.dropping.push(slot);
    }

    /// Whether a queue still names a task that is being dropped.
    pub(crate) fn forget_dropping(&mut self, slot: u32) -> bool {
        let position = self.dropping.iter().rposition(|dropping| *dropping == slot);
        position.map(|position| self.dropping.swap_remove(position)).is_some()
    }

    fn drop_task<O: Outbox>(&mut self, class: u32, slot: u32, outbox: &mut O) {
        self.classes[class as usize].dropped += 1;
        self.drop_queued(slot, outbox);
        let queues = &mut self.classes[class as usize];
        if queues.dropped as usize * 2 >= queues.queue.len() {
            queues.dropped = 0;
            let mut queue = std::mem::take(&mut queues.queue);
            queue.retain(|queued| !self.forget_dropped(*queued));
            // Nothing is queued meanwhile: what is set free here was an argument, not a task.
            self.classes[class as usize].queue = queue;
            self.request_leases(class);
        }
    }

    fn drop_call<O: Outbox>(&mut self, actor: ActorIndex, slot: u32, outbox: &mut O) {
        self.actors[actor.0].dropped += 1;
        self.drop_queued(slot, outbox);
        self.forget_dropped_calls(actor);
        // It may have held later calls back.
        self.pump_actor(actor, outbox);
    }

    /// A call whose argument failed fails at once, wherever it stands. What fails many of them costs each the same.
    pub(crate) fn fail_call<O: Outbox>(&mut self, actor: ActorIndex, slot: u32, error: &[u8], outbox: &mut O) {
        let calls = &mut self.actors[actor.0];
        if calls.order.out_of_order {
            // It is in no queue yet.
            calls.waiting -= 1;
        } else {
            calls.dropped += 1;
            self.begin_drop(slot);
        }
        self.fail(slot, error, outbox);
        self.forget_dropped_calls(actor);
        self.pump_actor(actor, outbox);
    }

    /// Takes the dropped calls out of a queue when half of it is such calls.
    fn forget_dropped_calls(&mut self, actor: ActorIndex) {
        let calls = &mut self.actors[actor.0];
        if calls.dropped as usize * 2 >= calls.queue.len() {
            calls.dropped = 0;
            let mut queue = std::mem::take(&mut calls.queue);
            queue.retain(|queued| !self.forget_dropped(*queued));
            self.actors[actor.0].queue = queue;
        }
    }

    /// The queue names a dropped task no more: its slot is free. False when the task was not dropped.
    fn forget_dropped(&mut self, slot: u32) -> bool {
        if self.table.at(slot).phase != Phase::Dropped {
            return false;
        }
        // One that is being dropped is settled first.
        if !self.forget_dropping(slot) {
            self.table.at_mut(slot).phase = Phase::Done;
            self.collect(slot);
        }
        true
    }

    /// The first task of a class's queue that was not dropped; those before it leave the queue.
    pub(crate) fn first_queued(&mut self, class: u32) -> Option<u32> {
        loop {
            let first = self.classes[class as usize].queue.front().copied()?;
            if !self.forget_dropped(first) {
                return Some(first);
            }
            let class = &mut self.classes[class as usize];
            class.queue.pop_front();
            class.dropped -= 1;
        }
    }

    /// As [`Core::first_queued`], for the calls of an actor.
    pub(crate) fn first_call(&mut self, index: ActorIndex) -> Option<u32> {
        loop {
            let first = self.actors[index.0].queue.front().copied()?;
            if !self.forget_dropped(first) {
                return Some(first);
            }
            let actor = &mut self.actors[index.0];
            actor.queue.pop_front();
            actor.dropped -= 1;
        }
    }

    /// A task is tried again because user code raised.
    pub(crate) fn note_raised(&mut self, slot: u32, returns: &[Returned]) {
        let summary = match returns.first() {
            Some(Returned { value: Value::Error(error), .. }) => error_summary(error).unwrap_or("an error"),
            _ => "an error",
        };
        let reason = format!("it raised {summary}");
        self.note_retry(slot, &reason);
    }

    /// A task that used up a retry is tried again: for the record and for whoever reads the log.
    pub(crate) fn note_retry(&mut self, slot: u32, reason: &str) {
        let entry = self.table.at(slot);
        let (generation, attempt, function, left) =
            (entry.generation, entry.attempt, entry.function, entry.retries_left);
        // A call's is a ticket.
        let lease = entry.lease as usize;
        self.effects.push(Effect::TaskEnded { slot, generation, state: "RETRIED", attempt, function });
        let peer = match self.functions[function.0].actor {
            Some(actor) => self.actors[actor.0].sent_to,
            None => self.leases.get(lease).map(|lease| lease.peer),
        };
        let reason = reason.to_owned();
        self.effects.push(Effect::Retried { slot, generation, peer, function, attempt, left, reason });
    }
}
