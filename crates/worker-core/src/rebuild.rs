//! A lost object is made again by its task, whose own lost arguments come first (OWN-6).

use crate::effect::{Effect, Outbox};
use crate::entry::{Entry, Lineage, Phase, Reference, Value, Waiter};
use crate::error_value::{ErrorView, SystemError, error_view};
use crate::state::Core;
use std::collections::BTreeSet;
use trygon_ids::{ObjectId, PUT_INDEX_BIT};

/// The kind of an error that stands where an object is lost and was not made again.
const FAILED: &str = "object_reconstruction_failed";

/// Why a task is not run again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Refusal {
    Put,
    Disabled,
    DisabledForActor,
    MaxAttempts,
    Evicted,
    Cancelled,
    Failed,
    /// FAIL-1: its actor waits for it, and takes no other call meanwhile.
    ActorWaits,
}

impl Refusal {
    /// The word for the reason, and a sentence with the option that would have helped.
    fn describe(self) -> (&'static str, &'static str) {
        match self {
            Self::Put => (
                "put",
                "it was made by put, or passed by value to a task, and neither can be run again; return it from a task with retries, or keep a copy where it survives",
            ),
            Self::Disabled => (
                "retries_disabled",
                "its task has max_retries=0; with @trygon.remote(max_retries=3), the default, it would have been run again",
            ),
            Self::DisabledForActor => (
                "retries_disabled",
                "it is the result of an actor's method without max_task_retries; with .options(max_task_retries=1) the call would have been \
                 made again",
            ),
            Self::MaxAttempts => (
                "max_attempts",
                "its task has used up its retries; a larger max_retries, or -1 for no limit, would have let it run again",
            ),
            Self::Evicted => (
                "lineage_evicted",
                "how to make it was forgotten, because what is kept of finished tasks passed its bound; a larger TRYGON_MAX_LINEAGE_BYTES \
                 (bytes, in the environment of the process that submitted the task) would have kept it",
            ),
            Self::Cancelled => ("cancelled", "its task was cancelled, and a cancelled task is not run again"),
            Self::ActorWaits => (
                "actor_waits",
                "it would be made by a call of the very actor that waits for it as an argument of a call it was already sent; make that call again",
            ),
            Self::Failed => {
                ("failed", "its task was run again for another result and failed, so that it is not run a third time")
            }
        }
    }
}

impl Entry {
    /// Why what it made could not be made again, with the option that would have helped; nothing when it can be, or need not.
    pub(crate) fn why_not_again(&self, is_call: bool) -> Option<&'static str> {
        let is_open = !self.is_over() && !self.is_put;
        self.refusal(is_call).filter(|_| !is_open).map(|refusal| refusal.describe().1)
    }

    fn refusal(&self, is_call: bool) -> Option<Refusal> {
        match self.lineage {
            // A queue still names it.
            _ if self.phase == Phase::Dropped => Some(Refusal::Failed),
            Lineage::Kept | Lineage::Rebuilding if self.retries_left != 0 => None,
            Lineage::Evicted => Some(Refusal::Evicted),
            _ if self.is_put => Some(Refusal::Put),
            _ if self.cancelled => Some(Refusal::Cancelled),
            _ if !self.is_retriable && is_call => Some(Refusal::DisabledForActor),
            _ if !self.is_retriable => Some(Refusal::Disabled),
            _ if self.retries_left == 0 => Some(Refusal::MaxAttempts),
            _ => Some(Refusal::Failed),
        }
    }
}

impl Core {
    /// Has a lost own object made again, or settles it with the reason why not. A list, not the stack, keeps what else has to be made for
    /// that, because a chain of tasks may be as long as memory.
    pub(crate) fn rebuild<O: Outbox>(&mut self, object: &ObjectId, reason: &str, outbox: &mut O) {
        let mut todo = vec![*object];
        while let Some(object) = todo.pop() {
            if self.is_missing(&object) {
                self.rebuild_one(&object, reason, &mut todo, outbox);
            }
        }
    }

