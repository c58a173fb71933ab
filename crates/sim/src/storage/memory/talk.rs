//! Messages between processes and the daemon, handled one by one.

use crate::storage::memory::process::{Heard, Said};
use crate::storage::memory::world::{Held, World, object, worker};
use trygon_store_core::{Effect, Look, ObjectLocation};

impl World {
    /// The daemon handles what a process said, or the process what the daemon said; oldest first.
    pub(super) fn deliver(&mut self, who: u8, to_daemon: bool) -> Held {
        let Some(process) = self.processes.get_mut(&who) else { return Ok(()) };
        if to_daemon {
            process.outbox.pop_front().map_or(Ok(()), |said| self.hear(who, said))
        } else {
            process.inbox.pop_front().map_or(Ok(()), |heard| self.take_in(who, heard))
        }
    }

    /// Everything that the process said is handled.
    pub(super) fn flush(&mut self, who: u8) -> Held {
        while self.processes.get(&who).is_some_and(|process| !process.outbox.is_empty()) {
            self.deliver(who, true)?;
        }
        Ok(())
    }

    fn hear(&mut self, who: u8, said: Said) -> Held {
        let (from, now_ms, mut effects) = (worker(who), self.now_ms, Vec::new());
        match said {
            Said::Request { request_id, least_bytes } => {
                self.asked.insert((who, request_id), now_ms);
                self.table.on_segment_request(from, request_id, least_bytes, now_ms, &mut effects);
            }
            Said::Sealed { id, location, owner } => {
                let sealed = self.table.on_sealed(from, object(id), location, worker(owner), &mut effects);
                sealed.map_err(|reject| format!("STORE-1: {who} seals {id} at {location:?}: {reject}"))?;
            }
            Said::Freed { id, location, reclaimed } => {
                self.table.on_freed(from, object(id), location, reclaimed, now_ms, &mut effects);
            }
            Said::Watched { segment, offsets } => {
                self.table.on_watched(from, segment, &offsets, now_ms, &mut effects);
            }
            Said::Asked { id, location } => {
                let look = self.table.on_look(from, &object(id), &location, &mut effects);
                if let Some(process) = self.processes.get_mut(&who) {
                    process.inbox.push_back(Heard::Found { id, location, look });
                }
            }
            Said::LookEnded { id } => self.table.on_look_ended(from, &object(id), now_ms, &mut effects),
            Said::EarlyLookEnded { segment, offset_bytes } => {
                self.table.on_early_look_ended(from, segment, offset_bytes, now_ms, &mut effects);
            }
        }
        self.after(effects)
    }

    fn take_in(&mut self, who: u8, heard: Heard) -> Held {
        let now_ms = self.now_ms;
        let Some(process) = self.processes.get_mut(&who) else { return Ok(()) };
        match heard {
            Heard::Effect(Effect::Grant { segment, size_bytes, .. }) => {
                if !process.pool.add_segment(segment, size_bytes, now_ms) {
                    return Err(format!("STORE-1: {segment:?} is given to {who} twice"));
                }
            }
            Heard::Effect(Effect::Reclaim { range, .. }) => {
                let ObjectLocation { segment, offset_bytes, size_bytes } = range;
                if process.pins.values().any(|pin| *pin == range) {
                    process.late.insert((segment, offset_bytes));
                } else if !process.pool.free(segment, offset_bytes, size_bytes, now_ms) {
                    return Err(format!("STORE-1: {who} is given back {range:?}, which is free"));
                }
            }
            Heard::Effect(Effect::Watch { segment, .. }) => {
                process.watched.insert(segment);
                let pinned = process.pins.values().filter(|pin| pin.segment == segment);
                let offsets: Vec<u64> = pinned.map(|pin| pin.offset_bytes).collect();
                process.early.extend(offsets.iter().map(|offset| (segment, *offset)));
                process.outbox.push_back(Said::Watched { segment, offsets });
            }
            Heard::Found { id, location, look } => self.found(who, id, location, look)?,
            Heard::Effect(other) => return Err(format!("{other:?} is nothing for a process")),
        }
        self.check()
    }

    /// SPILL-STORE-1: an object that its owner needs is in memory or in a file.
    fn found(&mut self, who: u8, id: u64, location: ObjectLocation, look: Look) -> Held {
        let is_known = self.objects.iter().any(|known| known.id == id && known.location == location);
        let Some(process) = self.processes.get_mut(&who) else { return Ok(()) };
        match look {
            Look::Here if is_known => {
                process.pins.insert(id, location);
            }
            Look::Here => process.outbox.push_back(Said::LookEnded { id }),
            Look::InFile(_) if is_known && !self.lost.contains(&id) => {
                // The file may have been written anew meanwhile.
                let part = self.table.in_file(&object(id), &location);
                if part.and_then(|part| self.content(part)) != Some(id) {
                    return Err(format!("SPILL-STORE-1: {id} is not in the file that is to have it"));
                }
                self.counts.restored += 1;
            }
            Look::Unreadable if self.lost.contains(&id) => {}
            Look::Gone | Look::Unreadable if is_known => return Err(format!("SPILL-STORE-1: {id} is nowhere")),
            Look::InFile(_) | Look::Gone | Look::Unreadable => {}
        }
        Ok(())
    }
}
