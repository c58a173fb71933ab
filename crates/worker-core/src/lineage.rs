//! What is kept of tasks that are done, so that what they made can be made again (OWN-6).
//!
//! A task whose result lies in shared memory keeps its payload and the names of its arguments. Those arguments are pinned: their entries stay,
//! and values with them that nothing can make again: small ones, and those of `put`, whose bytes count towards the bound of what is kept.
//! Another large value goes when nobody else refers to it; its own task, kept for the same reason, makes it again. A task with small results
//! keeps nothing.

use crate::entry::{Entry, Lineage, Location, Object, Reference, TaskDetail, Value};
use crate::on_done::Returned;
use crate::state::Core;

/// Tasks in the order of age that are not kept any more are forgotten when there are more of them than this, and than of the others.
const MOST_STALE: usize = 1024;

impl Entry {
    /// Bytes that a kept task takes.
    pub(crate) fn lineage_bytes(&self) -> usize {
        let detail = self.detail.as_ref().map_or(0, |detail| {
            size_of::<TaskDetail>()
                + (detail.dependencies.len() + detail.contained.len()) * size_of::<Reference>()
                + detail.more.len() * size_of::<Object>()
        });
        size_of::<Self>() + self.payload.heap_bytes() + detail
    }

    /// Whether its results can be worth another run: some of them lie in shared memory.
    pub(crate) fn may_be_rebuilt(&self, returns: &[Returned]) -> bool {
        let is_stored = |value: &Value| matches!(value, Value::Stored(_));
        let is_worth_it = returns.iter().any(|returned| is_stored(&returned.value))
            || self.lineage == Lineage::Rebuilding
            || self.stream().is_some_and(|stream| stream.items.values().any(|item| is_stored(&item.value)));
        is_worth_it && self.is_retriable && self.retries_left != 0 && !self.cancelled
    }

    /// Whether an object that nobody refers to can be made again, so that a kept task may do without it.
    fn is_replaceable(&self, object: &Object) -> bool {
        match object.value {
            Value::Stored(_) => self.lineage == Lineage::Kept,
            Value::Pending => true,
            Value::Inline(_) | Value::Error(_) => false,
        }
    }

    /// Whether the object stays although nobody refers to it.
    pub(crate) fn is_pinned(&self, object: &Object) -> bool {
        self.lineage_pins > 0 && !self.is_replaceable(object)
    }

    fn has_stored(&self) -> bool {
        self.objects().any(|(_, object)| object.is_lost() || matches!(object.value, Value::Stored(_)))
    }
}

impl Core {
    /// Most bytes that tasks may take which are kept to make lost objects again.
    pub fn set_lineage_limit(&mut self, limit_bytes: usize) {
        self.kept.limit_bytes = limit_bytes;
        self.evict_lineage();
    }

    /// Bytes of kept tasks, and how many there are.
    pub fn lineage(&self) -> (usize, usize) {
        (self.kept.bytes, self.kept.count)
    }

    /// A task is done and its payload still there: it is kept, and its arguments are pinned instead of used.
    pub(crate) fn keep_lineage(&mut self, slot: u32) {
        let entry = self.table.at_mut(slot);
        entry.lineage = Lineage::Kept;
        self.kept.bytes += entry.lineage_bytes();
        self.kept.count += 1;
        self.kept.order.push_back((slot, entry.generation));
        let Some(detail) = self.table.at_mut(slot).detail.as_mut() else { return };
        let arguments = (std::mem::take(&mut detail.dependencies), std::mem::take(&mut detail.contained));
        // All of them first: what is let go may hold another one.
        for reference in arguments.0.iter().chain(&arguments.1) {
            self.pin_entry(reference);
        }
        for reference in arguments.0.iter().chain(&arguments.1) {
            if !self.defects.pin_forgotten {
                self.release_use(reference);
            }
        }
        if let Some(detail) = self.table.at_mut(slot).detail.as_mut() {
            (detail.dependencies, detail.contained) = arguments;
        }
    }

