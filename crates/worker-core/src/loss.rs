//! Objects that are not where they were: a copy of them is looked for, and without one they are made again.
//!
//! Whoever finds an object gone says so to its owner, and then asks for it as for any object. The owner takes its value away, so that
//! everybody waits for it as for a result that was never there, asks whoever borrows it for a copy, and has its task run again
//! otherwise. That a node died is only noted: what lay there is lost when somebody needs it.

use crate::effect::{Effect, Outbox};
use crate::entry::{Lineage, Location, Reference, Value};
use crate::kept::Search;
use crate::state::Core;
use trygon_ids::{ObjectId, PUT_INDEX_BIT, WorkerId};

impl Core {
    /// A node died: objects there are lost. `message` says which node, and why.
    pub fn on_node_died(&mut self, node_number: u64, message: &str) {
        self.has_losses = true;
        self.dead_nodes.insert(node_number, message.into());
    }

    /// This process could not get an object from where it is said to be: its owner looks after it, and it can be waited for.
    pub fn on_copy_lost(&mut self, reference: &Reference, location: Location, reason: &str) {
        self.has_losses = true;
        if self.owns(&reference.object) {
            return self.on_lost_report(&reference.object, location, reason);
        }
        let borrowed = self.borrowed_mut(reference);
        let is_known = match borrowed.value {
            Value::Stored(known) => known != location,
            Value::Pending => borrowed.queried,
            Value::Inline(_) | Value::Error(_) => true,
        };
        if is_known {
            return;
        }
        borrowed.value = Value::Pending;
        borrowed.queried = false;
        let contained = std::mem::take(&mut borrowed.contained);
        self.effects.push(Effect::ReportLost { reference: *reference, location, reason: reason.into() });
        for inner in contained {
            self.release_use(&inner);
        }
    }

    /// Somebody could not get an own object from there. Nothing happens when it is known to be lost, or elsewhere by now.
    pub fn on_lost_report(&mut self, object: &ObjectId, location: Location, reason: &str) {
        self.has_losses = true;
        let task = object.task_id();
        let index = object.index() & !PUT_INDEX_BIT;
        let own = self.identity.worker;
        let found = self.table.get(task.slot(), task.generation()).and_then(|entry| entry.object(index));
        if !found.is_some_and(|found| matches!(found.value, Value::Stored(known) if known == location)) {
            return;
        }
        self.uncount_argument(task.slot(), location);
        let Some(lost) = self.table.at_mut(task.slot()).object_mut(index) else { return };
        lost.value = Value::Pending;
        let detail = lost.detail_mut();
        detail.is_lost = true;
        let lent = detail.borrowers.iter().filter(|(_, balance)| **balance > 0);
        let borrowers: Vec<WorkerId> =
            lent.map(|(borrower, _)| *borrower).filter(|borrower| *borrower != own).collect();
        if self.rescued.remove(object) {
            self.effects.push(Effect::Forgotten { object: *object });
        }
        let asked = borrowers.iter().copied().chain([own]).collect();
        // The same node's death is told in other words to whoever fetched from it.
        let reason = self.dead_nodes.get(&location.segment.node_number()).map_or(reason, |message| message);
        self.searches.insert(*object, Search { asked, copies: Vec::new(), reason: reason.into() });
        self.effects.push(Effect::FindCopy { object: *object, location: Some(location), borrowers });
    }

    /// An own object was freed, and a task of another process, which is run again, names it: it is made again, if its task is kept.
    pub(crate) fn revive_for_borrower(&mut self, object: &ObjectId) -> bool {
        let task = object.task_id();
        let index = object.index() & !PUT_INDEX_BIT;
        let Some(entry) = self.table.get_mut(task.slot(), task.generation()) else { return false };
        if entry.lineage != Lineage::Kept || entry.is_put {
            return false;
        }
        if let Some(stream) = entry.stream_mut().filter(|stream| (1..=stream.received).contains(&index)) {
            stream.items.entry(index).or_default();
        }
        let Some(freed) = entry.object_mut(index) else { return false };
        freed.detail_mut().is_lost = true;
        self.has_losses = true;
        let reason = "a task that is run again needs it".into();
        self.searches.insert(*object, Search { asked: [self.identity.worker].into(), copies: Vec::new(), reason });
        self.effects.push(Effect::FindCopy { object: *object, location: None, borrowers: Vec::new() });
        true
    }

