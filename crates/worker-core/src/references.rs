//! Counting: who holds an object, and what happens when nobody does (OWN-3).

use crate::effect::Effect;
use crate::entry::{Lineage, Phase, Reference, Value};
use crate::state::Core;
use std::collections::BTreeMap;
use trygon_ids::PUT_INDEX_BIT;

impl Core {
    /// The program holds one more reference to its own object.
    pub fn retain_local(&mut self, slot: u32, generation: u32, index: u32) -> bool {
        if self.has_losses && !self.is_there(slot, generation, index) {
            return false;
        }
        let object = self.table.get_mut(slot, generation).and_then(|entry| entry.object_mut(index));
        object.map(|object| object.local_references += 1).is_some()
    }

    /// The program dropped a reference to its own object.
    pub fn release_local(&mut self, slot: u32, generation: u32, index: u32) {
        let Some(entry) = self.table.get_mut(slot, generation) else { return };
        let Some(object) = entry.object_mut(index) else { return };
        object.local_references -= 1;
        if object.local_references == 0 {
            self.collect_object(slot, index);
        }
    }

    /// The program holds one more reference, to whomever the object belongs. False when it is gone.
    pub fn retain(&mut self, reference: &Reference) -> bool {
        if self.owns(&reference.object) && !self.defects.own_borrowed {
            let task = reference.object.task_id();
            return self.retain_local(task.slot(), task.generation(), reference.object.index() & !PUT_INDEX_BIT);
        }
        let counted = u32::from(!self.defects.retain_forgotten);
        self.borrowed_mut(reference).local_references += counted;
        true
    }

    /// The program dropped a reference.
    pub fn release(&mut self, reference: &Reference) {
        if self.owns(&reference.object) {
            let task = reference.object.task_id();
            return self.release_local(task.slot(), task.generation(), reference.object.index() & !PUT_INDEX_BIT);
        }
        if let Some(borrowed) = self.borrowed.get_mut(&reference.object) {
            borrowed.local_references = borrowed.local_references.wrapping_sub(1);
            self.settle(reference);
        }
    }

    /// An argument in flight or a containing object holds it. False when it is gone.
    pub(crate) fn retain_use(&mut self, reference: &Reference) -> bool {
        if !self.owns(&reference.object) {
            self.borrowed_mut(reference).uses += 1;
            return true;
        }
        let task = reference.object.task_id();
        let index = reference.object.index() & !PUT_INDEX_BIT;
        let object = self.table.get_mut(task.slot(), task.generation()).and_then(|entry| entry.object_mut(index));
        object.map(|object| object.uses += 1).is_some()
    }

    /// Whether an own object has a value or will have one. One that was freed while a kept task names it can come back with a task that was
    /// run again: then it is made again too.
    fn is_there(&mut self, slot: u32, generation: u32, index: u32) -> bool {
        let Some(entry) = self.table.get(slot, generation) else { return false };
        !entry.is_freed(index) || self.revive_for_borrower(&self.object_id(slot, generation, index))
    }

    /// Holds what is inside a value that came. What is gone is not counted, so that it is not given back.
    pub(crate) fn hold_contained(&mut self, contained: &mut Vec<Reference>) {
        for inner in &*contained {
            self.receive_lent(inner);
        }
        contained.retain(|inner| {
            let task = inner.object.task_id();
            let index = inner.object.index() & !PUT_INDEX_BIT;
            let is_gone =
                self.has_losses && self.owns(&inner.object) && !self.is_there(task.slot(), task.generation(), index);
            !is_gone && self.retain_use(inner)
        });
    }

    /// What held it does so no more. What that sets free may hold others in turn: a list, not the stack, keeps what is left to do,
    /// because a chain of objects may be as long as memory.
    pub(crate) fn release_use(&mut self, reference: &Reference) {
        self.to_release.push(*reference);
        if std::mem::replace(&mut self.is_releasing, true) {
            return;
        }
        while let Some(reference) = self.to_release.pop() {
            self.release_one_use(&reference);
        }
        self.is_releasing = false;
    }

    fn release_one_use(&mut self, reference: &Reference) {
        if self.owns(&reference.object) {
            let task = reference.object.task_id();
            let index = reference.object.index() & !PUT_INDEX_BIT;
            if let Some(object) =
                self.table.get_mut(task.slot(), task.generation()).and_then(|entry| entry.object_mut(index))
            {
                object.uses -= 1;
                self.collect_object(task.slot(), index);
            }
        } else if let Some(borrowed) = self.borrowed.get_mut(&reference.object) {
            borrowed.uses -= 1;
            self.settle(reference);
        }
    }

