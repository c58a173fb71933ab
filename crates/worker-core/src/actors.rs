//! Actors as their callers see them: calls leave in the order in which they were made, to whatever life of the actor there is.

use crate::effect::{Effect, Outbox, Task};
use crate::entry::{Phase, Reference};
use crate::error_value::SystemError;
use crate::numbers::{ActorIndex, PeerIndex};
use crate::state::{Actor, ActorState, CallOrder, Core};
use trygon_ids::{ActorId, PUT_INDEX_BIT};

/// Most calls in flight to one actor from one caller; more wait here, where they can still be failed cheaply. Not for an actor that runs
/// several at once: a call beyond the limit may be what the others wait for.
const WINDOW_CALLS: usize = 4096;

/// What a life of an actor had begun when the connection with it was lost.
#[derive(Debug)]
pub(crate) enum Begun {
    /// These calls.
    These(Vec<u32>),
    /// Nobody can say: any call that was sent.
    Unknown,
}

impl Core {
    /// The index of an actor; new ones are watched.
    pub fn actor(&mut self, id: ActorId) -> ActorIndex {
        if let Some(index) = self.actor_of.get(&id) {
            return *index;
        }
        let index = ActorIndex(self.actors.push(Actor::new(id, ActorState::Pending)));
        self.actor_of.insert(id, index);
        self.effects.push(Effect::WatchActor { actor: id });
        index
    }

    /// The constructor of this actor uses these: they stay until the actor is dead (it may be constructed again).
    pub fn pin_for_actor(&mut self, index: ActorIndex, references: &[Reference]) {
        for reference in references {
            self.retain_use(reference);
        }
        self.actors[index.0].pinned.extend_from_slice(references);
    }

    /// What is known of an actor.
    pub fn actor_state(&self, index: ActorIndex) -> &ActorState {
        &self.actors[index.0].state
    }

    /// Calls that wait or are in flight.
    pub fn pending_calls(&self, index: ActorIndex) -> usize {
        let actor = &self.actors[index.0];
        let queued = actor.queue.len() - actor.dropped as usize;
        queued + actor.in_flight.len() + actor.interrupted.len() + actor.waiting
    }

    /// How the actor runs its calls. Settled before the first one; every handle says the same.
    pub fn set_call_order(&mut self, index: ActorIndex, order: CallOrder) {
        if self.pending_calls(index) == 0 {
            self.actors[index.0].order = order;
        }
    }

    /// Pending calls to the actor hold this reference from now on.
    pub fn set_actor_handle(&mut self, index: ActorIndex, handle: &Reference) {
        let actor = &mut self.actors[index.0];
        if actor.handle.is_none() {
            actor.handle = Some(*handle);
        }
    }

    pub(crate) fn enqueue_call(&mut self, index: ActorIndex, slot: u32) {
        let actor = &mut self.actors[index.0];
        if actor.order.out_of_order {
            actor.waiting += 1;
        } else {
            actor.queue.push_back(slot);
        }
        self.settle_handle(index);
    }

    /// A call is made again. It was made before all that wait: one of them may wait for its result.
    pub(crate) fn enqueue_call_again(&mut self, index: ActorIndex, slot: u32) {
        let actor = &mut self.actors[index.0];
        if actor.order.out_of_order {
            actor.waiting += 1;
        } else {
            actor.queue.push_front(slot);
        }
        self.settle_handle(index);
    }

    /// The arguments of a call exist: with calls out of order, it is queued only now.
    pub(crate) fn admit_call(&mut self, index: ActorIndex, slot: u32) {
        let actor = &mut self.actors[index.0];
        if actor.order.out_of_order {
            actor.waiting -= 1;
            actor.queue.push_back(slot);
        }
    }

    /// The first call waits for its arguments again: in its place, or in no queue with calls out of order.
    fn take_back(&mut self, index: ActorIndex, slot: u32) {
        let actor = &mut self.actors[index.0];
        debug_assert_eq!(actor.queue.front(), Some(&slot));
        if actor.order.out_of_order {
            actor.queue.pop_front();
            actor.waiting += 1;
        }
    }

