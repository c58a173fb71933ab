//! What became of a write.

use crate::table::location::ObjectLocation;
use crate::table::spill_state::{FileEntry, FilePart, Key, OnDisk, PartSource, Spilled, Write};
use crate::table::spilling::plan::{DISK_FULL_MS, PATIENCE_MS};
use crate::table::state::{Effect, Life, StoreTable};
use std::collections::BTreeMap;

impl StoreTable {
    /// A part of a file was written: whoever waits for space has reason to wait on.
    pub fn on_write_progress(&mut self, now_ms: u64) {
        let deadline_ms = now_ms.saturating_add(self.limits.wait_ms);
        self.waiting.iter_mut().for_each(|request| request.deadline_ms = deadline_ms);
    }

    /// A file is complete. Its objects' memory is given back where nobody looks at it.
    pub fn on_written(&mut self, file: u64, now_ms: u64, effects: &mut Vec<Effect>) {
        let Some(Write { parts, size_bytes, held }) = self.spill.writes.remove(&file) else { return };
        self.spill.writing_bytes -= size_bytes;
        self.spill.file_bytes += size_bytes;
        self.spill.disk_full_until_ms = None;
        let entry = FileEntry { size_bytes, live_bytes: 0, live: BTreeMap::new(), moving_to: None };
        self.spill.files.insert(file, entry);
        let mut offset_bytes = 0;
        let mut written = Vec::new();
        for (key, size_bytes, source) in parts {
            let part = FilePart { file, offset_bytes };
            if self.move_part(key, source, part, effects) {
                if let Some(entry) = self.spill.files.get_mut(&file) {
                    entry.live.insert(offset_bytes, (key, size_bytes));
                    entry.live_bytes += size_bytes;
                }
                if source == PartSource::Memory {
                    self.spill.spilled_bytes_total += size_bytes;
                    self.spill.spilled_objects_total += 1;
                    written.push(key);
                }
            }
            offset_bytes += size_bytes;
        }
        if self.spill.files.get(&file).is_some_and(|entry| entry.live.is_empty()) {
            self.end_part(FilePart { file, offset_bytes: 0 }, effects);
        }
        for key in written {
            self.evict(key, now_ms, effects);
        }
        for range in held {
            self.give_back(range, effects);
        }
        self.on_write_progress(now_ms);
        self.serve_waiting(effects);
        self.plan_spills(now_ms, effects);
    }

    /// Memory that is being written into a file is not given back before that has ended.
    pub(crate) fn is_held_by_write(&mut self, disk: OnDisk, range: ObjectLocation) -> bool {
        let OnDisk::Writing(file) = disk else { return false };
        if self.defects.write_not_awaited {
            return false;
        }
        self.spill.writes.get_mut(&file).is_some_and(|write| {
            write.held.push(range);
            true
        })
    }

    /// The bytes are in the new file. False when they are of no use there.
    fn move_part(&mut self, key: Key, source: PartSource, part: FilePart, effects: &mut Vec<Effect>) -> bool {
        let object = self.segments.get_mut(&key.0).and_then(|entry| entry.objects.get_mut(&key.1));
        let object = object.filter(|object| object.id == key.2);
        match source {
            PartSource::Memory => {
                object.filter(|object| object.disk == OnDisk::Writing(part.file)).is_some_and(|object| {
                    // Nobody needs the file of an object whose owner died meanwhile.
                    let is_needed = matches!(object.life, Life::Owned(_));
                    object.disk = if is_needed { OnDisk::Written(part) } else { OnDisk::No };
                    is_needed
                })
            }
            PartSource::File(old) => {
                let spilled = self.spill.spilled.get_mut(&key).filter(|spilled| spilled.part == Some(old));
                let is_needed = if let Some(spilled) = spilled {
                    spilled.part = Some(part);
                    true
                } else {
                    object.filter(|object| object.disk == OnDisk::Written(old)).is_some_and(|object| {
                        object.disk = OnDisk::Written(part);
                        true
                    })
                };
                if is_needed {
                    self.end_part(old, effects);
                }
                is_needed
            }
        }
    }

    /// Takes the memory of an object that a file has too, if nobody looks at it. True if it did.
    pub(crate) fn evict(&mut self, key: Key, now_ms: u64, effects: &mut Vec<Effect>) -> bool {
        if !self.is_unseen(&key) {
            return false;
        }
        let Some(entry) = self.segments.get_mut(&key.0) else { return false };
        let Some(object) = entry.objects.get(&key.1).copied().filter(|object| object.id == key.2) else { return false };
        let (OnDisk::Written(part), Life::Owned(owner)) = (object.disk, object.life) else { return false };
        entry.objects.remove(&key.1);
        let size_bytes = object.size_bytes;
        self.spill.spilled.insert(key, Spilled { owner, size_bytes, part: Some(part) });
        self.spill.largest_bytes = self.spill.largest_bytes.max(size_bytes);
        self.spill.expected_bytes += size_bytes;
        self.spill.expected_until_ms = now_ms.saturating_add(PATIENCE_MS);
        if self.defects.part_ended_early {
            self.end_part(part, effects);
        }
        self.give_back(ObjectLocation { segment: key.0, offset_bytes: key.1, size_bytes }, effects);
        true
    }

    /// A file could not be written, and is not there. What was to go into it is where it was.
    pub fn on_write_failed(&mut self, file: u64, now_ms: u64, effects: &mut Vec<Effect>) {
        if self.defects.failure_is_success {
            return self.on_written(file, now_ms, effects);
        }
        let Some(write) = self.spill.writes.remove(&file) else { return };
        self.spill.writing_bytes -= write.size_bytes;
        for (key, _, source) in write.parts {
            match source {
                PartSource::Memory => {
                    let object = self.segments.get_mut(&key.0).and_then(|entry| entry.objects.get_mut(&key.1));
                    if let Some(object) = object.filter(|object| object.disk == OnDisk::Writing(file)) {
                        object.disk = OnDisk::No;
                    }
                }
                PartSource::File(old) => {
                    if let Some(entry) = self.spill.files.get_mut(&old.file) {
                        entry.moving_to = None;
                    }
                }
            }
        }
        for range in write.held {
            self.give_back(range, effects);
        }
        self.spill.disk_full_until_ms = Some(now_ms.saturating_add(DISK_FULL_MS));
        self.serve_waiting(effects);
    }
}
