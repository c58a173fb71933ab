//! What a death leaves behind (STORE-3), without taking memory from those who still read it (STORE-2).

use crate::table::location::ObjectLocation;
use crate::table::spill_state::OnDisk;
use crate::table::state::{Effect, Life, Stage, StoreTable};
use trygon_ids::{SegmentId, WorkerId};

impl StoreTable {
    /// A process is gone, and everything it had sent was handled before.
    pub fn on_worker_died(&mut self, worker: WorkerId, now_ms: u64, effects: &mut Vec<Effect>) {
        self.dead.add(worker);
        let waits_on = self.defects.dead_waits;
        self.waiting.retain(|request| request.from != worker || waits_on);
        let ids: Vec<SegmentId> = self.segments.keys().copied().collect();
        for id in ids {
            self.after_death_in(id, worker, effects);
        }
        self.on_spilling_death(worker, now_ms, effects);
        if !self.defects.death_unnoticed {
            self.serve_waiting(effects);
        }
        self.plan_spills(now_ms, effects);
    }

    fn after_death_in(&mut self, id: SegmentId, worker: WorkerId, effects: &mut Vec<Effect>) {
        let Some(entry) = self.segments.get_mut(&id) else {
            return;
        };
        entry.awaits_nobody_else(worker);
        let was_reader = entry.readers.contains(&worker);
        if !self.defects.reader_kept {
            entry.readers.remove(&worker);
        }
        let was_writer = entry.writer == Some(worker);
        if was_writer && entry.stage != Stage::Ready {
            self.release(id, effects);
            return;
        }
        if was_writer && !self.defects.writer_kept {
            entry.writer = None;
            entry.freed_early.clear();
        }
        let nobody_reads = entry.readers.is_empty() || self.defects.readers_ignored;
        let mut lost_owner = false;
        let mut on_disk = Vec::new();
        for (offset, object) in &mut entry.objects {
            if object.life == Life::Owned(worker) {
                object.life = Life::HeldForReaders;
                lost_owner = true;
                if let OnDisk::Written(_) = object.disk {
                    on_disk.push(((id, *offset, object.id), std::mem::replace(&mut object.disk, OnDisk::No)));
                }
            }
        }
        if lost_owner && !nobody_reads && !self.defects.always_erased {
            entry.must_not_erase = true;
        }
        let (mut gone, mut reclaimed) = (Vec::new(), Vec::new());
        if nobody_reads && (was_reader && !self.defects.held_for_nobody || lost_owner) {
            let writer = entry.writer;
            entry.objects.retain(|offset, object| {
                let goes = object.life == Life::HeldForReaders;
                if let (true, Some(to)) = (goes, writer) {
                    let range = ObjectLocation { segment: id, offset_bytes: *offset, size_bytes: object.size_bytes };
                    reclaimed.push((to, range, object.disk));
                }
                gone.extend(goes.then_some((*offset, object.id)));
                !goes
            });
            entry.must_not_erase = false;
        }
        for (to, range, disk) in reclaimed {
            if !self.is_held_by_write(disk, range) {
                effects.push(Effect::Reclaim { to, range });
            }
        }
        for (offset, object) in gone {
            self.forget_looks(id, offset, object);
        }
        for (key, disk) in on_disk {
            self.drop_from_disk(key, disk, effects);
        }
        if was_writer || lost_owner || was_reader {
            self.trim(id, effects);
            if !self.defects.memory_kept {
                self.release_if_unused(id, effects);
            }
        }
    }
}