    /// How often this process itself holds the object: what a reply names as kept (OWN-4 a).
    pub fn holds(&self, reference: &Reference) -> bool {
        if self.owns(&reference.object) {
            return false;
        }
        self.borrowed.get(&reference.object).is_some_and(|borrowed| borrowed.local_references + borrowed.uses > 0)
    }

    /// Gives a borrowed object back when nothing here holds it.
    pub fn settle(&mut self, reference: &Reference) {
        let Some(borrowed) = self.borrowed.get(&reference.object) else { return };
        if borrowed.local_references + borrowed.uses > 0 {
            return;
        }
        let Some(borrowed) = self.borrowed.remove(&reference.object) else { return };
        if borrowed.has_copy {
            self.effects.push(Effect::Forgotten { object: reference.object });
        }
        if borrowed.lends > 0 && !self.defects.return_forgotten {
            let borrower = self.identity.worker;
            let reference = Reference { object: reference.object, owner: borrowed.owner };
            self.effects.push(Effect::ReportBorrow { reference, borrower, delta: -borrowed.lends });
        }
        for inner in borrowed.contained {
            self.release_use(&inner);
        }
    }

    /// OWN-3: frees an object that nobody refers to.
    pub(crate) fn collect_object(&mut self, slot: u32, index: u32) {
        if index > 0 && self.table.at(slot).stream().is_some() {
            self.collect_item(slot, index);
        } else {
            self.collect(slot);
        }
    }

    /// OWN-3: frees what a slot holds and nobody refers to, and the slot when nothing is left.
    pub(crate) fn collect(&mut self, slot: u32) {
        let entry = self.table.at_mut(slot);
        if entry.phase != Phase::Done {
            return;
        }
        let is_plain = entry.lineage == Lineage::None && entry.lineage_pins == 0;
        if entry.detail.is_none() && entry.first.detail.is_none() && is_plain {
            // The common case: one small or stored result, nothing inside it.
            if entry.first.local_references + entry.first.uses == 0 {
                let value = std::mem::take(&mut entry.first.value);
                self.drop_value(slot, 0, &value);
                self.table.release(slot);
            }
            return;
        }
        self.collect_detailed(slot);
    }

    fn collect_detailed(&mut self, slot: u32) {
        // Items are freed one by one: looking at each of a long stream here would cost as much each time.
        let mut any_held = self.table.at(slot).stream().is_some_and(|stream| !stream.items.is_empty());
        let mut edges = Vec::new();
        for index in 0..self.table.at(slot).num_objects() {
            let entry = self.table.at_mut(slot);
            if entry.object(index).is_some_and(|object| !object.is_held() && entry.is_pinned(object)) {
                self.count_argument(slot);
                continue;
            }
            let is_named = entry.lineage_pins > 0;
            let Some(object) = entry.object_mut(index) else { continue };
            if object.is_held() {
                any_held = true;
                continue;
            }
            let value = std::mem::take(&mut object.value);
            let mut kept_borrowers = BTreeMap::new();
            if let Some(detail) = object.detail.take() {
                edges.extend(detail.contained);
                if is_named {
                    kept_borrowers = detail.borrowers;
                }
                if let Some(index) = detail.actor_handle {
                    self.on_handles_gone(index);
                }
            }
            if !kept_borrowers.is_empty() {
                // OWN-4 c: a return may have come before its lend.
                if let Some(object) = self.table.at_mut(slot).object_mut(index) {
                    object.detail_mut().borrowers = kept_borrowers;
                }
            }
            self.drop_value(slot, index, &value);
        }
        self.drop_needless_lineage(slot, any_held);
        if !any_held && self.table.at(slot).lineage_pins == 0 {
            self.table.release(slot);
        }
        // Last, because an edge or an argument may lead back here.
        self.evict_lineage();
        if self.defects.edge_leaked {
            return;
        }
        for inner in edges {
            self.release_use(&inner);
        }
    }

    pub(crate) fn drop_value(&mut self, slot: u32, index: u32, value: &Value) {
        match value {
            Value::Inline(_) if self.defects.bytes_kept => {}
            Value::Inline(bytes) => self.inline_bytes -= bytes.heap_bytes(),
            Value::Stored(location) => {
                self.uncount_argument(slot, *location);
                let object = self.object_id(slot, self.table.at(slot).generation, index);
                if !self.rescued.is_empty() && self.rescued.remove(&object) {
                    return self.effects.push(Effect::Forgotten { object });
                }
                self.effects.push(Effect::FreeStored { object, location: *location });
            }
            Value::Pending | Value::Error(_) => {}
        }
    }
}
