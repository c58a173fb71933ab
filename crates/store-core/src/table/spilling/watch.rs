//! Who looks at what in the segments from which objects go into files (SPILL-STORE-2).

use crate::table::location::ObjectLocation;
use crate::table::spill_state::{FIRST_WORKER, Key, Look, Since, Watch};
use crate::table::state::{Effect, SegmentEntry, StoreTable};
use trygon_ids::{ObjectId, SegmentId, WorkerId};

impl SegmentEntry {
    /// A process has this segment no more, so that its word is not needed.
    pub(crate) fn awaits_nobody_else(&mut self, worker: WorkerId) {
        if let Some(watch) = &mut self.watch {
            watch.awaiting.remove(&worker);
            watch.lookers.retain(|(_, looker, _)| *looker != worker);
        }
    }

    pub(crate) fn looked_at_bytes(&self) -> u64 {
        let Some(watch) = &self.watch else { return 0 };
        let looked_at = self.objects.iter().filter(|(offset, _)| watch.is_looked_at(**offset));
        looked_at.map(|(_, object)| object.size_bytes).sum()
    }
}

impl StoreTable {
    /// From now on everyone who has the segment asks before it looks at an object in it.
    pub(crate) fn begin_watch(&mut self, segment: SegmentId, now_ms: u64, effects: &mut Vec<Effect>) {
        let Some(entry) = self.segments.get_mut(&segment).filter(|entry| entry.watch.is_none()) else { return };
        let mut watch = Watch { since_ms: now_ms, ..Watch::default() };
        watch.awaiting.extend(entry.readers.iter().copied());
        watch.awaiting.extend(entry.writer.filter(|writer| *writer != self.limits.own));
        effects.extend(watch.awaiting.iter().map(|to| Effect::Watch { to: *to, segment }));
        entry.watch = Some(Box::new(watch));
    }

    /// A process asks from now on, and looks at what begins at these offsets.
    pub fn on_watched(
        &mut self,
        from: WorkerId,
        segment: SegmentId,
        offsets: &[u64],
        now_ms: u64,
        effects: &mut Vec<Effect>,
    ) {
        let Some(entry) = self.segments.get_mut(&segment) else { return };
        let Some(watch) = &mut entry.watch else { return };
        if watch.awaiting.remove(&from) {
            let there = offsets.iter().filter(|offset| entry.objects.contains_key(offset));
            watch.lookers.extend(there.map(|offset| (*offset, from, Since::Before)));
            self.plan_spills(now_ms, effects);
        }
    }

    /// A process asks for an object of this node. If it is in memory it stays there until the process says that it looks no more.
    pub fn on_look(
        &mut self,
        from: WorkerId,
        object: &ObjectId,
        location: &ObjectLocation,
        effects: &mut Vec<Effect>,
    ) -> Look {
        let key = (location.segment, location.offset_bytes, *object);
        if let Some(spilled) = self.spill.spilled.get(&key).filter(|found| found.size_bytes == location.size_bytes) {
            return spilled.part.map_or(Look::Unreadable, Look::InFile);
        }
        if !self.has(object, location) || self.dead.contains(from) {
            return Look::Gone;
        }
        self.begin_watch(location.segment, 0, effects);
        let stamp = self.stamp();
        if let Some(entry) = self.segments.get_mut(&location.segment) {
            entry.used_stamp = stamp;
            if let Some(watch) = &mut entry.watch {
                watch.lookers.insert((location.offset_bytes, from, Since::Asked));
            }
        }
        self.spill.looks.insert((from, *object), *location);
        Look::Here
    }

    /// A process that asked for an object looks at it no more.
    pub fn on_look_ended(&mut self, from: WorkerId, object: &ObjectId, now_ms: u64, effects: &mut Vec<Effect>) {
        if let Some(location) = self.spill.looks.remove(&(from, *object)) {
            self.end_look(location.segment, (location.offset_bytes, from, Since::Asked), now_ms, effects);
        }
    }

    /// A process that looked at an object before it was told to ask looks at it no more.
    pub fn on_early_look_ended(
        &mut self,
        from: WorkerId,
        segment: SegmentId,
        offset_bytes: u64,
        now_ms: u64,
        effects: &mut Vec<Effect>,
    ) {
        self.end_look(segment, (offset_bytes, from, Since::Before), now_ms, effects);
    }

    fn end_look(&mut self, segment: SegmentId, looker: (u64, WorkerId, Since), now_ms: u64, effects: &mut Vec<Effect>) {
        let watch = self.segments.get_mut(&segment).and_then(|entry| entry.watch.as_mut());
        if watch.is_some_and(|watch| watch.lookers.remove(&looker)) {
            self.plan_spills(now_ms, effects);
        }
    }

    /// An object is gone, and with it everyone's look at it.
    pub(crate) fn forget_looks(&mut self, segment: SegmentId, offset_bytes: u64, object: ObjectId) {
        let watch = self.segments.get_mut(&segment).and_then(|entry| entry.watch.as_mut());
        let Some(watch) = watch else { return };
        let first = (offset_bytes, FIRST_WORKER, Since::Before);
        let its = watch.lookers.range(first..).take_while(|(offset, ..)| *offset == offset_bytes);
        let its: Vec<_> = its.copied().collect();
        for looker in its {
            watch.lookers.remove(&looker);
            self.spill.looks.remove(&(looker.1, object));
        }
    }

    /// The object is being sent to another node from where it lies. False when it is not in memory.
    pub fn on_send_began(&mut self, object: &ObjectId, location: &ObjectLocation) -> bool {
        if !self.has(object, location) {
            return false;
        }
        let stamp = self.stamp();
        if let Some(entry) = self.segments.get_mut(&location.segment) {
            entry.used_stamp = stamp;
        }
        self.spill.sends.entry(*object).or_insert((*location, 0)).1 += 1;
        true
    }

    /// It was sent, or could not be.
    pub fn on_send_ended(&mut self, object: &ObjectId, now_ms: u64, effects: &mut Vec<Effect>) {
        let Some((_, sends)) = self.spill.sends.get_mut(object) else { return };
        *sends = sends.saturating_sub(1);
        if *sends == 0 {
            self.spill.sends.remove(object);
            self.plan_spills(now_ms, effects);
        }
    }

    /// Whether memory may be taken from the object: everyone has spoken, and nobody looks.
    pub(crate) fn is_unseen(&self, key: &Key) -> bool {
        let watch = self.segments.get(&key.0).and_then(|entry| entry.watch.as_ref());
        let is_sent = self.spill.sends.contains_key(&key.2) && !self.defects.sent_taken;
        let defects = self.defects;
        let has_spoken = |watch: &Watch| watch.awaiting.is_empty() || defects.word_not_awaited;
        let is_looked_at = |watch: &Watch| watch.is_looked_at(key.1) && !defects.lookers_ignored;
        !is_sent && watch.is_some_and(|watch| has_spoken(watch) && !is_looked_at(watch))
    }
}
