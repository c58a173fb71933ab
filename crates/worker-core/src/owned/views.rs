//! What can be told of a task or an object to people who ask: read only, and without a single argument or value.

use crate::bytes::SmallBytes;
use crate::entry::{Entry, Lineage, Object, Phase, Reference, Value};
use crate::numbers::PeerIndex;
use crate::state::{ActorState, Core};
use std::collections::BTreeMap;
use trygon_ids::{ActorId, ObjectId, PUT_INDEX_BIT, TaskId, WorkerId};

/// Digits of a task's id that are the same for all tasks of one owner: its job and its incarnation.
const COMMON_DIGITS: usize = 32;
/// Digits of a task's id.
const TASK_DIGITS: usize = 2 * TaskId::LEN;

/// A task, as its owner knows it.
#[derive(Debug)]
pub struct TaskView<'a> {
    /// The task.
    pub task: TaskId,
    /// Its function.
    pub name: &'a str,
    /// Where it stands.
    pub phase: Phase,
    /// From 0.
    pub attempt: u32,
    /// Negative for no end.
    pub retries_left: i32,
    /// `cancel` was called.
    pub is_cancelled: bool,
    /// It had ended, and runs again because results were lost.
    pub is_rebuilding: bool,
    /// Arguments that are references.
    pub dependencies: &'a [Reference],
    /// What a lease for it holds; nothing for a call of an actor.
    pub needs: Option<&'a BTreeMap<String, f64>>,
    /// The actor, and how it is.
    pub actor: Option<(ActorId, &'static str)>,
    /// Where it was sent.
    pub executor: Option<PeerIndex>,
    /// Others that were sent to the same lease, or calls before it that wait for the same actor.
    pub others: u32,
    /// When it is tried again.
    pub due_ns: Option<u64>,
    /// The error in place of its first result that has one.
    pub error: Option<&'a [u8]>,
}

/// An object, as its owner knows it.
#[derive(Debug)]
pub struct ObjectView<'a> {
    /// The object.
    pub object: ObjectId,
    /// `put` made it.
    pub is_put: bool,
    /// Its value.
    pub value: &'a Value,
    /// It had a value, which is gone.
    pub is_lost: bool,
    /// Nothing refers to it any more; its task's other results live.
    pub is_freed: bool,
    /// References of the program.
    pub local_references: u32,
    /// Arguments in flight and objects that contain it.
    pub uses: u32,
    /// Lends less returns.
    pub borrowers: Vec<(WorkerId, i64)>,
    /// Who waits for it.
    pub waiters: usize,
    /// References inside its value.
    pub contained: usize,
    /// Finished tasks that may be run again and would need it.
    pub pins: u32,
    /// Why it cannot be made again; nothing when it can.
    pub no_rebuild: Option<&'static str>,
    /// Negative for no end.
    pub retries_left: i32,
    /// Why it is lost, while a copy is looked for.
    pub lost_reason: Option<&'a str>,
}

/// An object that this process borrows.
#[derive(Debug)]
pub struct BorrowedView<'a> {
    /// The object, and who owns it.
    pub reference: Reference,
    /// References of the program.
    pub local_references: u32,
    /// Arguments in flight and objects that contain it.
    pub uses: u32,
    /// What the owner answered.
    pub value: &'a Value,
    /// Something here waits for it.
    pub is_awaited: bool,
}

/// What became of an id of this process.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fate {
    /// It is another process's.
    Foreign,
    /// It is in the table.
    Known,
    /// It was, and nothing refers to it any more.
    Over,
    /// It was not used yet.
    Never,
}

impl Core {
    /// What became of a task's id.
    pub fn fate(&self, task: &TaskId) -> Fate {
        if task.owner() != self.identity.incarnation || task.job_id() != self.identity.job {
            return Fate::Foreign;
        }
        match self.table.generation(task.slot()) {
            _ if self.table.get(task.slot(), task.generation()).is_some() => Fate::Known,
            Some(generation) if generation > task.generation() => Fate::Over,
            _ => Fate::Never,
        }
    }

