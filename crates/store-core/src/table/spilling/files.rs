//! What is in which file, and what of it is needed (SPILL-STORE-3).

use crate::table::location::ObjectLocation;
use crate::table::spill_state::{FilePart, Key, OnDisk, PartSource, Queued};
use crate::table::state::{Effect, StoreStats, StoreTable};
use std::collections::BTreeSet;
use trygon_ids::{ObjectId, WorkerId};

impl StoreTable {
    /// The owner frees an object that is not in memory. False when it is.
    pub(crate) fn on_spilled_freed(&mut self, key: Key, now_ms: u64, effects: &mut Vec<Effect>) -> bool {
        let Some(spilled) = self.spill.spilled.remove(&key) else { return false };
        if self.spill.spilled.is_empty() {
            // Nothing is kept free for reading any more.
            self.spill.largest_bytes = 0;
            if !self.defects.reading_unnoticed {
                self.serve_waiting(effects);
            }
        }
        if let Some(part) = spilled.part {
            self.end_part(part, effects);
        }
        self.plan_spills(now_ms, effects);
        true
    }

    /// A process is gone: nobody needs what it owned, and it looks at nothing.
    pub(crate) fn on_spilling_death(&mut self, worker: WorkerId, now_ms: u64, effects: &mut Vec<Effect>) {
        let owned = if self.defects.orphans_kept { BTreeSet::new() } else { self.spill.owned_by(worker) };
        for key in owned {
            self.on_spilled_freed(key, now_ms, effects);
        }
        let nil = ObjectId::new([0; 28]);
        let looks = self.spill.looks.range((worker, nil)..).take_while(|((looker, _), _)| *looker == worker);
        let looks: Vec<_> = looks.map(|(look, _)| *look).collect();
        for look in looks {
            self.spill.looks.remove(&look);
        }
    }

    /// What a file has of an object that is in memory is not needed any more.
    pub(crate) fn drop_from_disk(&mut self, key: Key, disk: OnDisk, effects: &mut Vec<Effect>) {
        // What is being written is found to be of no use when it is written.
        if let OnDisk::Written(part) = disk
            && !self.defects.part_kept
            && self.spill.is_needed(&key, part)
        {
            self.end_part(part, effects);
        }
    }

    /// A part of a file is not needed any more.
    pub(crate) fn end_part(&mut self, part: FilePart, effects: &mut Vec<Effect>) {
        let Some(file) = self.spill.files.get_mut(&part.file) else { return };
        if let Some((_, size_bytes)) = file.live.remove(&part.offset_bytes) {
            file.live_bytes -= size_bytes;
        }
        if file.live.is_empty() && !self.defects.empty_file_kept {
            self.spill.file_bytes -= file.size_bytes;
            self.spill.files.remove(&part.file);
            effects.push(Effect::DeleteFile { file: part.file });
            if self.spill.disk_full_until_ms.is_some() {
                // There is room again: the next plan may try.
                self.spill.disk_full_until_ms = Some(0);
            }
        }
    }

    /// A file is of no use: what was to be read from this place could not be. The object is lost if it is not in memory.
    pub fn on_unreadable(
        &mut self,
        object: &ObjectId,
        location: &ObjectLocation,
        part: FilePart,
        effects: &mut Vec<Effect>,
    ) {
        let key = (location.segment, location.offset_bytes, *object);
        if let Some(spilled) = self.spill.spilled.get_mut(&key).filter(|spilled| spilled.part == Some(part)) {
            spilled.part = None;
            self.end_part(part, effects);
        }
    }

    /// Where in a file an object is that is not in memory.
    pub fn in_file(&self, object: &ObjectId, location: &ObjectLocation) -> Option<FilePart> {
        let key = (location.segment, location.offset_bytes, *object);
        let spilled = self.spill.spilled.get(&key).filter(|found| found.size_bytes == location.size_bytes);
        spilled.and_then(|spilled| spilled.part)
    }

    /// Whether a file has the object, be it in memory too or not.
    pub fn has_file(&self, object: &ObjectId, location: &ObjectLocation) -> bool {
        let entry = self.segments.get(&location.segment).and_then(|entry| entry.objects.get(&location.offset_bytes));
        let is_written = entry.is_some_and(|entry| entry.id == *object && matches!(entry.disk, OnDisk::Written(_)));
        is_written || self.in_file(object, location).is_some()
    }

    /// A file of which less than half is needed, to be written anew (SPILL-STORE-5).
    pub(crate) fn wasteful_file(&self) -> Option<(u64, Vec<Queued>)> {
        let wasteful = self.spill.files.iter().find(|(_, file)| {
            file.live_bytes.saturating_mul(2) < file.size_bytes && file.moving_to.is_none() && file.live_bytes > 0
        });
        wasteful.map(|(number, file)| {
            let part = |offset_bytes: u64| PartSource::File(FilePart { file: *number, offset_bytes });
            let parts = file.live.iter().map(|(offset, (key, size_bytes))| (*key, *size_bytes, part(*offset)));
            (*number, parts.collect())
        })
    }
}

impl StoreTable {
    /// What the figures of the store say of files.
    pub(crate) fn add_spill_stats(&self, stats: &mut StoreStats) {
        let in_files = self.spill.spilled.values().filter(|spilled| spilled.part.is_some());
        for spilled in in_files {
            stats.spilled_objects += 1;
            stats.spilled_bytes += spilled.size_bytes;
        }
        stats.spill_files = self.spill.files.len() as u64;
        stats.spill_file_bytes = self.spill.file_bytes + self.spill.writing_bytes;
        stats.spilled_bytes_total = self.spill.spilled_bytes_total;
        stats.spilled_objects_total = self.spill.spilled_objects_total;
    }
}
