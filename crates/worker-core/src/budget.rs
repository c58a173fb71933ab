//! What waits in this process's memory, and which of it can go to shared memory (FLOW-1, FLOW-2).

use crate::bytes::SmallBytes;
use crate::entry::{Lineage, Location, Value};
use crate::state::Core;

/// An inline value that may move: its place and a copy of it.
#[derive(Debug)]
pub struct Movable {
    /// The slot.
    pub slot: u32,
    /// Its generation.
    pub generation: u32,
    /// Which of its objects.
    pub index: u32,
    /// The encoded value.
    pub value: SmallBytes,
}

impl Core {
    /// Bytes of inline values on the heap.
    pub fn inline_bytes(&self) -> usize {
        self.inline_bytes
    }

    /// Bytes of arguments of tasks that are not done.
    pub fn argument_bytes(&self) -> usize {
        self.argument_bytes
    }

    /// FLOW-1: whether another task may be submitted: arguments of those that are not done take less than `limit_bytes`.
    pub fn has_argument_room(&self, limit_bytes: usize) -> bool {
        self.argument_bytes < limit_bytes || self.defects.room_unbounded
    }

    /// Up to `limit_bytes` of inline values of at least `least_bytes` each, the oldest slots first.
    pub fn movable_values(&self, least_bytes: usize, limit_bytes: usize) -> Vec<Movable> {
        let mut found = Vec::new();
        let mut bytes = 0;
        for (slot, entry) in self.table.used() {
            for (index, object) in entry.objects() {
                let Value::Inline(value) = &object.value else { continue };
                if value.heap_bytes() < least_bytes {
                    continue;
                }
                bytes += value.heap_bytes();
                found.push(Movable { slot, generation: entry.generation, index, value: value.clone() });
                if bytes >= limit_bytes {
                    return found;
                }
            }
        }
        found
    }

    /// The value was written to shared memory. False when it is not inline any more: the space is to be freed.
    pub fn moved_to_store(&mut self, slot: u32, generation: u32, index: u32, location: Location) -> bool {
        let object = self.table.get_mut(slot, generation).and_then(|entry| entry.object_mut(index));
        let Some(object) = object else { return false };
        let Value::Inline(value) = &object.value else { return false };
        self.inline_bytes -= value.heap_bytes();
        object.value = Value::Stored(location);
        let entry = self.table.at_mut(slot);
        if entry.lineage == Lineage::None && !entry.is_put {
            // It was small when its task ended, and nothing was kept.
            entry.lineage = Lineage::Evicted;
        }
        true
    }
}
