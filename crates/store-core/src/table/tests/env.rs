//! A table with its effects carried out on the spot, and every effect that goes to someone kept until a test takes it.

use crate::{Effect, ObjectLocation, Reject, SpillLimits, StoreLimits, StoreTable};
use trygon_ids::{ObjectId, SegmentId, WorkerId};

pub(super) const MIB: u64 = 1 << 20;
pub(super) const WAIT_MS: u64 = 10_000;

pub(super) struct Env {
    pub(super) table: StoreTable,
    pub(super) effects: Vec<Effect>,
    pub(super) now_ms: u64,
}

pub(super) fn worker(number: u8) -> WorkerId {
    WorkerId::new([number; 28])
}

pub(super) fn object(number: u8) -> ObjectId {
    ObjectId::new([number; 28])
}

pub(super) fn at(segment: u64, offset_bytes: u64, size_bytes: u64) -> ObjectLocation {
    ObjectLocation { segment: SegmentId(segment), offset_bytes, size_bytes }
}

impl Env {
    pub(super) fn new(capacity_bytes: u64) -> Self {
        let table = Self::table_of(capacity_bytes, SpillLimits::off());
        Self { table, effects: Vec::new(), now_ms: 0 }
    }

    pub(super) fn table_of(capacity_bytes: u64, spill: SpillLimits) -> StoreTable {
        StoreTable::new(StoreLimits { capacity_bytes, wait_ms: WAIT_MS, node_number: 0, own: WorkerId::nil(), spill })
    }

    pub(super) fn after(&mut self, mut new: Vec<Effect>) {
        let mut index = 0;
        while index < new.len() {
            if let Effect::Create { segment, .. } = new[index] {
                new.remove(index);
                self.table.on_created(segment, &mut new);
            } else {
                index += 1;
            }
        }
        self.effects.append(&mut new);
        self.table.sanity_check().expect("the invariants hold");
    }

    pub(super) fn request(&mut self, from: u8, request_id: u64, least_bytes: u64) {
        let mut new = Vec::new();
        self.table.on_segment_request(worker(from), request_id, least_bytes, self.now_ms, &mut new);
        self.after(new);
    }

    /// Asks, and takes the grant: segment and size.
    pub(super) fn segment(&mut self, from: u8, least_bytes: u64) -> (u64, u64) {
        self.request(from, 0, least_bytes);
        match self.effects.pop() {
            Some(Effect::Grant { segment, size_bytes, .. }) => (segment.0, size_bytes),
            other => panic!("no grant but {other:?}"),
        }
    }

    pub(super) fn map(&mut self, from: u8, segment: u64) {
        let mut new = Vec::new();
        self.table.on_segment_map(worker(from), SegmentId(segment), &mut new);
        self.after(new);
        assert!(matches!(self.effects.pop(), Some(Effect::Map { size_bytes: 1.., .. })));
    }

    pub(super) fn give_back(&mut self, from: u8, segment: u64) {
        let mut new = Vec::new();
        self.table.on_segment_return(worker(from), SegmentId(segment), self.now_ms, &mut new);
        self.after(new);
    }

    pub(super) fn seal(&mut self, from: u8, id: u8, location: ObjectLocation, owner: u8) -> Result<(), Reject> {
        let mut new = Vec::new();
        let result = self.table.on_sealed(worker(from), object(id), location, worker(owner), &mut new);
        self.after(new);
        result
    }

    pub(super) fn free(&mut self, from: u8, id: u8, location: ObjectLocation, reclaimed: bool) {
        let mut new = Vec::new();
        self.table.on_freed(worker(from), object(id), location, reclaimed, self.now_ms, &mut new);
        self.after(new);
    }

    pub(super) fn die(&mut self, who: u8) {
        let mut new = Vec::new();
        self.table.on_worker_died(worker(who), self.now_ms, &mut new);
        self.after(new);
    }

    pub(super) fn tick(&mut self, now_ms: u64) {
        self.now_ms = now_ms;
        let mut new = Vec::new();
        self.table.on_tick(now_ms, &mut new);
        self.after(new);
    }

    /// Takes everything that was to be done since the last time.
    pub(super) fn take(&mut self) -> Vec<Effect> {
        std::mem::take(&mut self.effects)
    }

    pub(super) fn assert_empty(&self) {
        assert_eq!(self.effects, []);
        let stats = self.table.stats();
        assert_eq!((stats.segments, stats.used_bytes, stats.objects, stats.waiting_requests), (0, 0, 0, 0));
    }
}

pub(super) fn reclaim(to: u8, range: ObjectLocation) -> Effect {
    Effect::Reclaim { to: worker(to), range }
}

pub(super) fn release(segment: u64, erase: bool) -> Effect {
    Effect::Release { segment: SegmentId(segment), erase }
}
