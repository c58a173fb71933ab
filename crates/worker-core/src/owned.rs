//! Objects of this process: made by `put`, looked at by `get` and `wait`, watched by others.

mod views;

pub use views::{BorrowedView, Fate, ObjectView, TaskView};

use crate::effect::{Effect, Outbox};
use crate::entry::{Phase, Reference, Value, Waiter};
use crate::numbers::{ActorIndex, PeerIndex};
use crate::on_done::Returned;
use crate::state::Core;
use trygon_ids::{ObjectId, PUT_INDEX_BIT};

impl Core {
    /// A new object with this value and these references inside it. The caller holds one reference to it.
    pub fn put(&mut self, value: Value, contained: &[Reference]) -> (u32, u32) {
        for inner in contained {
            self.retain_use(inner);
        }
        let slot = self.table.allocate();
        if let Value::Inline(bytes) = &value {
            self.inline_bytes += bytes.heap_bytes();
        }
        let entry = self.table.at_mut(slot);
        entry.phase = Phase::Done;
        entry.is_put = true;
        entry.first.value = value;
        entry.first.local_references = 1;
        if !contained.is_empty() {
            entry.first.detail_mut().contained = contained.to_vec();
        }
        (slot, entry.generation)
    }

    /// A new object that holds nothing and whose end is the end of an actor's handles.
    pub fn put_actor_handle(&mut self, actor: ActorIndex) -> (u32, u32) {
        let (slot, generation) = self.put(Value::Inline(crate::SmallBytes::new()), &[]);
        self.table.at_mut(slot).first.detail_mut().actor_handle = Some(actor);
        (slot, generation)
    }

    /// Reserves an object's place before its value is written, so that its id is known. Follow it by [`Core::fill`].
    pub fn reserve(&mut self) -> (u32, u32) {
        self.put(Value::Pending, &[])
    }

    /// Gives a reserved object its value.
    pub fn fill(&mut self, slot: u32, generation: u32, value: Value, contained: &[Reference]) {
        for inner in contained {
            self.retain_use(inner);
        }
        let Some(entry) = self.table.get_mut(slot, generation) else { return };
        entry.first.value = value;
        if !contained.is_empty() {
            entry.first.detail_mut().contained = contained.to_vec();
        }
    }

    /// Gives a reserved object its value when others may wait for it already. Nothing when it is gone, or has one.
    pub fn fulfil<O: Outbox>(&mut self, slot: u32, generation: u32, value: Value, outbox: &mut O) {
        let entry = self.table.get_mut(slot, generation);
        let Some(entry) = entry.filter(|entry| entry.is_put && !entry.first.value.is_ready()) else { return };
        self.watched_completions += u64::from(std::mem::take(&mut entry.watched));
        self.set_result(slot, 0, Returned { value, contained: Vec::new() }, outbox);
        self.collect(slot);
    }

    /// The value of an own object; `None` when it is not in the table.
    pub fn value(&self, slot: u32, generation: u32, index: u32) -> Option<&Value> {
        self.table.get(slot, generation)?.object(index).map(|object| &object.value)
    }

    /// The value of any object this process refers to.
    pub fn value_of(&self, reference: &Reference) -> Option<&Value> {
        if self.owns(&reference.object) {
            let task = reference.object.task_id();
            self.value(task.slot(), task.generation(), reference.object.index() & !PUT_INDEX_BIT)
        } else {
            self.borrowed.get(&reference.object).map(|borrowed| &borrowed.value)
        }
    }

    /// References inside an object's value.
    pub fn contained_in(&self, reference: &Reference) -> &[Reference] {
        if self.owns(&reference.object) {
            let task = reference.object.task_id();
            let index = reference.object.index() & !PUT_INDEX_BIT;
            let object = self.table.get(task.slot(), task.generation()).and_then(|entry| entry.object(index));
            object.and_then(|object| object.detail.as_ref()).map_or(&[], |detail| &detail.contained)
        } else {
            self.borrowed.get(&reference.object).map_or(&[], |borrowed| &borrowed.contained)
        }
    }

    /// Asks for an object that is not there yet: its owner is queried if that is another process, and its completion is counted in
    /// [`Core::watched_completions`]. True when it is there.
    pub fn watch(&mut self, reference: &Reference) -> bool {
        self.notice_loss(reference);
        if self.owns(&reference.object) {
            let task = reference.object.task_id();
            let index = reference.object.index() & !PUT_INDEX_BIT;
            return self.watch_own(task.slot(), task.generation(), index);
        }
        let borrowed = self.borrowed_mut(reference);
        if borrowed.value.is_ready() {
            return true;
        }
        borrowed.watched = true;
        self.query(reference);
        false
    }

    /// As [`Core::watch`], for an own object.
    pub fn watch_own(&mut self, slot: u32, generation: u32, index: u32) -> bool {
        if self.has_losses {
            let object = self.object_id(slot, generation, index);
            self.notice_loss(&Reference { object, owner: self.identity.worker });
        }
        let Some(entry) = self.table.get_mut(slot, generation) else { return true };
        if entry.object(index).is_none_or(|object| object.value.is_ready()) {
            return true;
        }
        entry.watched = true;
        false
    }

    /// Registers who is to be told when the object is there. False when it is there already.
    pub fn add_waiter(&mut self, reference: &Reference, waiter: Waiter) -> bool {
        self.notice_loss(reference);
        if self.owns(&reference.object) {
            let task = reference.object.task_id();
            let index = reference.object.index() & !PUT_INDEX_BIT;
            let entry = self.table.get_mut(task.slot(), task.generation()).filter(|entry| !entry.is_freed(index));
            let object = entry.and_then(|entry| entry.object_mut(index));
            let Some(object) = object.filter(|object| !object.value.is_ready()) else { return false };
            // Nearly always the only one: a vector that grows would make room for four.
            let waiters = &mut object.detail_mut().waiters;
            if waiters.is_empty() {
                waiters.reserve_exact(1);
            }
            waiters.push(waiter);
            return true;
        }
        let borrowed = self.borrowed_mut(reference);
        if borrowed.value.is_ready() {
            return false;
        }
        borrowed.waiters.push(waiter);
        self.query(reference);
        true
    }

    /// A peer asks for an own object: it is answered now or when the object is there.
    pub fn on_query(&mut self, peer: PeerIndex, object: ObjectId) {
        let reference = Reference { object, owner: self.identity.worker };
        if !self.add_waiter(&reference, Waiter::Peer(peer)) {
            self.effects.push(Effect::Answer { peer, object });
        }
    }

    /// Tells everybody who waited for an object. A task that fails with its argument wakes others in turn: a list, not the stack, keeps
    /// them, because a chain of tasks may be as long as memory.
    pub(crate) fn wake<O: Outbox>(&mut self, object: ObjectId, waiters: Vec<Waiter>, outbox: &mut O) {
        for waiter in waiters {
            match waiter {
                Waiter::Task { slot, generation } => self.woken.push_back((slot, generation)),
                Waiter::Peer(_) if self.defects.answers_forgotten => {}
                Waiter::Peer(peer) => self.effects.push(Effect::Answer { peer, object }),
                Waiter::Completion { queue, token } => self.effects.push(Effect::Complete { queue, token }),
            }
        }
        if self.woken.is_empty() || std::mem::replace(&mut self.is_waking, true) {
            return;
        }
        while let Some((slot, generation)) = self.woken.pop_front() {
            self.on_dependency_ready(slot, generation, outbox);
        }
        self.is_waking = false;
    }
}
