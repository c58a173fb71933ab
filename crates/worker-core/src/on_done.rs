//! A task ended: its results are recorded, whoever waited is told, and its worker gets more to do.

use crate::effect::{Effect, Outbox};
use crate::entry::{Lineage, Phase, Reference, Value};
use crate::retry_delays::Failure;
use crate::state::{Core, LeaseState};
use trygon_ids::{ObjectId, WorkerId};

/// One result.
#[derive(Debug)]
pub struct Returned {
    /// The value, or the error in its place.
    pub value: Value,
    /// References inside it, which the executor has lent to this process.
    pub contained: Vec<Reference>,
}

/// A reply.
#[derive(Debug, Clone, Copy)]
pub struct Reply {
    /// The task's slot.
    pub slot: u32,
    /// Its generation.
    pub generation: u32,
    /// Which attempt ended.
    pub attempt: u32,
    /// How long it ran.
    pub execution_ns: u32,
    /// Whether user code raised: the first result is the error.
    pub raised: bool,
    /// It ended because it was cancelled; there are no results, or an error that says where.
    pub cancelled: bool,
    /// The worker exits now (`max_calls`).
    pub exiting: bool,
}

impl Core {
    /// A reply arrived. `returns` is emptied. OWN-7: a reply that is not this attempt's changes nothing but what it brought.
    pub fn on_done<O: Outbox>(
        &mut self,
        reply: &Reply,
        returns: &mut Vec<Returned>,
        kept: &[Reference],
        executor: WorkerId,
        now_ns: u64,
        outbox: &mut O,
    ) {
        let takes_any = self.defects.no_attempt_check;
        let current = self
            .table
            .get(reply.slot, reply.generation)
            .filter(|entry| entry.phase == Phase::Pushed && (entry.attempt == reply.attempt || takes_any));
        let Some(entry) = current else { return self.refuse(reply, returns) };
        let function = entry.function;
        let class = self.class_of_task(reply.slot);
        if !self.defects.borrow_dropped {
            for reference in kept {
                self.lend(reference, executor);
            }
        }
        let actor = self.functions[function.0].actor;
        match actor {
            Some(actor) => self.on_call_ended(actor, reply.slot),
            None => self.on_lease_served(reply, now_ns),
        }
        let entry = self.table.at(reply.slot);
        let is_final = entry.cancelled || self.defects.errors_final;
        let is_worth_another = reply.raised && entry.retry_errors && !is_final;
        if reply.cancelled {
            match returns.first() {
                // It says where the task was interrupted.
                Some(Returned { value: Value::Error(_), .. }) => self.complete(reply.slot, returns, outbox),
                _ => {
                    self.refuse_values(reply.slot, reply.generation, returns);
                    self.fail_cancelled(reply.slot, outbox);
                }
            }
        } else if is_worth_another && self.take_retry(reply.slot) {
            self.note_raised(reply.slot, returns);
            self.refuse_values(reply.slot, reply.generation, returns);
            match self.retry_delay_ns(reply.slot, Failure::Error) {
                // A call keeps its place among the others of its caller.
                delay_ns if delay_ns > 0 && actor.is_none() => self.resubmit_at(reply.slot, now_ns + delay_ns),
                _ => self.resubmit(reply.slot, false, outbox),
            }
        } else {
            if let Some(error) = self.replay_error(reply.slot, reply.raised) {
                self.refuse_values(reply.slot, reply.generation, returns);
                returns.push(Returned { value: Value::Error(error), contained: Vec::new() });
            }
            self.complete(reply.slot, returns, outbox);
        }
        match actor {
            Some(actor) => self.pump_actor(actor, outbox),
            None => self.refill(class, outbox),
        }
    }

    /// Says whether what comes from now on was kept by a dead process's flight recorder. The recorder keeps a frame until every frame in it
    /// was written, so some come a second time. Of a dead process nothing else can come that is not awaited any more: what is refused then
    /// was taken when it came by its socket, and what it brought is in use.
    pub fn set_replaying(&mut self, is_replaying: bool) {
        self.is_replaying = is_replaying && !self.defects.replays_refused;
    }

    fn refuse(&mut self, reply: &Reply, returns: &mut Vec<Returned>) {
        if self.is_replaying {
            return returns.clear();
        }
        self.refuse_values(reply.slot, reply.generation, returns);
    }

