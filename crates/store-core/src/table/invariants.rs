//! What must hold between any two events.

use crate::table::spill_state::Queued;
use crate::table::state::{Life, Stage, StoreTable};

impl StoreTable {
    /// Checks the invariants; the first that is broken comes back in words.
    pub fn sanity_check(&self) -> Result<(), String> {
        let charged: u64 = self.segments.values().map(|entry| entry.charged_bytes).sum();
        if charged != self.used_bytes || self.used_bytes > self.limits.capacity_bytes {
            return Err(format!("{charged} charged, {} used, {} at most", self.used_bytes, self.limits.capacity_bytes));
        }
        for (id, entry) in &self.segments {
            let mut end_before = 0;
            for (offset, object) in &entry.objects {
                if *offset < end_before || offset + object.size_bytes > entry.size_bytes {
                    return Err(format!("STORE-1: the object at {offset} of {id:?} overlaps another one or the end"));
                }
                end_before = offset + object.size_bytes.max(1);
                match object.life {
                    Life::Owned(owner) if self.dead.contains(owner) => {
                        return Err(format!("STORE-3: {id:?} holds an object of a dead owner"));
                    }
                    Life::HeldForReaders if entry.readers.is_empty() => {
                        return Err(format!("STORE-3: {id:?} holds an object for nobody"));
                    }
                    Life::HeldForReaders if !entry.must_not_erase => {
                        return Err(format!("STORE-2: {id:?} would be erased under those who read it"));
                    }
                    Life::Owned(_) | Life::HeldForReaders => {}
                }
            }
            if entry.writer.is_none() && !entry.has_owned_object() && !self.is_held(*id) {
                return Err(format!("STORE-3: {id:?} has neither a writer nor an object"));
            }
            if entry.writer.is_some_and(|writer| self.dead.contains(writer)) {
                return Err(format!("STORE-3: the writer of {id:?} is dead"));
            }
            if entry.readers.iter().any(|reader| self.dead.contains(*reader)) {
                return Err(format!("STORE-3: a dead process reads {id:?}"));
            }
            if entry.stage != Stage::Ready && (entry.writer.is_none() || !entry.objects.is_empty()) {
                return Err(format!("{id:?} is used before it exists"));
            }
            if entry.writer.is_some() && entry.charged_bytes != entry.size_bytes {
                return Err(format!("{id:?} was trimmed while it has a writer"));
            }
        }
        if self.waiting.iter().any(|request| self.dead.contains(request.from)) {
            return Err("STORE-3: a dead process waits for space".into());
        }
        self.check_waiting()?;
        self.check_spilling()
    }

    /// STORE-4: nobody waits for what there is. While files make room, those behind the first do.
    fn check_waiting(&self) -> Result<(), String> {
        let first = if self.is_making_room() { 1 } else { self.waiting.len() };
        match self.waiting.iter().take(first).find(|request| self.size_for(request).is_some()) {
            Some(request) => Err(format!(
                "STORE-4: {:?} waits for {} bytes, and {} of {} are in use",
                request.from, request.least_bytes, self.used_bytes, self.limits.capacity_bytes
            )),
            None => Ok(()),
        }
    }

    /// What must hold besides once nothing is under way, all messages have come and time has passed.
    pub fn check_at_rest(&self) -> Result<(), String> {
        if let Some(request) = self.waiting.front() {
            return Err(format!("STORE-4: {:?} waits for {} bytes for ever", request.from, request.least_bytes));
        }
        let wasteful = self.wasteful_file();
        let needed_bytes = |parts: &[Queued]| parts.iter().map(|(_, size_bytes, _)| size_bytes).sum::<u64>();
        match wasteful.map(|(file, parts)| (file, needed_bytes(&parts))) {
            Some((file, bytes)) if self.fits_quota(bytes) && !self.spill.is_disk_full() => {
                Err(format!("SPILL-STORE-5: of file {file} only {bytes} bytes are needed"))
            }
            _ => Ok(()),
        }
    }
}