    /// The handle is held while calls are pending, also when the program has dropped its own.
    pub(crate) fn settle_handle(&mut self, index: ActorIndex) {
        let is_pending = self.pending_calls(index) > 0;
        let actor = &mut self.actors[index.0];
        let Some(handle) = actor.handle.filter(|_| actor.holds_handle != is_pending) else { return };
        if !is_pending {
            actor.holds_handle = false;
            self.release_use(&handle);
        } else {
            // A call that is made again, because its result was lost, may find the last handle gone.
            let is_held = self.retain_use(&handle);
            self.actors[index.0].holds_handle = is_held;
        }
    }

    /// Puts a call back before all others: it was made before them.
    pub(crate) fn requeue_call(&mut self, index: ActorIndex, slot: u32) {
        self.actors[index.0].queue.push_front(slot);
    }

    pub(crate) fn on_call_ended(&mut self, index: ActorIndex, slot: u32) {
        let ticket = self.table.at(slot).lease;
        self.actors[index.0].in_flight.remove(ticket, slot);
    }

    /// Sends what may be sent, in order; fails everything when the actor is dead.
    pub(crate) fn pump_actor<O: Outbox>(&mut self, index: ActorIndex, outbox: &mut O) {
        self.send_calls(index, outbox);
        self.settle_handle(index);
    }

    fn send_calls<O: Outbox>(&mut self, index: ActorIndex, outbox: &mut O) {
        loop {
            let first = self.first_call(index);
            let actor = &mut self.actors[index.0];
            let peer = match &actor.state {
                ActorState::Alive { peer, .. } if actor.order.concurrent || actor.in_flight.len() < WINDOW_CALLS => {
                    *peer
                }
                ActorState::Dead { error } => {
                    let error = error.clone();
                    return self.fail_calls(index, &error, outbox);
                }
                _ => return,
            };
            // A call whose arguments are late holds later calls of this caller back.
            let Some(slot) = first.filter(|slot| self.table.at(*slot).phase == Phase::Queued) else { return };
            if self.waits_again(slot) {
                self.take_back(index, slot);
                continue;
            }
            let actor = &mut self.actors[index.0];
            actor.queue.pop_front();
            if self.fail_if_argument_failed(slot, outbox) {
                continue;
            }
            let actor = &mut self.actors[index.0];
            let ticket = actor.in_flight.push(slot);
            actor.sent_to = Some(peer);
            let sequence = actor.next_sequence;
            actor.next_sequence += 1;
            let entry = self.table.at_mut(slot);
            entry.phase = Phase::Pushed;
            entry.lease = ticket;
            self.with_payload(slot, |core, payload| {
                let entry = core.table.at(slot);
                let task = Task {
                    slot,
                    generation: entry.generation,
                    attempt: entry.attempt,
                    function: entry.function,
                    sequence,
                    lease_id: 0,
                    num_returns: entry.num_returns,
                    depth: entry.depth,
                    is_actor_call: true,
                    is_retriable: entry.retries_left != 0,
                    payload,
                };
                outbox.push(peer, &task);
            });
        }
    }

    fn fail_calls<O: Outbox>(&mut self, index: ActorIndex, error: &[u8], outbox: &mut O) {
        for slot in std::mem::take(&mut self.actors[index.0].interrupted) {
            self.fail(slot, error, outbox);
        }
        // One at a time: a call that fails takes those with it that wait for its result.
        while let Some(slot) = self.first_call(index) {
            self.actors[index.0].queue.pop_front();
            self.fail(slot, error, outbox);
        }
    }