    /// Gives back what came with results that nobody wants.
    fn refuse_values(&mut self, slot: u32, generation: u32, returns: &mut Vec<Returned>) {
        for (index, returned) in returns.drain(..).enumerate() {
            let object = self.task_id(slot, generation).object(index as u32);
            self.refuse_value(object, &returned);
        }
    }

    pub(crate) fn refuse_value(&mut self, object: ObjectId, returned: &Returned) {
        if let Value::Stored(location) = returned.value {
            self.effects.push(Effect::FreeStored { object, location });
        }
        for inner in &returned.contained {
            self.receive_lent(inner);
            self.settle(inner);
        }
    }

    fn on_lease_served(&mut self, reply: &Reply, now_ns: u64) {
        let entry = self.table.at(reply.slot);
        let function = &mut self.functions[entry.function.0];
        // At least 1, because 0 stands for "not known".
        let sample = reply.execution_ns.max(1);
        if !reply.cancelled {
            // How long it would have taken is not known.
            function.average_ns = match function.average_ns {
                0 => sample,
                average => ((u64::from(average) * 7 + u64::from(sample)) / 8).max(1) as u32,
            };
        }
        let (lease_index, expected_ns) = (entry.lease, entry.expected_ns);
        self.take_off_lease(lease_index, expected_ns, now_ns);
        let lease = &mut self.leases[lease_index as usize];
        lease.progress_ns = now_ns;
        if lease.state == LeaseState::Blocked {
            lease.state = LeaseState::Ready;
        }
        if reply.exiting {
            self.return_lease(lease_index, true);
        }
    }

    /// A task left a lease, by whatever way.
    pub(crate) fn take_off_lease(&mut self, lease_index: u32, expected_ns: u32, now_ns: u64) {
        let lease = &mut self.leases[lease_index as usize];
        lease.in_flight -= 1;
        lease.load_ns -= u64::from(expected_ns);
        if lease.in_flight == 0 {
            lease.idle_since_ns = now_ns;
            match lease.state {
                LeaseState::Exiting => self.return_lease(lease_index, true),
                LeaseState::Revoked => self.return_lease(lease_index, false),
                _ => {}
            }
        }
    }

    /// Uses up one retry, if there is one.
    pub(crate) fn take_retry(&mut self, slot: u32) -> bool {
        let entry = self.table.at_mut(slot);
        match entry.retries_left {
            0 => self.defects.retry_free,
            left => {
                if left > 0 {
                    entry.retries_left -= 1;
                }
                true
            }
        }
    }

    /// Sends a task again under the next attempt. `first` puts it before what waits.
    pub(crate) fn resubmit<O: Outbox>(&mut self, slot: u32, first: bool, outbox: &mut O) {
        let entry = self.table.at_mut(slot);
        entry.attempt += 1;
        entry.phase = Phase::Queued;
        let function = &self.functions[entry.function.0];
        match function.actor {
            Some(actor) => self.requeue_call(actor, slot),
            None => {
                let class = self.class_of_task(slot);
                let queue = &mut self.classes[class as usize].queue;
                if first {
                    queue.push_front(slot)
                } else {
                    queue.push_back(slot)
                }
                self.refill(class, outbox);
            }
        }
    }

