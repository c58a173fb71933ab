//! What goes into files next, and when.

use crate::table::location::ObjectLocation;
use crate::table::spill_state::{Key, OnDisk, PartSource, Queued, Write, WritePart};
use crate::table::state::{Effect, Life, Stage, StoreTable, WaitingRequest};
use std::collections::BTreeMap;
use trygon_ids::{SegmentId, WorkerId};

/// Memory that was taken from objects is expected back from its writers for so long, and so is a process's word on what it looks at.
pub(crate) const PATIENCE_MS: u64 = 50;
/// A segment is at most so much larger than what it is for.
const SEGMENT_UNIT_BYTES: u64 = 2 << 20;
/// What is kept for reading takes at most this share of the store.
const LARGEST_KEPT_SHARE: u64 = 4;
/// How long a full disk is left alone.
pub(crate) const DISK_FULL_MS: u64 = 500;
/// Who waits for space is told that the disk is full after so long: what others free meanwhile is better than an error.
const DISK_GRACE_MS: u64 = 2_000;

impl WaitingRequest {
    /// When it is refused if the disk is full.
    pub(crate) fn disk_deadline_ms(&self) -> u64 {
        self.asked_ms.saturating_add(DISK_GRACE_MS)
    }
}

/// What may be written next.
#[derive(Debug, Default)]
struct Batch {
    keys: Vec<(Key, u64)>,
    bytes: u64,
    /// What may turn out to be free to go once everyone has spoken.
    awaited_bytes: u64,
}

impl StoreTable {
    /// Whether memory is about to come free because objects go into files.
    pub(crate) fn is_making_room(&self) -> bool {
        self.spill.leaving_bytes() > 0 || self.spill.expected_bytes > 0
    }

    /// When `plan_spills` has something to do, if nothing happens before.
    pub(crate) fn next_plan_ms(&self) -> Option<u64> {
        if !self.limits.spill.is_on || self.waiting.is_empty() {
            return None;
        }
        let expected_ms = Some(self.spill.expected_until_ms).filter(|_| self.spill.expected_until_ms > 0);
        [expected_ms, self.spill.disk_full_until_ms].into_iter().flatten().min()
    }

    /// Begins what is to be written: what makes room for those who wait, else what lies above the threshold.
    pub(crate) fn plan_spills(&mut self, now_ms: u64, effects: &mut Vec<Effect>) {
        if !self.limits.spill.is_on {
            return;
        }
        if self.spill.expected_until_ms <= now_ms {
            self.spill.expected_until_ms = 0;
            if std::mem::take(&mut self.spill.expected_bytes) > 0 {
                // Who waited behind the first waits for himself now.
                self.serve_waiting(effects);
            }
        }
        if self.spill.disk_full_until_ms.is_some_and(|until_ms| now_ms < until_ms) {
            return;
        }
        if self.spill.disk_full_until_ms.is_some() {
            // A write that succeeds clears it; until then it is tried again and again.
            self.spill.disk_full_until_ms = Some(now_ms.saturating_add(DISK_FULL_MS));
        }
        self.plan_rewrites(effects);
        while self.spill.writes.len() < self.limits.spill.most_writes {
            let wanted_bytes = self.wanted_bytes();
            if wanted_bytes == 0 || !self.spill_some(wanted_bytes, now_ms, effects) {
                return;
            }
        }
    }

    /// Bytes that are to leave memory beyond those that are about to.
    fn wanted_bytes(&self) -> u64 {
        let about = self.spill.leaving_bytes() + self.spill.expected_bytes;
        if !self.waiting.is_empty() {
            let room = self.limits.capacity_bytes.saturating_sub(self.used_bytes);
            let kept = |request: &WaitingRequest| self.kept_for_reading(request.from, request.least_bytes);
            let kept = self.waiting.iter().map(kept).max().unwrap_or(0);
            let least = self.waiting.iter().map(|request| request.least_bytes).fold(kept, u64::saturating_add);
            // A request that waits though its bytes would fit wants them in one piece.
            return least.saturating_sub(room).max(1).saturating_sub(about);
        }
        let threshold_bytes = self.limits.spill.threshold_bytes;
        if self.used_bytes <= threshold_bytes {
            return 0;
        }
        let objects = self.segments.values().flat_map(|entry| entry.objects.values());
        let owned = objects.filter(|object| self.may_leave(object.life)).map(|object| object.size_bytes);
        owned.sum::<u64>().saturating_sub(threshold_bytes).saturating_sub(about)
    }

