//! What must hold of files between any two events.

use crate::table::spill_state::{FilePart, OnDisk, PartSource};
use crate::table::state::{Life, StoreTable};
use trygon_ids::SegmentId;

impl StoreTable {
    /// The first invariant of spilling that is broken, in words.
    pub(crate) fn check_spilling(&self) -> Result<(), String> {
        self.check_files()?;
        self.check_objects_in_memory()?;
        for (key, spilled) in &self.spill.spilled {
            let in_memory = self.segments.get(&key.0).and_then(|entry| entry.objects.get(&key.1));
            if in_memory.is_some_and(|object| object.id == key.2) {
                return Err(format!("SPILL-STORE-1: {key:?} is in memory and counts as spilled"));
            }
            if spilled.part.is_some_and(|part| !self.spill.is_needed(key, part)) {
                return Err(format!("SPILL-STORE-1: {key:?} is neither in memory nor in its file"));
            }
            if self.dead.contains(spilled.owner) {
                return Err(format!("STORE-3: a file is kept for {key:?} of a dead owner"));
            }
        }
        Ok(())
    }

    /// Whether memory of the segment is still read for a file, though the object was freed.
    pub(crate) fn is_held(&self, segment: SegmentId) -> bool {
        self.spill.writes.values().flat_map(|write| &write.held).any(|range| range.segment == segment)
    }

    fn check_files(&self) -> Result<(), String> {
        let sizes: u64 = self.spill.files.values().map(|file| file.size_bytes).sum();
        let writing: u64 = self.being_written().values().sum();
        if sizes != self.spill.file_bytes || writing != self.spill.writing_bytes {
            return Err(format!("SPILL-STORE-3: files of {sizes} bytes count as {}", self.spill.file_bytes));
        }
        if self.limits.spill.is_on && sizes + writing > self.limits.spill.quota_bytes {
            return Err(format!("SPILL-STORE-4: {sizes} and {writing} bytes are more than the quota"));
        }
        for (number, file) in &self.spill.files {
            let live: u64 = file.live.values().map(|(_, size_bytes)| size_bytes).sum();
            if live != file.live_bytes || live > file.size_bytes || file.live.is_empty() {
                return Err(format!("SPILL-STORE-3: of {} bytes of file {number} {live} are needed", file.size_bytes));
            }
            if file.moving_to.is_some_and(|to| !self.spill.writes.contains_key(&to)) {
                return Err(format!("SPILL-STORE-5: file {number} moves to one that nobody writes"));
            }
            for (offset, (key, _)) in &file.live {
                let spilled = self.spill.spilled.get(key).and_then(|spilled| spilled.part);
                let object = self.segments.get(&key.0).and_then(|entry| entry.objects.get(&key.1));
                let kept = object.filter(|object| object.id == key.2).map(|object| object.disk);
                let part = FilePart { file: *number, offset_bytes: *offset };
                if spilled != Some(part) && kept != Some(OnDisk::Written(part)) {
                    return Err(format!("SPILL-STORE-3: {key:?} in file {number} is nobody's"));
                }
            }
        }
        Ok(())
    }

    fn check_objects_in_memory(&self) -> Result<(), String> {
        for (segment, entry) in &self.segments {
            for (offset, object) in &entry.objects {
                let key = (*segment, *offset, object.id);
                match object.disk {
                    OnDisk::No => {}
                    OnDisk::Written(part) if !self.spill.is_needed(&key, part) => {
                        return Err(format!("SPILL-STORE-1: {key:?} is not in the file that is to have it"));
                    }
                    OnDisk::Writing(file) => {
                        let write = self.spill.writes.get(&file);
                        let is_in = |part: &(_, _, PartSource)| part.0 == key && part.2 == PartSource::Memory;
                        if !write.is_some_and(|write| write.parts.iter().any(is_in)) {
                            return Err(format!("SPILL-STORE-1: nobody writes {key:?} into file {file}"));
                        }
                    }
                    OnDisk::Written(_) => {}
                }
                if matches!(object.disk, OnDisk::Written(_)) && object.life == Life::HeldForReaders {
                    return Err(format!("STORE-3: a file is kept for {key:?} of a dead owner"));
                }
            }
            let Some(watch) = &entry.watch else { continue };
            if watch.lookers.iter().any(|(offset, ..)| !entry.objects.contains_key(offset)) {
                return Err(format!("SPILL-STORE-2: something is looked at in {segment:?} that is not there"));
            }
            if watch.lookers.iter().any(|(_, worker, _)| self.dead.contains(*worker))
                || watch.awaiting.iter().any(|worker| self.dead.contains(*worker))
            {
                return Err(format!("STORE-3: {segment:?} waits for the dead"));
            }
        }
        Ok(())
    }
}