    fn rebuild_one<O: Outbox>(&mut self, object: &ObjectId, reason: &str, todo: &mut Vec<ObjectId>, outbox: &mut O) {
        let task = object.task_id();
        let slot = task.slot();
        let entry = self.table.at(slot);
        if !entry.is_over() {
            // OWN-6: however many of its results are lost, it runs once. A stream that runs may be past the item.
            return self.lift_limit(slot);
        }
        let function = entry.function;
        let is_call = !entry.is_put && self.functions[function.0].actor.is_some();
        let refusal = entry.refusal(is_call).or_else(|| self.is_awaited_by_maker(slot).then_some(Refusal::ActorWaits));
        if let Some(refusal) = refusal {
            let error = self.lost_error(object, reason, refusal);
            return self.settle_lost(object, Value::Error(error), outbox);
        }
        self.release_contained_of_lost(slot);
        let (generation, attempt) = (task.generation(), self.table.at(slot).attempt);
        self.effects.push(Effect::TaskEnded { slot, generation, state: "RETRIED", attempt, function });
        self.effects.push(Effect::Rebuilding { function, reason: reason.into() });
        self.begin_again(slot);
        let references = self.arguments_of(slot);
        for (reference, _) in &references {
            self.use_again(reference);
        }
        let mut pending = 0;
        for (reference, is_dependency) in &references {
            self.revive(reference, todo);
            if *is_dependency && self.add_waiter(reference, Waiter::Task { slot, generation }) {
                pending += 1;
            }
        }
        // Only now: an argument without a value is known to be lost, and what makes it stays.
        self.unpin_entries();
        if let Some(detail) = self.table.at_mut(slot).detail.as_mut() {
            detail.pending_dependencies = pending;
        }
        if let Some(actor) = self.functions[function.0].actor {
            self.enqueue_call_again(actor, slot);
        }
        if pending == 0 {
            self.on_arguments_ready(slot, outbox);
        }
    }

    /// Whether the lost result of an actor's call is what the actor waits for, directly or by way of other tasks: an argument of a call that
    /// it was sent before anybody knew of the loss. It runs one call at a time.
    fn is_awaited_by_maker(&self, slot: u32) -> bool {
        let entry = self.table.at(slot);
        let actor = self.functions.get(entry.function.0).and_then(|function| function.actor);
        let Some(actor) = actor.map(|actor| &self.actors[actor.0]).filter(|actor| !actor.order.concurrent) else {
            return false;
        };
        let mut todo: Vec<u32> = actor.in_flight.iter().collect();
        let mut seen: BTreeSet<u32> = todo.iter().copied().collect();
        while let Some(waiting) = todo.pop() {
            let dependencies = self.table.at(waiting).detail.iter().flat_map(|detail| &detail.dependencies);
            for reference in dependencies.filter(|reference| self.owns(&reference.object)) {
                let task = reference.object.task_id();
                if (task.slot(), task.generation()) == (slot, entry.generation) {
                    return true;
                }
                let is_unfinished =
                    self.table.get(task.slot(), task.generation()).is_some_and(|entry| !entry.is_over());
                if is_unfinished && seen.insert(task.slot()) {
                    todo.push(task.slot());
                }
            }
        }
        false
    }

    /// The kept task is one that is not done: its next attempt (OWN-7), which takes one of its retries.
    fn begin_again(&mut self, slot: u32) {
        let entry = self.table.at_mut(slot);
        self.kept.bytes -= entry.lineage_bytes();
        self.kept.count -= 1;
        entry.lineage = Lineage::Rebuilding;
        entry.phase = Phase::WaitsForArguments;
        entry.attempt += 1;
        self.argument_bytes += entry.payload.heap_bytes();
        self.unfinished += 1;
        self.take_retry(slot);
    }

    /// What a task names: its arguments, which it waits for, and what is inside others.
    fn arguments_of(&self, slot: u32) -> Vec<(Reference, bool)> {
        let Some(detail) = self.table.at(slot).detail.as_ref() else { return Vec::new() };
        let dependencies = detail.dependencies.iter().map(|reference| (*reference, true));
        dependencies.chain(detail.contained.iter().map(|reference| (*reference, false))).collect()
    }