    /// Memory that new objects leave free, so that what is in files can be read when nothing more can be written: as much as the largest of
    /// them needs, and copies have not got yet.
    pub(crate) fn kept_for_reading(&self, from: WorkerId, least_bytes: u64) -> u64 {
        let largest = self.spill.largest_bytes;
        if largest == 0 || from == self.limits.own {
            return 0;
        }
        let own = self.segments.values().filter(|entry| entry.writer == Some(self.limits.own));
        let copies: u64 = own.map(|entry| entry.charged_bytes).sum();
        let wanted = largest.saturating_add(SEGMENT_UNIT_BYTES).min(self.limits.capacity_bytes / LARGEST_KEPT_SHARE);
        // An object that fits into an empty store must not wait for ever.
        wanted.saturating_sub(copies).min(self.limits.capacity_bytes.saturating_sub(least_bytes))
    }

    fn may_leave(&self, life: Life) -> bool {
        matches!(life, Life::Owned(owner) if owner != self.limits.own)
    }

    /// Takes the memory of what files have already, or begins a file. False when nothing more can be done now.
    fn spill_some(&mut self, wanted_bytes: u64, now_ms: u64, effects: &mut Vec<Effect>) -> bool {
        let mut order: Vec<(u64, SegmentId)> =
            self.segments.iter().map(|(id, entry)| (entry.used_stamp, *id)).collect();
        order.sort_unstable();
        if self.evict_clean(&order, wanted_bytes, now_ms, effects) {
            return true;
        }
        let batch = self.choose(&order, now_ms, effects);
        let is_small = batch.bytes < self.limits.spill.batch_bytes && batch.awaited_bytes > 0;
        if batch.keys.is_empty() || is_small && now_ms < self.spill.expected_until_ms {
            return false;
        }
        let parts = batch.keys.into_iter().map(|(key, size_bytes)| (key, size_bytes, PartSource::Memory)).collect();
        self.begin_write(parts, now_ms, effects)
    }

    fn evict_clean(
        &mut self,
        order: &[(u64, SegmentId)],
        wanted_bytes: u64,
        now_ms: u64,
        effects: &mut Vec<Effect>,
    ) -> bool {
        let mut clean = Vec::new();
        let mut bytes = 0;
        for (_, segment) in order {
            let Some(entry) = self.segments.get(segment).filter(|entry| entry.watch.is_some()) else { continue };
            for (offset, object) in &entry.objects {
                let key = (*segment, *offset, object.id);
                if matches!(object.disk, OnDisk::Written(_)) && self.is_unseen(&key) && bytes < wanted_bytes {
                    clean.push(key);
                    bytes += object.size_bytes;
                }
            }
        }
        let mut did = false;
        for key in clean {
            did |= self.evict(key, now_ms, effects);
        }
        did
    }

    /// Objects that nobody looks at, of the segments that were used least recently; of as many further ones the processes are asked.
    fn choose(&mut self, order: &[(u64, SegmentId)], now_ms: u64, effects: &mut Vec<Effect>) -> Batch {
        let limits = self.limits.spill;
        let mut batch = Batch::default();
        for (_, segment) in order {
            if batch.bytes.saturating_add(batch.awaited_bytes) >= limits.batch_bytes.saturating_mul(2) {
                break;
            }
            let Some(entry) = self.segments.get(segment).filter(|entry| entry.stage == Stage::Ready) else { continue };
            let leaving =
                entry.objects.iter().filter(|(_, object)| object.disk == OnDisk::No && self.may_leave(object.life));
            let leaving: Vec<(Key, u64)> =
                leaving.map(|(offset, object)| ((*segment, *offset, object.id), object.size_bytes)).collect();
            let leaving_bytes: u64 = leaving.iter().map(|(_, size_bytes)| size_bytes).sum();
            if leaving.is_empty() {
                continue;
            }
            if entry.watch.is_none() {
                self.begin_watch(*segment, now_ms, effects);
                self.spill.expected_until_ms = now_ms.saturating_add(PATIENCE_MS);
            }
            let watch = self.segments.get(segment).and_then(|entry| entry.watch.as_ref());
            let Some(watch) = watch else { continue };
            if !watch.awaiting.is_empty() && !self.defects.word_not_awaited {
                // A process that is stopped says nothing: others' objects go then.
                if now_ms < watch.since_ms.saturating_add(PATIENCE_MS) {
                    batch.awaited_bytes += leaving_bytes;
                }
                continue;
            }
            for (key, size_bytes) in leaving {
                let fits = batch.keys.len() < limits.batch_objects
                    && (batch.keys.is_empty() || batch.bytes.saturating_add(size_bytes) <= limits.batch_bytes);
                if fits && self.is_unseen(&key) {
                    batch.keys.push((key, size_bytes));
                    batch.bytes += size_bytes;
                }
            }
        }
        batch
    }

