//! What must hold after every event.

use crate::storage::memory::world::{Held, WAIT_MS, World, object, worker};
use trygon_ids::{SegmentId, WorkerId};

impl World {
    /// The table's own laws, and that what somebody looks at is where it was (STORE-1, STORE-2, SPILL-STORE-2).
    pub(super) fn check(&self) -> Held {
        self.table.sanity_check()?;
        for (who, process) in &self.processes {
            process.pool.sanity_check()?;
            for (id, location) in &process.pins {
                let there = self.memory.get(&(location.segment, location.offset_bytes));
                if there != Some(id) {
                    return Err(format!("STORE-1: {who} looks at {id} in {location:?}, and {there:?} is there"));
                }
            }
        }
        Ok(())
    }

    /// A clock that stands still would keep the daemon busy, and nobody waits longer than is allowed (STORE-4).
    pub(super) fn check_after_tick(&self) -> Held {
        if let Some(at_ms) = self.table.next_deadline_ms().filter(|at_ms| *at_ms <= self.now_ms) {
            return Err(format!("STORE-4: at {} the next tick is due at {at_ms}", self.now_ms));
        }
        let is_over = |asked_ms: &&u64| (**asked_ms).max(self.written_ms) + WAIT_MS <= self.now_ms;
        let late = self.asked.values().filter(is_over).count();
        if late > self.creating.len() {
            return Err(format!("STORE-4: {late} requests wait longer than {WAIT_MS} ms"));
        }
        Ok(())
    }

    fn is_in_file(&self, id: u64) -> bool {
        self.files.values().flatten().any(|(_, there)| *there == id)
    }

    /// STORE-1: nothing that an owner needs lies there, unless a file has it.
    pub(super) fn check_unused(&self, segment: SegmentId, start: u64, end: u64) -> Held {
        for known in &self.objects {
            let (from, to) = (known.location.offset_bytes, known.location.offset_bytes + known.location.size_bytes);
            let is_there =
                known.location.segment == segment && from < end && to > start && !self.lost.contains(&known.id);
            if is_there && self.memory.get(&(segment, from)) == Some(&known.id) && !self.is_in_file(known.id) {
                if self.table.in_file(&object(known.id), &known.location).is_some() {
                    return Err(format!("SPILL-STORE-1: memory is taken from {}, and no file has it", known.id));
                }
                return Err(format!("STORE-1: {start}..{end} of {segment:?} is free though {known:?} lies there"));
            }
        }
        Ok(())
    }

    /// Nobody needs these bytes (STORE-1), looks at them (STORE-2), or is sent what lies there (SPILL-STORE-2). A writer to which they are
    /// given back waits itself until it looks at them no more, when nobody else knows that it does.
    pub(super) fn check_unread(&self, segment: SegmentId, start: u64, end: u64, to: Option<WorkerId>) -> Held {
        self.check_unused(segment, start, end)?;
        for (who, process) in &self.processes {
            let Some(id) = process.looks_into(segment, start, end) else { continue };
            let is_known = self.objects.iter().any(|known| known.id == id);
            if is_known {
                return Err(format!("SPILL-STORE-2: memory is taken from {id}, and {who} looks at it"));
            }
            if to != Some(worker(*who)) {
                return Err(format!("STORE-2: memory of {id}, whose owner is dead, is free, and {who} looks at it"));
            }
        }
        let is_sent = |id: &u64| self.sends.get(id).is_some_and(|sends| *sends > 0);
        let there = self.objects.iter().find(|known| {
            let from = known.location.offset_bytes;
            known.location.segment == segment && from >= start && from < end && is_sent(&known.id)
        });
        match there {
            Some(known) if self.memory.get(&(segment, known.location.offset_bytes)) == Some(&known.id) => {
                Err(format!("SPILL-STORE-2: memory is taken from {}, which is being sent", known.id))
            }
            _ => Ok(()),
        }
    }
}
