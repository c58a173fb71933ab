//! Segments asked for, made, mapped and given back.

use crate::table::sizing;
use crate::table::state::{Effect, RefuseCause, SegmentEntry, Stage, StoreTable, WaitingRequest};
use std::collections::{BTreeMap, BTreeSet};
use trygon_ids::{SegmentId, WorkerId};

/// More requests than this do not wait; no correct set of clients has so many.
const MOST_WAITING: usize = 10_000;

impl StoreTable {
    /// A writer asks for a segment of at least `least_bytes`. It is made, or the request waits (STORE-4).
    pub fn on_segment_request(
        &mut self,
        from: WorkerId,
        request_id: u64,
        least_bytes: u64,
        now_ms: u64,
        effects: &mut Vec<Effect>,
    ) {
        if self.dead.contains(from) {
            return;
        }
        let deadline_ms = now_ms.saturating_add(self.limits.wait_ms);
        let request = WaitingRequest { from, request_id, least_bytes, asked_ms: now_ms, deadline_ms };
        if sizing::sizes_to_try(self, from, least_bytes).is_none() || self.waiting.len() >= MOST_WAITING {
            self.refuse(request, RefuseCause::TooLarge, effects);
        } else if self.must_queue() || !self.try_create(request, effects) {
            if self.defects.full_is_error {
                return self.refuse(request, RefuseCause::Full, effects);
            }
            self.waiting.push_back(request);
            self.waited_requests += 1;
        }
        self.plan_spills(now_ms, effects);
    }

    /// Whether anybody waits for space.
    pub fn has_waiting(&self) -> bool {
        !self.waiting.is_empty()
    }

    /// Requests that had to wait so far.
    pub fn waited_requests(&self) -> u64 {
        self.waited_requests
    }

    /// Requests are served in order as long as files make room for the first. Without that a request that fits overtakes one that does not:
    /// its task may be what the other waits for.
    fn must_queue(&self) -> bool {
        !self.waiting.is_empty() && self.is_making_room()
    }

    /// The segment of an earlier `Create` is there.
    pub fn on_created(&mut self, segment: SegmentId, effects: &mut Vec<Effect>) {
        // It was released meanwhile if its writer died.
        let Some(entry) = self.segments.get_mut(&segment) else {
            return;
        };
        let (Stage::Creating { request_id, .. }, Some(to)) = (entry.stage, entry.writer) else {
            return;
        };
        entry.stage = Stage::Ready;
        effects.push(Effect::Grant { to, request_id, segment, size_bytes: entry.size_bytes });
    }

    /// The system has no memory for the segment of an earlier `Create`.
    pub fn on_create_failed(&mut self, segment: SegmentId, now_ms: u64, effects: &mut Vec<Effect>) {
        let Some(entry) = self.segments.get(&segment) else {
            return;
        };
        let (Stage::Creating { request_id, asked_bytes }, Some(from)) = (entry.stage, entry.writer) else {
            return;
        };
        self.release(segment, effects);
        let request =
            WaitingRequest { from, request_id, least_bytes: asked_bytes, asked_ms: now_ms, deadline_ms: now_ms };
        self.refuse(request, RefuseCause::TooLarge, effects);
        if !self.defects.failure_unnoticed {
            // There may be memory for a smaller one.
            self.serve_waiting(effects);
        }
    }

    /// A process wants to read a segment.
    pub fn on_segment_map(&mut self, from: WorkerId, segment: SegmentId, effects: &mut Vec<Effect>) {
        let stamp = self.stamp();
        let entry = self.segments.get_mut(&segment).filter(|entry| entry.stage == Stage::Ready);
        let (size_bytes, watched) = entry.map_or((0, false), |entry| {
            if entry.writer != Some(from) && !self.dead.contains(from) && !self.defects.reader_forgotten {
                entry.readers.insert(from);
            }
            entry.used_stamp = stamp;
            (entry.size_bytes, entry.watch.is_some())
        });
        effects.push(Effect::Map { to: from, segment, size_bytes, watched });
    }

    /// The writer needs a segment no more. Objects that are still in it, if there are any, keep it.
    pub fn on_segment_return(&mut self, from: WorkerId, segment: SegmentId, now_ms: u64, effects: &mut Vec<Effect>) {
        let Some(entry) = self.segments.get_mut(&segment) else {
            return;
        };
        if entry.writer != Some(from) || entry.stage != Stage::Ready {
            return;
        }
        entry.writer = None;
        entry.freed_early.clear();
        entry.awaits_nobody_else(from);
        self.release_if_unused(segment, effects);
        if !self.defects.return_unnoticed {
            self.serve_waiting(effects);
        }
        self.plan_spills(now_ms, effects);
    }

