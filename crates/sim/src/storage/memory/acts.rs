//! What processes do on their own account.

use crate::storage::memory::process::{Process, Said};
use crate::storage::memory::world::{Held, Known, World, object, worker};
use trygon_store_core::{Effect, ObjectLocation, Reserved};

impl World {
    /// A process writes an object for an owner, or asks for a segment to write into.
    pub(super) fn put(&mut self, writer: u8, owner: u8, size_bytes: u64) -> Held {
        self.next_id += 1;
        let id = self.next_id;
        let Some(process) = self.processes.get_mut(&writer) else { return Ok(()) };
        match process.pool.reserve(size_bytes) {
            Reserved::NeedSegment { size_bytes } => {
                process.outbox.push_back(Said::Request { request_id: id, least_bytes: size_bytes });
            }
            Reserved::Range { segment, offset_bytes } => {
                let location = ObjectLocation { segment, offset_bytes, size_bytes };
                self.check_unread(segment, offset_bytes, offset_bytes + size_bytes, None)?;
                self.erase(segment, offset_bytes, offset_bytes + size_bytes);
                self.memory.insert((segment, offset_bytes), id);
                self.objects.push(Known { id, writer, owner, location });
                self.counts.objects += 1;
                if let Some(process) = self.processes.get_mut(&writer) {
                    process.outbox.push_back(Said::Sealed { id, location, owner });
                }
            }
        }
        Ok(())
    }

    /// The owner needs it no more, and nobody looks at it.
    pub(super) fn free(&mut self, index: usize) {
        let known = self.objects[index];
        if self.processes.values().any(|process| process.needs(known.id)) {
            return;
        }
        self.objects.swap_remove(index);
        let now_ms = self.now_ms;
        let Some(owner) = self.processes.get_mut(&known.owner) else { return };
        let ObjectLocation { segment, offset_bytes, size_bytes } = known.location;
        let takes = known.owner == known.writer && !owner.watched.contains(&segment);
        let reclaimed = takes && owner.pool.free(segment, offset_bytes, size_bytes, now_ms);
        owner.outbox.push_back(Said::Freed { id: known.id, location: known.location, reclaimed });
    }

    /// A process looks at an object: at once where it may, else it asks.
    pub(super) fn look(&mut self, who: u8, index: usize) -> Held {
        let Known { id, writer, location, .. } = self.objects[index];
        let segment = location.segment;
        // The reference came after the daemon knew of the object (OWN-8).
        self.flush(writer)?;
        let is_known = self.objects.iter().any(|known| known.id == id);
        let needs = |process: &Process| process.needs(id);
        if !is_known || self.processes.get(&who).is_none_or(needs) {
            return Ok(());
        }
        if who != writer && self.processes.get(&who).is_some_and(|process| !process.mapped.contains(&segment)) {
            self.map(who, location)?;
        }
        let Some(process) = self.processes.get_mut(&who) else { return Ok(()) };
        if process.watched.contains(&segment) {
            process.outbox.push_back(Said::Asked { id, location });
        } else {
            process.pins.insert(id, location);
        }
        self.check()
    }

    /// Asks, waits for the answer, and handles what came before it.
    fn map(&mut self, who: u8, location: ObjectLocation) -> Held {
        self.flush(who)?;
        let mut effects = Vec::new();
        self.table.on_segment_map(worker(who), location.segment, &mut effects);
        let Some(Effect::Map { size_bytes, watched, .. }) = effects.pop() else {
            return Err(format!("STORE-3: {who} asked to map {location:?} and is not answered"));
        };
        while self.processes.get(&who).is_some_and(|process| !process.inbox.is_empty()) {
            self.deliver(who, false)?;
        }
        if let Some(process) = self.processes.get_mut(&who) {
            process.mapped.insert(location.segment);
            if watched || size_bytes == 0 {
                process.watched.insert(location.segment);
            }
        }
        Ok(())
    }