    /// Whether the reference's value lay on a node that died. Then it is looked after from now on.
    pub(crate) fn notice_loss(&mut self, reference: &Reference) -> bool {
        if self.dead_nodes.is_empty() {
            return false;
        }
        let Some(Value::Stored(location)) = self.value_of(reference) else { return false };
        let location = *location;
        let Some(message) = self.dead_nodes.get(&location.segment.node_number()) else { return false };
        let message = message.to_string();
        self.on_copy_lost(reference, location, &message);
        true
    }

    /// What `from` says of a lost own object: where its copy lies, or that it has none. This process itself says where the copy of its node
    /// lies; a copy elsewhere is fetched first, because only what this process holds stays as long as it is needed.
    pub fn on_copy_answer<O: Outbox>(
        &mut self,
        object: &ObjectId,
        from: WorkerId,
        copy: Option<Location>,
        outbox: &mut O,
    ) {
        let own = self.identity.worker;
        if from == own && !self.searches.contains_key(object) {
            return self.on_moved(object, copy);
        }
        let Some(search) = self.searches.get_mut(object).filter(|search| search.asked.contains(&from)) else { return };
        search.asked.remove(&from);
        if from == own {
            self.moving.remove(object);
        }
        match copy {
            Some(location) if from == own => return self.rescue(object, location, outbox),
            Some(location) => search.copies.push(location),
            None => {}
        }
        if !search.asked.contains(&own) {
            let dead_nodes = &self.dead_nodes;
            search.copies.retain(|location| !dead_nodes.contains_key(&location.segment.node_number()));
            if let Some(location) = search.copies.pop() {
                search.asked.insert(own);
                return self.effects.push(Effect::FetchCopy { object: *object, location });
            }
        }
        if search.asked.is_empty() && !self.defects.rebuild_forgotten {
            let reason = std::mem::take(&mut search.reason);
            self.searches.remove(object);
            self.rebuild(object, &reason, outbox);
        }
    }

    /// A borrower of lost objects is dead.
    pub(crate) fn on_searched_died<O: Outbox>(&mut self, worker: WorkerId, outbox: &mut O) {
        let asked = self.searches.iter().filter(|(_, search)| search.asked.contains(&worker));
        let objects: Vec<ObjectId> = asked.map(|(object, _)| *object).collect();
        for object in objects {
            self.on_copy_answer(&object, worker, None, outbox);
        }
    }

    /// The copy that this process holds stands for the lost object.
    fn rescue<O: Outbox>(&mut self, object: &ObjectId, location: Location, outbox: &mut O) {
        self.searches.remove(object);
        if self.is_missing(object) {
            self.rescued.insert(*object);
            self.settle_lost(object, Value::Stored(location), outbox);
        } else {
            // Nobody refers to it any more, or it was made again meanwhile.
            self.effects.push(Effect::Forgotten { object: *object });
        }
    }

    /// Whether the own object is lost and has no value since.
    pub(crate) fn is_missing(&self, object: &ObjectId) -> bool {
        let task = object.task_id();
        let entry = self.table.get(task.slot(), task.generation());
        let lost = entry.and_then(|entry| entry.object(object.index() & !PUT_INDEX_BIT));
        lost.is_some_and(|lost| lost.is_lost() && !lost.value.is_ready())
    }

    /// A lost object has a value again, or an error.
    pub(crate) fn settle_lost<O: Outbox>(&mut self, object: &ObjectId, value: Value, outbox: &mut O) {
        let task = object.task_id();
        let Some(entry) = self.table.get_mut(task.slot(), task.generation()) else { return };
        self.watched_completions += u64::from(std::mem::take(&mut entry.watched));
        let index = object.index() & !PUT_INDEX_BIT;
        let Some(found) = entry.object_mut(index) else { return };
        found.value = value;
        let detail = found.detail_mut();
        detail.is_lost = false;
        let waiters = std::mem::take(&mut detail.waiters);
        if let Value::Error(_) = found.value {
            // What was inside the value is not there any more.
            let contained = std::mem::take(&mut found.detail_mut().contained);
            for inner in contained {
                self.release_use(&inner);
            }
        }
        self.wake(*object, waiters, outbox);
        if self.table.get(task.slot(), task.generation()).is_some() {
            self.collect_object(task.slot(), index);
        }
    }
}