    fn pin_entry(&mut self, reference: &Reference) {
        if self.owns(&reference.object) && !self.defects.lineage_unpinned {
            let task = reference.object.task_id();
            if let Some(entry) = self.table.get_mut(task.slot(), task.generation()) {
                entry.lineage_pins += 1;
            }
        }
    }

    /// An object made by `put` to which only kept tasks refer counts towards the bound.
    pub(crate) fn count_argument(&mut self, slot: u32) {
        let entry = self.table.at_mut(slot);
        if let Value::Stored(location) = entry.first.value
            && entry.is_put
            && entry.lineage == Lineage::None
        {
            entry.lineage = Lineage::Argument;
            self.kept.bytes += location.size_bytes as usize;
        }
    }

    /// Its value, which lay there, is gone.
    pub(crate) fn uncount_argument(&mut self, slot: u32, location: Location) {
        let entry = self.table.at_mut(slot);
        if entry.lineage == Lineage::Argument {
            entry.lineage = Lineage::None;
            self.kept.bytes -= location.size_bytes as usize;
        }
    }

    /// Lets the oldest kept tasks go until the others fit.
    pub(crate) fn evict_lineage(&mut self) {
        while self.kept.bytes > self.kept.limit_bytes {
            let Some((slot, generation)) = self.kept.order.pop_front() else { break };
            if self.table.get(slot, generation).is_some_and(|entry| entry.lineage == Lineage::Kept) {
                self.drop_lineage(slot, Lineage::Evicted);
            }
        }
        self.unpin_entries();
        if self.kept.order.len() > 2 * self.kept.count + MOST_STALE {
            let table = &self.table;
            let is_kept =
                |key: &(u32, u32)| table.get(key.0, key.1).is_some_and(|entry| entry.lineage == Lineage::Kept);
            self.kept.order.retain(is_kept);
        }
    }

    /// A task is not kept any more. What it had pinned is noted for [`Core::unpin_entries`].
    pub(crate) fn drop_lineage(&mut self, slot: u32, now: Lineage) {
        let entry = self.table.at_mut(slot);
        self.kept.bytes -= if self.defects.lineage_counted { 0 } else { entry.lineage_bytes() };
        self.kept.count -= 1;
        entry.lineage = now;
        entry.payload = crate::SmallBytes::new();
        let Some(detail) = entry.detail.as_mut() else { return };
        let arguments = (std::mem::take(&mut detail.dependencies), std::mem::take(&mut detail.contained));
        for reference in arguments.0.iter().chain(&arguments.1) {
            if self.owns(&reference.object) {
                let task = reference.object.task_id();
                self.kept.to_unpin.push((task.slot(), task.generation()));
            }
        }
    }

    /// Frees what only tasks that are not kept any more had pinned. What that lets go may have pinned others in turn: a list, not the stack,
    /// keeps them, because a chain of tasks may be as long as memory.
    pub(crate) fn unpin_entries(&mut self) {
        if std::mem::replace(&mut self.kept.is_unpinning, true) {
            return;
        }
        while let Some((slot, generation)) = self.kept.to_unpin.pop() {
            let Some(entry) = self.table.get_mut(slot, generation) else { continue };
            entry.lineage_pins = entry.lineage_pins.saturating_sub(1);
            if entry.lineage_pins == 0 {
                let items: Vec<u32> =
                    entry.stream().map_or_else(Vec::new, |stream| stream.items.keys().copied().collect());
                for index in items {
                    // The last one may take the slot with it.
                    if self.table.get(slot, generation).is_some() {
                        self.collect_item(slot, index);
                    }
                }
                if self.table.get(slot, generation).is_some() {
                    self.collect(slot);
                }
            }
        }
        self.kept.is_unpinning = false;
    }

    /// A task that is kept has nothing left that it could be needed for.
    pub(crate) fn drop_needless_lineage(&mut self, slot: u32, is_held: bool) {
        let entry = self.table.at(slot);
        if entry.lineage == Lineage::Kept && entry.lineage_pins == 0 && !(is_held && entry.has_stored()) {
            self.drop_lineage(slot, Lineage::None);
        }
    }
}