    /// A process looks no more.
    pub(super) fn look_away(&mut self, who: u8, id: u64) -> Held {
        let now_ms = self.now_ms;
        let Some(process) = self.processes.get_mut(&who) else { return Ok(()) };
        let Some(location) = process.pins.remove(&id) else { return Ok(()) };
        let ObjectLocation { segment, offset_bytes, size_bytes } = location;
        if process.late.remove(&(segment, offset_bytes))
            && !process.pool.free(segment, offset_bytes, size_bytes, now_ms)
        {
            return Err(format!("STORE-1: {who} was given back {location:?}, which is free"));
        }
        if process.early.remove(&(segment, offset_bytes)) {
            process.outbox.push_back(Said::EarlyLookEnded { segment, offset_bytes });
        }
        process.outbox.push_back(Said::LookEnded { id });
        Ok(())
    }

    /// Empty segments go back, as they do when somebody waits for memory.
    pub(super) fn give_back(&mut self, who: u8) -> Held {
        let now_ms = self.now_ms;
        let Some(process) = self.processes.get_mut(&who) else { return Ok(()) };
        let idle = process.pool.idle_segments(now_ms + 10, 0);
        self.flush(who)?;
        for segment in idle {
            let mut effects = Vec::new();
            self.table.on_segment_return(worker(who), segment, now_ms, &mut effects);
            self.after(effects)?;
        }
        Ok(())
    }

    /// A process ends. What others look at of the dead stays theirs as long as they live (STORE-2).
    pub(super) fn die(&mut self, who: u8) -> Held {
        self.flush(who)?;
        self.processes.remove(&who);
        self.objects.retain(|known| known.owner != who);
        self.asked.retain(|(from, _), _| *from != who);
        let mut effects = Vec::new();
        self.table.on_worker_died(worker(who), self.now_ms, &mut effects);
        self.after(effects)
    }

    /// A wrong program seals where it must not: on top of another's object, in another's segment, beyond the end (STORE-1).
    pub(super) fn trespass(&mut self, who: u8, index: usize) -> Held {
        let Known { id, writer, owner, location } = self.objects[index];
        if !self.table.has(&object(id), &location) {
            return Ok(());
        }
        self.next_id += 1;
        let strange = object(self.next_id);
        let beyond = ObjectLocation { offset_bytes: 1 << 40, ..location };
        let mut tries = vec![(who, beyond, "beyond the end of its segment")];
        if owner != writer && self.processes.contains_key(&writer) {
            tries.push((writer, location, "on top of another one"));
        }
        if who != writer {
            tries.push((who, location, "in another's segment"));
        }
        for (from, location, words) in tries {
            let mut effects = Vec::new();
            if self.table.on_sealed(worker(from), strange, location, worker(from), &mut effects).is_ok() {
                return Err(format!("STORE-1: {from} sealed an object {words}"));
            }
        }
        Ok(())
    }

    /// Another node is sent an object from where it lies.
    pub(super) fn send(&mut self, index: usize) {
        let Known { id, location, .. } = self.objects[index];
        if self.table.on_send_began(&object(id), &location) {
            *self.sends.entry(id).or_default() += 1;
        }
    }

    /// What was sent first is sent.
    pub(super) fn end_send(&mut self) -> Held {
        let Some((id, sends)) = self.sends.pop_first() else { return Ok(()) };
        if sends > 1 {
            self.sends.insert(id, sends - 1);
        }
        let mut effects = Vec::new();
        self.table.on_send_ended(&object(id), self.now_ms, &mut effects);
        self.after(effects)
    }

    /// A file turns out to be damaged where an object is to be.
    pub(super) fn damage(&mut self, index: usize) -> Held {
        let Known { id, location, .. } = self.objects[index];
        let Some(part) = self.table.in_file(&object(id), &location) else { return Ok(()) };
        self.lost.insert(id);
        let mut effects = Vec::new();
        self.table.on_unreadable(&object(id), &location, part, &mut effects);
        self.after(effects)
    }
}
