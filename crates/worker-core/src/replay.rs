//! Items of a stream that are lost: the generator is run again, and sends those that are missing (OWN-6, OWN-7).

use crate::effect::{Effect, Outbox};
use crate::entry::Value;
use crate::error_value::SystemError;
use crate::on_done::Returned;
use crate::state::Core;
use crate::streams::ItemKey;
use trygon_ids::ObjectId;

impl Core {
    /// A stream is about to be sent: from its first lost item on it sends again. Items that lay on a dead node are lost now.
    pub(crate) fn note_lost_items(&mut self, slot: u32) {
        if !self.has_losses {
            return;
        }
        let dead_nodes = &self.dead_nodes;
        let Some(stream) = self.table.at_mut(slot).stream_mut() else { return };
        let (mut contained, mut lost) = (Vec::new(), Vec::new());
        for (index, item) in &mut stream.items {
            if matches!(item.value, Value::Stored(location) if dead_nodes.contains_key(&location.segment.node_number()))
            {
                item.value = Value::Pending;
                let detail = item.detail_mut();
                detail.is_lost = true;
                lost.push(*index);
                contained.append(&mut detail.contained);
            }
        }
        let first = stream.items.iter().find(|(_, item)| item.is_lost() && !item.value.is_ready());
        stream.resend_from = first.map_or(u32::MAX, |(index, _)| index - 1);
        for index in lost {
            // What comes instead is no copy: it is freed, not given back.
            let object = self.object_id(slot, self.table.at(slot).generation, index);
            if self.rescued.remove(&object) {
                self.effects.push(Effect::Forgotten { object });
            }
        }
        for inner in contained {
            self.release_use(&inner);
        }
    }

    /// An item that had come before: it is taken when it was lost since.
    pub(crate) fn on_item_again<O: Outbox>(&mut self, key: &ItemKey, mut returned: Returned, outbox: &mut O) {
        let object = self.task_id(key.slot, key.generation).object(key.number + 1);
        if self.defects.lost_items_refused {
            return self.refuse_value(object, &returned);
        }
        if let Some(stream) = self.table.at_mut(key.slot).stream_mut() {
            // They come in order. If it is lost again, this attempt will not send it once more.
            stream.resend_from = key.number + 1;
        }
        if !self.is_missing(&object) {
            if !self.is_replaying {
                self.refuse_value(object, &returned);
            }
            return;
        }
        if let Value::Inline(bytes) = &returned.value {
            self.inline_bytes += bytes.heap_bytes();
        }
        self.hold_contained(&mut returned.contained);
        let item = self.table.at_mut(key.slot).object_mut(key.number + 1);
        let former = item.map(|item| std::mem::replace(&mut item.detail_mut().contained, returned.contained));
        for inner in former.unwrap_or_default() {
            self.release_use(&inner);
        }
        self.settle_lost(&object, returned.value, outbox);
    }

    /// Lost items whose attempt has ended without them will not come: the generator made fewer than before, or raised. When it did not run,
    /// none of them does.
    pub(crate) fn fail_missing_items<O: Outbox>(
        &mut self,
        slot: u32,
        raised: Option<&[u8]>,
        is_all: bool,
        outbox: &mut O,
    ) {
        if !self.has_losses {
            return;
        }
        let entry = self.table.at(slot);
        let (generation, name) = (entry.generation, &self.functions[entry.function.0].name);
        let from = if is_all { 0 } else { entry.stream().map_or(u32::MAX, |stream| stream.resend_from) };
        let objects = self.missing_items(slot).into_iter().filter(|index| *index > from);
        let objects: Vec<ObjectId> = objects.map(|index| self.task_id(slot, generation).object(index)).collect();
        let message = format!(
            "the generator {name} was run again because items of it were lost, and ended before it had made them: a generator whose items are to \
             outlive a node must make the same items every time"
        );
        let unmade = SystemError::new("replay_inconsistent").with("name", name).with("message", message);
        let error = raised.map_or_else(|| unmade.encode(), Into::into);
        for object in objects {
            self.settle_lost(&object, Value::Error(error.clone()), outbox);
        }
    }

    /// The stream has ended, and items were lost that its last attempt was past: it runs once more.
    pub(crate) fn replay_missing_items<O: Outbox>(&mut self, slot: u32, generation: u32, outbox: &mut O) {
        if !self.has_losses || self.table.get(slot, generation).is_none_or(|entry| entry.stream().is_none()) {
            return;
        }
        for index in self.missing_items(slot) {
            let object = self.task_id(slot, generation).object(index);
            if !self.searches.contains_key(&object) {
                self.rebuild(&object, "it was lost while its stream ran", outbox);
            }
        }
    }

    fn missing_items(&self, slot: u32) -> Vec<u32> {
        let Some(stream) = self.table.at(slot).stream() else { return Vec::new() };
        let missing = stream.items.iter().filter(|(_, item)| item.is_lost() && !item.value.is_ready());
        missing.map(|(index, _)| *index).collect()
    }

    /// Nothing holds the running stream back any more.
    pub(crate) fn send_unlimited_credit(&mut self, slot: u32) {
        if let Some(peer) = self.executor_of(slot) {
            let entry = self.table.at(slot);
            let (generation, attempt) = (entry.generation, entry.attempt);
            self.effects.push(Effect::StreamCredit { peer, slot, generation, attempt, taken: u32::MAX });
        }
    }
}
