//! OWN-9. Objects on a node that is to go: their owner has a copy fetched while they are there, and the copy takes their place. Nothing waits for
//! that: until the copy is here they are where they were, and when it cannot be had they stay there.

use crate::effect::Effect;
use crate::entry::{Location, Value};
use crate::state::Core;
use trygon_ids::{ObjectId, PUT_INDEX_BIT};

impl Core {
    /// OWN-9: a node takes no new work and may go: own objects there are moved to this process's node. To be called again while the node is
    /// there, for what comes to lie there later, and what could not be moved.
    pub fn on_node_drains(&mut self, node_number: u64) {
        for (object, location) in self.stored_on(node_number) {
            if !self.searches.contains_key(&object) && self.moving.insert(object, location) != Some(location) {
                self.effects.push(Effect::FetchCopy { object, location });
            }
        }
    }

    /// Own objects that lie on a node, and where.
    #[doc(hidden)]
    pub fn stored_on(&self, node_number: u64) -> Vec<(ObjectId, Location)> {
        let mut there = Vec::new();
        for (slot, entry) in self.table.used() {
            for (index, object) in entry.objects() {
                if let Value::Stored(location) = &object.value
                    && location.segment.node_number() == node_number
                {
                    there.push((self.object_id(slot, entry.generation, index), *location));
                }
            }
        }
        there
    }

    /// Whether a copy of an own object was asked for because its node may go.
    pub fn is_moving(&self, object: &ObjectId) -> bool {
        self.moving.contains_key(object)
    }

    /// The copy is here, or cannot be had now. It stands for the object from now on if that is where it was; what it was a copy of is left to
    /// the node that goes, for who reads it there.
    pub(crate) fn on_moved(&mut self, object: &ObjectId, copy: Option<Location>) {
        if self.defects.moves_once && copy.is_none() {
            return;
        }
        let (Some(old), Some(copy)) = (self.moving.remove(object), copy) else { return };
        let task = object.task_id();
        let entry = self.table.get_mut(task.slot(), task.generation());
        let found = entry.and_then(|entry| entry.object_mut(object.index() & !PUT_INDEX_BIT));
        let is_there = |value: &Value| matches!(value, Value::Stored(known) if *known == old);
        if let Some(found) = found.filter(|found| is_there(&found.value) && !self.defects.moves_forgotten) {
            found.value = Value::Stored(copy);
            self.rescued.insert(*object);
        } else {
            // Freed meanwhile, or made again elsewhere.
            self.effects.push(Effect::Forgotten { object: *object });
        }
    }
}