    /// SPILL-STORE-5: what is needed of a file that is mostly waste goes into a new one, and the file goes.
    fn plan_rewrites(&mut self, effects: &mut Vec<Effect>) {
        if self.defects.waste_kept
            || self.spill.is_rewriting()
            || self.spill.writes.len() >= self.limits.spill.most_writes
        {
            return;
        }
        let Some((file, parts)) = self.wasteful_file() else { return };
        let size_bytes: u64 = parts.iter().map(|(_, size_bytes, _)| size_bytes).sum();
        if self.fits_quota(size_bytes) {
            let number = self.write(parts, size_bytes, effects);
            if let Some(entry) = self.spill.files.get_mut(&file) {
                entry.moving_to = Some(number);
            }
        }
    }

    pub(crate) fn fits_quota(&self, size_bytes: u64) -> bool {
        let taken = self.spill.file_bytes.saturating_add(if self.defects.writes_uncounted {
            0
        } else {
            self.spill.writing_bytes
        });
        self.defects.quota_ignored || taken.saturating_add(size_bytes) <= self.limits.spill.quota_bytes
    }

    /// SPILL-STORE-4: false when the quota has no room; then the disk counts as full.
    fn begin_write(&mut self, mut parts: Vec<Queued>, now_ms: u64, effects: &mut Vec<Effect>) -> bool {
        let size = |parts: &[Queued]| parts.iter().map(|(_, size_bytes, _)| size_bytes).sum::<u64>();
        while parts.len() > 1 && !self.fits_quota(size(&parts)) {
            parts.pop();
        }
        let size_bytes = size(&parts);
        if !self.fits_quota(size_bytes) {
            self.spill.disk_full_until_ms = Some(now_ms.saturating_add(DISK_FULL_MS));
            return false;
        }
        let file = self.write(parts, size_bytes, effects);
        let keys: Vec<Key> = self
            .spill
            .writes
            .get(&file)
            .map(|write| write.parts.iter().map(|part| part.0).collect())
            .unwrap_or_default();
        for key in keys {
            let object = self.segments.get_mut(&key.0).and_then(|entry| entry.objects.get_mut(&key.1));
            if let Some(object) = object.filter(|object| object.id == key.2) {
                object.disk = OnDisk::Writing(file);
            }
        }
        true
    }

    fn write(&mut self, parts: Vec<Queued>, size_bytes: u64, effects: &mut Vec<Effect>) -> u64 {
        self.spill.next_file += 1;
        let file = self.spill.next_file;
        let described = parts.iter().map(|((segment, offset_bytes, object), size_bytes, source)| WritePart {
            object: *object,
            location: ObjectLocation { segment: *segment, offset_bytes: *offset_bytes, size_bytes: *size_bytes },
            source: *source,
        });
        effects.push(Effect::Write { file, parts: described.collect() });
        self.spill.writing_bytes += size_bytes;
        self.spill.writes.insert(file, Write { parts, size_bytes, held: Vec::new() });
        file
    }

    /// Sizes of objects by the file that they are written into; for the invariants.
    pub(crate) fn being_written(&self) -> BTreeMap<u64, u64> {
        self.spill.writes.iter().map(|(file, write)| (*file, write.size_bytes)).collect()
    }
}