    /// Own tasks whose ids begin with these digits; no more than `most`.
    pub fn tasks_beginning(&self, digits: &str, most: usize) -> Vec<TaskId> {
        let whole = self.task_id(0, 0).hex();
        let common = digits.len().min(COMMON_DIGITS);
        if digits.get(..common) != whole.get(..common) {
            return Vec::new();
        }
        let wanted = &digits[..digits.len().min(TASK_DIGITS)];
        let ids = self.table.used().map(|(slot, entry)| self.task_id(slot, entry.generation));
        ids.filter(|task| wanted.len() <= COMMON_DIGITS || task.hex().starts_with(wanted)).take(most).collect()
    }

    /// Borrowed objects whose ids begin with these digits, or that are results of that task; no more than `most`.
    pub fn borrowed_beginning(&self, digits: &str, most: usize) -> Vec<BorrowedView<'_>> {
        let mut first = [0; ObjectId::LEN];
        for (byte, pair) in first.iter_mut().zip(digits.as_bytes().chunks(2)) {
            let pair = std::str::from_utf8(pair).unwrap_or_default();
            let digit = u8::from_str_radix(pair, 16).unwrap_or(0);
            *byte = if pair.len() == 1 { digit << 4 } else { digit };
        }
        let from = self.borrowed.range(ObjectId::new(first)..);
        let found = from.take_while(|(object, _)| object.hex().starts_with(digits)).take(most);
        found.map(|(object, borrowed)| borrowed_view(*object, borrowed)).collect()
    }

    /// What is known of an own task. Nothing for an object that `put` made.
    pub fn task_view(&self, task: &TaskId) -> Option<TaskView<'_>> {
        let (slot, generation) = (task.slot(), task.generation());
        let entry = self.table.get(slot, generation).filter(|entry| !entry.is_put)?;
        let function = self.functions.get(entry.function.0)?;
        let actor = function.actor.map(|index| &self.actors[index.0]);
        let lease = self.leases.get(entry.lease as usize).filter(|_| entry.phase == Phase::Pushed);
        let (executor, others) = match actor {
            None => (lease.map(|lease| lease.peer), lease.map_or(0, |lease| lease.in_flight.saturating_sub(1))),
            Some(actor) if entry.phase == Phase::Pushed => {
                (actor.sent_to, (actor.in_flight.len() as u32).saturating_sub(1))
            }
            Some(actor) => (None, actor.queue.iter().take_while(|queued| **queued != slot).count() as u32),
        };
        let needs = actor.is_none().then(|| &self.classes[self.class_of_task(slot) as usize].resources);
        let due = self.delayed.iter().find(|((_, other), key)| *other == slot && **key == (generation, entry.attempt));
        let errors = entry.objects().filter_map(|(_, object)| match &object.value {
            Value::Error(error) => Some(&**error),
            _ => None,
        });
        Some(TaskView {
            task: *task,
            name: &function.name,
            phase: entry.phase,
            attempt: entry.attempt,
            retries_left: entry.retries_left,
            is_cancelled: entry.cancelled,
            is_rebuilding: entry.lineage == Lineage::Rebuilding,
            dependencies: entry.detail.as_ref().map_or(&[], |detail| &detail.dependencies),
            needs,
            actor: actor.map(|actor| (actor.id, actor.state.word())),
            executor,
            others,
            due_ns: due.map(|((due_ns, _), _)| *due_ns).filter(|_| entry.phase == Phase::Delayed),
            error: errors.into_iter().next(),
        })
    }

    /// What is known of the objects of an own entry.
    pub fn object_views(&self, task: &TaskId) -> Vec<ObjectView<'_>> {
        let Some(entry) = self.table.get(task.slot(), task.generation()) else { return Vec::new() };
        entry.objects().map(|(index, object)| self.object_view(task, entry, index, object)).collect()
    }

    fn object_view<'a>(&'a self, task: &TaskId, entry: &'a Entry, index: u32, object: &'a Object) -> ObjectView<'a> {
        let id = task.object(if entry.is_put { index | PUT_INDEX_BIT } else { index });
        let detail = object.detail.as_ref();
        let function = self.functions.get(entry.function.0);
        let is_call = !entry.is_put && function.is_some_and(|function| function.actor.is_some());
        ObjectView {
            object: id,
            is_put: entry.is_put,
            value: &object.value,
            is_lost: object.is_lost(),
            is_freed: entry.is_freed(index),
            local_references: object.local_references,
            uses: object.uses,
            borrowers: detail.map_or_else(Vec::new, |detail| {
                let lent = detail.borrowers.iter().filter(|(_, lends)| **lends > 0);
                lent.map(|(borrower, lends)| (*borrower, *lends)).collect()
            }),
            waiters: detail.map_or(0, |detail| detail.waiters.len()),
            contained: detail.map_or(0, |detail| detail.contained.len()),
            pins: entry.lineage_pins,
            no_rebuild: entry.why_not_again(is_call),
            retries_left: entry.retries_left,
            lost_reason: self.searches.get(&id).map(|search| &*search.reason),
        }
    }

    /// The state of the task that makes an own object, and its function; `None` for what is not a task's.
    pub fn maker(&self, object: &ObjectId) -> Option<(&str, &'static str)> {
        let task = self.owns(object).then(|| object.task_id())?;
        let view = self.task_view(&task)?;
        Some((view.name, view.state()))
    }
}

