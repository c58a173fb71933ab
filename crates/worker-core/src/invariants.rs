//! The core checks itself: every count against what it counts.

use crate::entry::{Lineage, Phase, Reference, Value};
use crate::state::Core;
use std::collections::BTreeMap;
use trygon_ids::PUT_INDEX_BIT;

impl Core {
    /// Verifies the invariants of the crate's documentation. The error names the label that is broken and where.
    pub fn sanity_check(&self) -> Result<(), String> {
        self.check_counts()?;
        self.check_leases()?;
        self.check_delayed()?;
        self.check_uses()?;
        self.check_lineage()
    }

    fn check_counts(&self) -> Result<(), String> {
        if let Some(object) = self.borrowed.keys().find(|object| self.owns(object)) {
            return Err(format!("OWN-1: {object} is owned and borrowed by the same process"));
        }
        let mut live = 0;
        let mut unfinished = 0;
        let mut inline_bytes = 0;
        for (slot, entry) in self.table.used() {
            live += 1;
            unfinished += usize::from(!entry.is_over());
            let mut held = false;
            for (index, object) in entry.objects() {
                held |= object.is_held();
                if let Value::Inline(bytes) = &object.value {
                    inline_bytes += bytes.heap_bytes();
                }
                // A count that went below zero wraps to something huge.
                if object.local_references > u32::MAX / 2 || object.uses > u32::MAX / 2 {
                    return Err(format!("OWN-2: slot {slot} index {index} has a negative count"));
                }
            }
            if entry.phase == Phase::Done && !held && entry.lineage_pins == 0 {
                return Err(format!("OWN-3: slot {slot} is done, nobody refers to it, and it is still there"));
            }
        }
        let waiting = self.table.used().filter(|(_, entry)| entry.lineage != Lineage::Kept);
        let argument_bytes: usize = waiting.map(|(_, entry)| entry.payload.heap_bytes()).sum();
        if argument_bytes != self.argument_bytes {
            return Err(format!(
                "FLOW-1: {argument_bytes} bytes of arguments wait, {} are counted",
                self.argument_bytes
            ));
        }
        if live != self.table.live || live > self.table.capacity() {
            return Err(format!("OWN-1: {live} entries are in use, {} are counted", self.table.live));
        }
        if unfinished != self.unfinished {
            return Err(format!("OWN-2: {unfinished} tasks are unfinished, {} are counted", self.unfinished));
        }
        if inline_bytes != self.inline_bytes {
            return Err(format!("FLOW-2: {inline_bytes} inline bytes are held, {} are counted", self.inline_bytes));
        }
        for (object, borrowed) in &self.borrowed {
            if borrowed.local_references > u32::MAX / 2 || borrowed.uses > u32::MAX / 2 {
                return Err(format!("OWN-2: borrowed {object} has a negative count"));
            }
        }
        Ok(())
    }

    fn check_leases(&self) -> Result<(), String> {
        let mut in_flight = vec![0u32; self.leases.len()];
        for (_, entry) in self.table.used() {
            let is_task = !entry.is_put && self.functions[entry.function.0].actor.is_none();
            if entry.phase == Phase::Pushed && is_task {
                in_flight[entry.lease as usize] += 1;
            }
        }
        for (index, lease) in self.leases.iter().enumerate() {
            if lease.in_flight != in_flight[index] {
                return Err(format!(
                    "OWN-8: lease {} has {} tasks in flight, {} are counted",
                    lease.lease_id, in_flight[index], lease.in_flight
                ));
            }
        }
        Ok(())
    }

