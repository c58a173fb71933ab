//! Objects sealed and freed.

use crate::RangeAllocator;
use crate::table::location::ObjectLocation;
use crate::table::spill_state::OnDisk;
use crate::table::state::{Effect, Life, ObjectEntry, Reject, SegmentEntry, Stage, StoreTable};
use trygon_ids::{ObjectId, SegmentId, WorkerId};

/// Most early frees remembered for one segment; each is the difference between two sockets, so there are few.
const MOST_FREED_EARLY: usize = 10_000;

impl StoreTable {
    /// A writer sealed an object.
    pub fn on_sealed(
        &mut self,
        from: WorkerId,
        id: ObjectId,
        location: ObjectLocation,
        owner: WorkerId,
        effects: &mut Vec<Effect>,
    ) -> Result<(), Reject> {
        if self.dead.contains(from) {
            return Ok(());
        }
        let entry = self.segments.get_mut(&location.segment).ok_or(Reject::NotTheWriter)?;
        let is_writer = entry.writer == Some(from) || self.defects.stranger_accepted;
        if !is_writer || entry.stage != Stage::Ready {
            return Err(Reject::NotTheWriter);
        }
        let end = location.offset_bytes.checked_add(location.size_bytes).ok_or(Reject::OutOfBounds)?;
        if end > entry.size_bytes {
            return Err(Reject::OutOfBounds);
        }
        let Some(gone) = entry.make_way(location.offset_bytes, end, from, self.defects.overlap_accepted) else {
            return Err(Reject::Overlap);
        };
        self.sealed_objects += 1;
        self.next_stamp += 1;
        entry.used_stamp = self.next_stamp;
        // Nobody ever had it when its owner is gone or has freed it already.
        let is_orphan = self.dead.contains(owner) && !self.defects.sealed_for_nobody;
        if is_orphan || entry.freed_early.remove(&(location.offset_bytes, id)) {
            effects.push(Effect::Reclaim { to: from, range: location });
        } else {
            let object =
                ObjectEntry { id, size_bytes: location.size_bytes, life: Life::Owned(owner), disk: OnDisk::No };
            entry.objects.insert(location.offset_bytes, object);
        }
        for (offset, object) in gone {
            self.forget_looks(location.segment, offset, object.id);
            self.drop_from_disk((location.segment, offset, object.id), object.disk, effects);
        }
        Ok(())
    }

    /// The owner of an object says that nobody refers to it. `reclaimed`: the owner is the writer and took the space back itself.
    pub fn on_freed(
        &mut self,
        from: WorkerId,
        id: ObjectId,
        location: ObjectLocation,
        reclaimed: bool,
        now_ms: u64,
        effects: &mut Vec<Effect>,
    ) {
        let ObjectLocation { segment, offset_bytes, .. } = location;
        if self.on_spilled_freed((segment, offset_bytes, id), now_ms, effects) {
            return;
        }
        let Some(entry) = self.segments.get_mut(&segment) else {
            return;
        };
        let is_meant = |object: &ObjectEntry| object.id == id || self.defects.freed_by_place;
        let Some(object) = entry.objects.get(&offset_bytes).copied().filter(is_meant) else {
            if entry.writer.is_some_and(|writer| writer != from) && entry.freed_early.len() < MOST_FREED_EARLY {
                entry.freed_early.insert((offset_bytes, id));
            }
            return;
        };
        // What is held for readers has lost its owner; nobody else can tell who reads it.
        if object.life == Life::HeldForReaders {
            return;
        }
        entry.objects.remove(&offset_bytes);
        let by_writer = reclaimed && entry.writer == Some(from) && !self.defects.returned_twice;
        self.forget_looks(segment, offset_bytes, id);
        self.drop_from_disk((segment, offset_bytes, id), object.disk, effects);
        let range = ObjectLocation { segment, offset_bytes, size_bytes: object.size_bytes };
        if !by_writer && !self.is_held_by_write(object.disk, range) {
            self.give_back(range, effects);
        }
    }

    /// A range holds nothing any more: it is its writer's again, or the system's.
    pub(crate) fn give_back(&mut self, range: ObjectLocation, effects: &mut Vec<Effect>) {
        let writer = self.segments.get(&range.segment).and_then(|entry| entry.writer);
        if let Some(to) = writer {
            effects.push(Effect::Reclaim { to, range });
        } else {
            self.trim(range.segment, effects);
            self.release_if_unused(range.segment, effects);
            self.serve_waiting(effects);
        }
    }

    /// Whether this very object lies there, sealed and not freed.
    pub fn has(&self, id: &ObjectId, location: &ObjectLocation) -> bool {
        let object = self.segments.get(&location.segment).and_then(|entry| entry.objects.get(&location.offset_bytes));
        object.is_some_and(|object| object.id == *id && object.size_bytes == location.size_bytes)
    }

    /// Gives what no object covers in a segment without writer back to the system, as far as that is whole pages.
    pub(crate) fn trim(&mut self, segment: SegmentId, effects: &mut Vec<Effect>) {
        let Some(entry) = self.segments.get_mut(&segment) else {
            return;
        };
        if entry.writer.is_some() || !entry.has_owned_object() {
            return;
        }
        let ranges = entry.unused_pages(self.defects.trimmed_whole);
        let kept = entry.size_bytes - ranges.iter().map(|(_, len)| len).sum::<u64>();
        if kept < entry.charged_bytes {
            let back_bytes = entry.charged_bytes - kept;
            self.used_bytes -= back_bytes;
            entry.charged_bytes = kept;
            self.spill.came_back(back_bytes);
            effects.push(Effect::Trim { segment, ranges });
        }
    }
}

impl SegmentEntry {
    pub(crate) fn has_owned_object(&self) -> bool {
        self.objects.values().any(|object| matches!(object.life, Life::Owned(_)))
    }

    /// Removes the objects in a range that the writer itself owns: it has freed them, or the range would not be in use again. Its word
    /// about that may come after this one, since several of its threads speak. `None` when another's object is in the way.
    fn make_way(&mut self, start: u64, end: u64, writer: WorkerId, takes_all: bool) -> Option<Vec<(u64, ObjectEntry)>> {
        let end = end.max(start + 1);
        let mut own = Vec::new();
        for (offset, object) in self.objects.range(..end).rev() {
            if offset + object.size_bytes.max(1) <= start {
                break;
            }
            if object.life != Life::Owned(writer) && !takes_all {
                return None;
            }
            own.push((*offset, *object));
        }
        for (offset, _) in &own {
            self.objects.remove(offset);
        }
        Some(own)
    }

    /// Runs of whole pages that no object touches.
    fn unused_pages(&self, with_begun: bool) -> Vec<(u64, u64)> {
        const PAGE_BYTES: u64 = 4096;
        let mut runs = Vec::new();
        let mut at = 0;
        let end_mark = (self.size_bytes, 0);
        let objects = self.objects.iter().map(|(offset, object)| (*offset, object.size_bytes));
        for (offset, size) in objects.chain([end_mark]) {
            let is_whole = at % PAGE_BYTES == 0 || with_begun;
            let start = at / PAGE_BYTES * PAGE_BYTES + if is_whole { 0 } else { PAGE_BYTES };
            let end = offset / PAGE_BYTES * PAGE_BYTES;
            if end > start {
                runs.push((start, end - start));
            }
            at = offset + RangeAllocator::occupied_bytes(size).unwrap_or(size);
        }
        runs
    }
}