    /// The control service said what became of an actor.
    pub fn on_actor_state<O: Outbox>(&mut self, index: ActorIndex, state: ActorState, outbox: &mut O) {
        let actor = &mut self.actors[index.0];
        if matches!(actor.state, ActorState::Dead { .. }) {
            return;
        }
        // The same life may be told twice: its calls are counted on.
        if matches!(state, ActorState::Alive { .. }) && actor.state != state {
            actor.next_sequence = 0;
        }
        actor.state = state;
        if matches!(actor.state, ActorState::Dead { .. }) {
            self.ended_actors.push_back(index);
            for reference in std::mem::take(&mut self.actors[index.0].pinned) {
                self.release_use(&reference);
            }
        }
        self.settle_interrupted(index, outbox);
        self.pump_actor(index, outbox);
        self.forget_ended_actors();
    }

    /// Calls that a dead life had started are retried, or fail as unavailable.
    fn settle_interrupted<O: Outbox>(&mut self, index: ActorIndex, outbox: &mut O) {
        let actor = &mut self.actors[index.0];
        let error = match &actor.state {
            ActorState::Restarting { error } => error.clone(),
            ActorState::Alive { .. } => SystemError::new("actor_unavailable")
                .with("actor_id", actor.id.hex())
                .with("message", "the actor's process died while this call ran; the actor was restarted")
                .encode(),
            ActorState::Pending | ActorState::Dead { .. } => return,
        };
        self.settle_interrupted_with(index, &error, outbox);
    }

    fn settle_interrupted_with<O: Outbox>(&mut self, index: ActorIndex, error: &[u8], outbox: &mut O) {
        let interrupted = std::mem::take(&mut self.actors[index.0].interrupted);
        // From the back, because each goes to the front of the queue.
        for slot in interrupted.into_iter().rev() {
            if self.table.at(slot).cancelled {
                self.fail_cancelled(slot, outbox);
            } else if self.take_retry(slot) {
                self.note_retry(slot, "its actor's process died, or was out of reach, while it ran");
                self.resubmit(slot, true, outbox);
            } else {
                self.fail(slot, error, outbox);
            }
        }
    }

    /// The connection of an actor's life is gone. What it had begun may have run; the others were not started and wait for the next life.
    /// `unreachable` is the error of those that may not run again when the actor lives as far as is known; otherwise its next state says what
    /// becomes of them.
    pub(crate) fn on_actor_connection_lost<O: Outbox>(
        &mut self,
        index: ActorIndex,
        peer: PeerIndex,
        begun: &Begun,
        unreachable: Option<&[u8]>,
        outbox: &mut O,
    ) {
        let actor = &mut self.actors[index.0];
        let may_have_run = |slot: &u32| match begun {
            Begun::These(started) => started.contains(slot),
            Begun::Unknown => true,
        };
        let (mut cancelled, mut interrupted) = (Vec::new(), Vec::new());
        for slot in actor.in_flight.take().into_iter().rev() {
            let entry = self.table.at_mut(slot);
            if entry.cancelled {
                cancelled.push(slot);
            } else if actor.order.concurrent || may_have_run(&slot) {
                interrupted.push(slot);
            } else {
                // Sent but not started: the same call, so that a late reply of the dead life cannot be taken for it.
                entry.attempt += 1;
                entry.phase = Phase::Queued;
                actor.queue.push_front(slot);
            }
        }
        interrupted.reverse();
        actor.interrupted.splice(0..0, interrupted);
        if matches!(actor.state, ActorState::Alive { peer: alive, .. } if alive == peer) {
            actor.state = ActorState::Pending;
            if let Some(error) = unreachable {
                // It may live on, with nobody to tell: whoever asks hears how it is, and is connected with it again.
                self.effects.push(Effect::WatchActor { actor: actor.id });
                self.settle_interrupted_with(index, error, outbox);
            }
        } else {
            self.settle_interrupted(index, outbox);
        }
        // Only now: whoever waits for one of them sets the queue going, and nothing may be sent to the dead.
        for slot in cancelled {
            self.fail_cancelled(slot, outbox);
        }
        self.pump_actor(index, outbox);
    }

    /// The reference that counts an actor's handles, as its creator made it.
    pub fn handle_reference(&self, slot: u32, generation: u32) -> Reference {
        let object = self.task_id(slot, generation).object(PUT_INDEX_BIT);
        Reference { object, owner: self.identity.worker }
    }
}