    /// Time has passed: requests that waited long enough are refused.
    pub fn on_tick(&mut self, now_ms: u64, effects: &mut Vec<Effect>) {
        self.serve_waiting(effects);
        self.plan_spills(now_ms, effects);
        let disk_is_full = self.spill.is_disk_full();
        for request in std::mem::take(&mut self.waiting) {
            if disk_is_full && request.disk_deadline_ms() <= now_ms {
                self.refuse(request, RefuseCause::DiskFull, effects);
            } else if request.deadline_ms <= now_ms && !self.defects.never_refused {
                self.refuse(request, RefuseCause::Full, effects);
            } else {
                self.waiting.push_back(request);
            }
        }
        if !self.defects.refusal_unnoticed {
            // Who stood behind one that was refused is the first now.
            self.serve_waiting(effects);
        }
    }

    /// When `on_tick` has something to do, if nothing happens before.
    pub fn next_deadline_ms(&self) -> Option<u64> {
        let disk_is_full = self.spill.is_disk_full();
        let deadline = |request: &WaitingRequest| {
            if disk_is_full { request.deadline_ms.min(request.disk_deadline_ms()) } else { request.deadline_ms }
        };
        let refusals_ms = self.waiting.iter().map(deadline).min();
        [refusals_ms, self.next_plan_ms()].into_iter().flatten().min()
    }

    /// Serves who waits, oldest first.
    pub(crate) fn serve_waiting(&mut self, effects: &mut Vec<Effect>) {
        if self.waiting.is_empty() {
            return;
        }
        let in_order = self.is_making_room();
        let waiting = std::mem::take(&mut self.waiting);
        for request in waiting {
            let is_behind = in_order && !self.waiting.is_empty();
            if is_behind || !self.try_create(request, effects) {
                self.waiting.push_back(request);
            }
        }
    }

    /// How large a segment there is room for. `None` when there is none for the request.
    pub(crate) fn size_for(&self, request: &WaitingRequest) -> Option<u64> {
        let taken = self.used_bytes.saturating_add(self.kept_for_reading(request.from, request.least_bytes));
        let room = self.limits.capacity_bytes.saturating_sub(taken);
        let sizes = sizing::sizes_to_try(self, request.from, request.least_bytes).unwrap_or_default();
        sizes.into_iter().find(|size| *size <= room)
    }

    fn try_create(&mut self, request: WaitingRequest, effects: &mut Vec<Effect>) -> bool {
        let Some(size_bytes) = self.size_for(&request) else {
            return false;
        };
        let segment = SegmentId(self.next_segment);
        self.next_segment += 1;
        self.used_bytes += size_bytes;
        self.segments.insert(
            segment,
            SegmentEntry {
                writer: Some(request.from),
                stage: Stage::Creating { request_id: request.request_id, asked_bytes: request.least_bytes },
                size_bytes,
                charged_bytes: size_bytes,
                objects: BTreeMap::new(),
                readers: BTreeSet::new(),
                freed_early: BTreeSet::new(),
                must_not_erase: false,
                watch: None,
                used_stamp: self.next_stamp,
            },
        );
        effects.push(Effect::Create { segment, size_bytes });
        true
    }

    fn refuse(&mut self, request: WaitingRequest, cause: RefuseCause, effects: &mut Vec<Effect>) {
        self.refused_requests += 1;
        effects.push(Effect::Refuse {
            to: request.from,
            request_id: request.request_id,
            size_bytes: request.least_bytes,
            used_bytes: self.used_bytes,
            cause,
        });
    }

    /// Releases a segment that nobody writes and that holds no object of a living owner.
    pub(crate) fn release_if_unused(&mut self, segment: SegmentId, effects: &mut Vec<Effect>) {
        let unused =
            self.segments.get(&segment).is_some_and(|entry| entry.writer.is_none() && !entry.has_owned_object());
        if unused {
            self.release(segment, effects);
        }
    }

    pub(crate) fn release(&mut self, segment: SegmentId, effects: &mut Vec<Effect>) {
        let Some(entry) = self.segments.remove(&segment) else {
            return;
        };
        self.used_bytes -= entry.charged_bytes;
        self.spill.came_back(entry.charged_bytes);
        // Who still reads keeps the pages by having them mapped; they are not ours to erase (STORE-2).
        effects.push(Effect::Release { segment, erase: !entry.must_not_erase });
    }
}