    /// An argument that was pinned is used.
    fn use_again(&mut self, reference: &Reference) {
        if self.owns(&reference.object) {
            let task = reference.object.task_id();
            let index = reference.object.index() & !PUT_INDEX_BIT;
            if let Some(entry) = self.table.get_mut(task.slot(), task.generation()) {
                self.kept.to_unpin.push((task.slot(), task.generation()));
                // An item that nobody held is not in its stream any more.
                if let Some(stream) = entry.stream_mut().filter(|_| index > 0) {
                    stream.items.entry(index).or_default();
                }
            }
        } else if !self.borrowed.contains_key(&reference.object) {
            // It was let go when the task had ended: its owner counts this process as a borrower again, if it has the object, before it is
            // asked for it.
            self.receive_lent(reference);
            let borrower = self.identity.worker;
            self.effects.push(Effect::ReportBorrow { reference: *reference, borrower, delta: 1 });
        }
        self.pin(reference);
    }

    /// An own argument without a value, because only kept tasks named it, is lost from now on and made again.
    fn revive(&mut self, reference: &Reference, todo: &mut Vec<ObjectId>) {
        if !self.owns(&reference.object) {
            return;
        }
        let task = reference.object.task_id();
        let Some(entry) = self.table.get_mut(task.slot(), task.generation()) else { return };
        let is_gone = entry.phase == Phase::Done && !entry.is_put;
        let Some(argument) = entry.object_mut(reference.object.index() & !PUT_INDEX_BIT) else { return };
        if is_gone && !argument.value.is_ready() && !argument.is_lost() {
            argument.detail_mut().is_lost = true;
            todo.push(reference.object);
        }
    }

    /// References inside lost results: the new values bring theirs along.
    fn release_contained_of_lost(&mut self, slot: u32) {
        let mut contained = Vec::new();
        for (_, object) in self.table.at_mut(slot).objects_mut() {
            if let Some(detail) = object.detail.as_mut().filter(|detail| detail.is_lost) {
                contained.append(&mut detail.contained);
            }
        }
        for inner in contained {
            self.release_use(&inner);
        }
    }

    /// The error of a task that was to make something again and whose argument cannot be had. An error of user code stays what it is.
    pub(crate) fn rebuild_error(&self, slot: u32, error: Box<[u8]>) -> Box<[u8]> {
        let entry = self.table.at(slot);
        if entry.lineage != Lineage::Rebuilding {
            return error;
        }
        let ErrorView::System { kind, details } = error_view(&error) else { return error };
        let detail = |wanted: &str| {
            let found = details.iter().find(|(name, _)| *name == wanted);
            found.and_then(|(_, value)| std::str::from_utf8(value).ok()).unwrap_or_default()
        };
        let name = &self.functions[entry.function.0].name;
        let message = match kind {
            "object_freed" => format!(
                "to make it again its task {name} needs object {}, which another process owned and has freed; keep a reference to it as long as \
                 what was made from it is needed",
                detail("object_id")
            ),
            _ => {
                format!("to make it again its task {name} needs object {}: {}", detail("object_id"), detail("message"))
            }
        };
        let reason = match kind {
            "object_freed" => "borrowed",
            FAILED => detail("reason"),
            _ => return error,
        };
        let task = self.task_id(slot, entry.generation);
        let lost = entry.objects().find(|(_, object)| object.is_lost()).map_or(0, |(index, _)| index);
        let made = SystemError::new(FAILED).with("object_id", task.object(lost).hex()).with("name", name);
        made.with("reason", reason).with("message", message).encode()
    }

    fn lost_error(&self, object: &ObjectId, why: &str, refusal: Refusal) -> Box<[u8]> {
        let entry = self.table.at(object.task_id().slot());
        let (reason, sentence) = refusal.describe();
        let made = SystemError::new(FAILED).with("object_id", object.hex()).with("reason", reason);
        let made = match self.functions.get(entry.function.0) {
            Some(function) => made.with("name", &function.name),
            None => made,
        };
        made.with("message", format!("{why}, and {sentence}")).encode()
    }

    /// A stream that runs and may be past a lost item goes on to its end, whoever takes its items, and begins anew for those that are lost.
    fn lift_limit(&mut self, slot: u32) {
        if let Some(stream) = self.table.at_mut(slot).stream_mut().filter(|stream| stream.limit > 0) {
            stream.limit = 0;
            self.send_unlimited_credit(slot);
        }
    }
}