    /// OWN-4: uses of an object are the arguments in flight, the containing objects and the actors that name it, no more and no fewer.
    fn check_uses(&self) -> Result<(), String> {
        let mut uses: BTreeMap<Reference, u32> = BTreeMap::new();
        let mut count = |references: &[Reference]| {
            for reference in references {
                *uses.entry(*reference).or_insert(0) += 1;
            }
        };
        for (_, entry) in self.table.used() {
            if let Some(detail) = entry.detail.as_ref().filter(|_| entry.lineage != Lineage::Kept) {
                count(&detail.dependencies);
                count(&detail.contained);
            }
            for detail in entry.objects().filter_map(|(_, object)| object.detail.as_ref()) {
                count(&detail.contained);
            }
        }
        for borrowed in self.borrowed.values() {
            count(&borrowed.contained);
        }
        for (_, actor) in self.actors.iter() {
            count(&actor.pinned);
            if actor.holds_handle {
                count(actor.handle.as_slice());
            }
        }
        for (reference, expected) in uses {
            let actual = if self.owns(&reference.object) {
                let task = reference.object.task_id();
                let index = reference.object.index() & !PUT_INDEX_BIT;
                self.table
                    .get(task.slot(), task.generation())
                    .and_then(|entry| entry.object(index))
                    .map(|object| object.uses)
            } else {
                self.borrowed.get(&reference.object).map(|borrowed| borrowed.uses)
            };
            if actual != Some(expected) {
                return Err(format!("OWN-4: {} is used {expected} times, {actual:?} are counted", reference.object));
            }
        }
        Ok(())
    }
}

impl Core {
    /// OWN-6: bytes and pins are what the kept tasks make of them, and of every stored object that may be made again the task is kept.
    fn check_lineage(&self) -> Result<(), String> {
        let (mut bytes, mut count) = (0, 0);
        let mut pins: BTreeMap<(u32, u32), u32> = BTreeMap::new();
        for (slot, entry) in self.table.used() {
            if entry.lineage == Lineage::Kept {
                bytes += entry.lineage_bytes();
                count += 1;
                let references =
                    entry.detail.iter().flat_map(|detail| detail.dependencies.iter().chain(&detail.contained));
                for reference in references.filter(|reference| self.owns(&reference.object)) {
                    let task = reference.object.task_id();
                    *pins.entry((task.slot(), task.generation())).or_insert(0) += 1;
                }
            }
            if let (Lineage::Argument, Value::Stored(location)) = (entry.lineage, &entry.first.value) {
                bytes += location.size_bytes as usize;
            }
            let may_run =
                entry.phase == Phase::Done && entry.is_retriable && entry.retries_left != 0 && !entry.cancelled;
            let is_stored =
                entry.objects().any(|(_, object)| object.is_held() && matches!(object.value, Value::Stored(_)));
            let can_be_made = matches!(entry.lineage, Lineage::Kept | Lineage::Evicted);
            if may_run && is_stored && !can_be_made {
                return Err(format!(
                    "OWN-6: slot {slot} has a stored result, retries left, and nothing is kept of its task"
                ));
            }
        }
        if (bytes, count) != (self.kept.bytes, self.kept.count) {
            return Err(format!(
                "OWN-6: {count} kept tasks take {bytes} bytes, {} and {} are counted",
                self.kept.count, self.kept.bytes
            ));
        }
        if bytes > self.kept.limit_bytes {
            return Err(format!("OWN-6: kept tasks take {bytes} bytes, the bound is {}", self.kept.limit_bytes));
        }
        for (slot, entry) in self.table.used() {
            let expected = pins.remove(&(slot, entry.generation)).unwrap_or(0);
            if entry.lineage_pins != expected {
                return Err(format!(
                    "OWN-6: slot {slot} is pinned {expected} times, {} are counted",
                    entry.lineage_pins
                ));
            }
        }
        match pins.into_iter().next() {
            Some(((slot, _), _)) => Err(format!("OWN-6: an argument of a kept task, in slot {slot}, is gone")),
            None => self.check_lost(),
        }
    }

    /// OWN-6: a lost object is looked for, or its task runs.
    fn check_lost(&self) -> Result<(), String> {
        for (slot, entry) in self.table.used() {
            for (index, object) in entry.objects() {
                let is_missing = object.is_lost() && !object.value.is_ready();
                let id = self.object_id(slot, entry.generation, index);
                if is_missing && entry.phase == Phase::Done && !self.searches.contains_key(&id) {
                    return Err(format!("OWN-6: {id} is lost, and nobody looks for it or makes it again"));
                }
            }
        }
        Ok(())
    }

    /// What is left, for tests of leaks: a line for each owned entry and each borrowed object.
    pub fn describe(&self) -> String {
        let mut lines = Vec::new();
        for (slot, entry) in self.table.used() {
            lines.push(format!("slot {slot} {:?}: {:?} {:?}", entry.phase, entry.first, entry.detail));
        }
        for (object, borrowed) in &self.borrowed {
            lines.push(format!("borrowed {object}: {borrowed:?}"));
        }
        lines.join("; ")
    }
}