fn borrowed_view(object: ObjectId, borrowed: &crate::state::Borrowed) -> BorrowedView<'_> {
    BorrowedView {
        reference: Reference { object, owner: borrowed.owner },
        local_references: borrowed.local_references,
        uses: borrowed.uses,
        value: &borrowed.value,
        is_awaited: !borrowed.value.is_ready() && (borrowed.watched || !borrowed.waiters.is_empty()),
    }
}

impl TaskView<'_> {
    /// One word for where it stands.
    pub fn state(&self) -> &'static str {
        let is_over = matches!(self.phase, Phase::Done | Phase::Dropped);
        match self.phase {
            _ if is_over && self.is_cancelled && self.error.is_some() => "CANCELLED",
            _ if is_over && self.error.is_some() => "FAILED",
            Phase::Done | Phase::Dropped | Phase::Free => "FINISHED",
            Phase::WaitsForArguments => "WAITS_FOR_ARGUMENTS",
            Phase::Queued if self.actor.is_some() => "WAITS_FOR_ACTOR",
            Phase::Queued => "WAITS_FOR_LEASE",
            Phase::Delayed => "WAITS_FOR_RETRY",
            Phase::Pushed => "SENT",
        }
    }
}

impl ObjectView<'_> {
    /// One word for how it is.
    pub fn state(&self) -> &'static str {
        match self.value {
            Value::Pending if self.is_lost => "LOST",
            _ if self.is_freed => "FREED",
            value => value.word(),
        }
    }

    /// Length of its value, as far as there is one.
    pub fn size_bytes(&self) -> u64 {
        match self.value {
            Value::Inline(bytes) => SmallBytes::as_slice(bytes).len() as u64,
            Value::Stored(location) => location.size_bytes,
            Value::Pending | Value::Error(_) => 0,
        }
    }
}

impl Value {
    /// One word for it.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Pending => "PENDING",
            Self::Inline(_) => "INLINE",
            Self::Stored(_) => "STORED",
            Self::Error(_) => "ERROR",
        }
    }
}

impl ActorState {
    /// One word for it.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Pending => "PENDING",
            Self::Alive { .. } => "ALIVE",
            Self::Restarting { .. } => "RESTARTING",
            Self::Dead { .. } => "DEAD",
        }
    }
}