    /// Records results; a missing one is the error of the first.
    pub(crate) fn complete<O: Outbox>(&mut self, slot: u32, returns: &mut Vec<Returned>, outbox: &mut O) {
        let entry = self.table.at_mut(slot);
        let generation = entry.generation;
        self.argument_bytes -= if self.defects.arguments_counted { 0 } else { entry.payload.heap_bytes() };
        let is_kept = entry.may_be_rebuilt(returns) && !self.defects.lineage_forgotten;
        let was_rebuilding = entry.lineage == Lineage::Rebuilding && !self.defects.rebuild_replaces;
        entry.lineage = Lineage::None;
        if !is_kept {
            entry.payload = crate::SmallBytes::new();
        }
        self.unfinished -= 1;
        self.watched_completions += u64::from(std::mem::take(&mut entry.watched));
        let raised = match returns.first() {
            Some(Returned { value: Value::Error(error), .. }) => Some(error.clone()),
            _ => None,
        };
        let num_objects = entry.num_objects();
        let failed = returns.iter().find_map(|returned| match &returned.value {
            Value::Error(error) => Some(error.clone()),
            _ => None,
        });
        let mut values = returns.drain(..);
        for index in 0..num_objects {
            let returned = values
                .next()
                .or_else(|| raised.clone().map(|error| Returned { value: Value::Error(error), contained: Vec::new() }));
            let Some(returned) = returned else { continue };
            if was_rebuilding && self.table.at(slot).object(index).is_some_and(|object| object.value.is_ready()) {
                // OWN-6: what was not lost stays as it is.
                let object = self.object_id(slot, generation, index);
                self.refuse_value(object, &returned);
                continue;
            }
            self.set_result(slot, index, returned, outbox);
        }
        drop(values);
        if self.table.at(slot).detail.is_some() {
            self.fail_missing_items(slot, failed.as_deref(), raised.is_some(), outbox);
            self.end_stream(slot, failed, outbox);
        }
        if is_kept {
            self.keep_lineage(slot);
        } else if self.table.at(slot).detail.is_some() {
            self.release_arguments(slot);
        }
        // Last: whoever was told may have let go already, and the slot must not be freed before all of it is settled. A task that was
        // dropped keeps it until its queue has come to it.
        let is_named = self.forget_dropping(slot);
        self.table.at_mut(slot).phase = if is_named { Phase::Dropped } else { Phase::Done };
        self.collect(slot);
        if is_kept {
            self.evict_lineage();
        }
        self.replay_missing_items(slot, generation, outbox);
    }

    pub(crate) fn set_result<O: Outbox>(&mut self, slot: u32, index: u32, mut returned: Returned, outbox: &mut O) {
        if let Value::Inline(bytes) = &returned.value {
            self.inline_bytes += bytes.heap_bytes();
        }
        self.hold_contained(&mut returned.contained);
        let Some(object) = self.table.at_mut(slot).object_mut(index) else { return };
        object.value = returned.value;
        if !returned.contained.is_empty() {
            object.detail_mut().contained = returned.contained;
        }
        if let Some(detail) = object.detail.as_mut() {
            detail.is_lost = false;
            if detail.waiters.is_empty() {
                return;
            }
            let waiters = std::mem::take(&mut detail.waiters);
            let object = self.object_id(slot, self.table.at(slot).generation, index);
            self.wake(object, waiters, outbox);
        }
    }

    /// Every result of the task is this error.
    pub(crate) fn fail<O: Outbox>(&mut self, slot: u32, error: &[u8], outbox: &mut O) {
        let entry = self.table.at(slot);
        self.effects.push(Effect::TaskEnded {
            slot,
            generation: entry.generation,
            state: "FAILED",
            attempt: entry.attempt,
            function: entry.function,
        });
        let mut returns = vec![Returned { value: Value::Error(error.into()), contained: Vec::new() }];
        self.complete(slot, &mut returns, outbox);
    }

    /// A worker gave tasks back that it had not started: they go elsewhere and consume no retry (OWN-8). `blocked`: the worker waits for
    /// something and takes no more until it has replied.
    pub fn on_hand_back<O: Outbox>(&mut self, tasks: &[(u32, u32, u32)], blocked: bool, now_ns: u64, outbox: &mut O) {
        let mut classes = Vec::new();
        for (slot, generation, attempt) in tasks.iter().rev().copied() {
            let Some(entry) = self.table.get_mut(slot, generation) else { continue };
            if entry.phase != Phase::Pushed || entry.attempt != attempt {
                continue;
            }
            let function = &self.functions[entry.function.0];
            if function.actor.is_some() {
                continue;
            }
            entry.phase = Phase::Queued;
            let (lease, expected_ns, is_cancelled) = (entry.lease, entry.expected_ns, entry.cancelled);
            let class = self.class_of_task(slot);
            if blocked && self.leases[lease as usize].state == LeaseState::Ready {
                self.leases[lease as usize].state = LeaseState::Blocked;
            }
            self.take_off_lease(lease, expected_ns, now_ns);
            if is_cancelled {
                self.fail_cancelled(slot, outbox);
            } else {
                self.classes[class as usize].queue.push_front(slot);
            }
            if !classes.contains(&class) {
                classes.push(class);
            }
        }
        for class in classes {
            self.refill(class, outbox);
        }
    }
}
