//! A table whose room is always found at once, unless a test says otherwise, and whose other effects are kept until the test takes them.

use crate::pulls::state::{
    FetchEnd, FetchOutcome, Priority, PullEffect, PullFailure, PullLimits, PullRequest, PullTable, Source,
};
use crate::{ObjectLocation, node_of};
use trygon_ids::{ObjectId, SegmentId, WorkerId};

pub(super) const RETRY_MS: u64 = 1_000;
pub(super) const GIVE_UP_MS: u64 = 60_000;

pub(super) struct Env {
    pub(super) table: PullTable,
    pub(super) effects: Vec<PullEffect>,
    pub(super) now_ms: u64,
    /// Room is found when the test says so.
    pub(super) is_full: bool,
}

pub(super) fn worker(number: u8) -> WorkerId {
    WorkerId::new([number; 28])
}

pub(super) fn object(number: u8) -> ObjectId {
    ObjectId::new([number; 28])
}

/// A place on this node.
pub(super) fn on(node: u32, size_bytes: u64) -> ObjectLocation {
    ObjectLocation { segment: SegmentId(u64::from(node) << 40 | 1), offset_bytes: 64, size_bytes }
}

pub(super) fn source(node: u32, size_bytes: u64) -> Source {
    Source { node, location: on(node, size_bytes), is_direct: false, failed_node: None }
}

impl Env {
    pub(super) fn new(budget_bytes: u64) -> Self {
        let limits = PullLimits { budget_bytes, retry_ms: RETRY_MS, give_up_ms: GIVE_UP_MS };
        Self { table: PullTable::new(limits), effects: Vec::new(), now_ms: 0, is_full: false }
    }

    fn after(&mut self, new: Vec<PullEffect>) {
        for effect in new {
            match effect {
                PullEffect::Reserve { object, .. } if !self.is_full => self.space(object, true),
                effect => self.effects.push(effect),
            }
        }
        self.table.sanity_check().expect("the invariants hold");
    }

    pub(super) fn space(&mut self, object: ObjectId, found: bool) {
        let mut new = Vec::new();
        self.table.on_space(&object, found, &mut new);
        self.after(new);
    }

    pub(super) fn pull_for(&mut self, from: u8, id: u8, location: ObjectLocation, priority: Priority) {
        let mut new = Vec::new();
        let node = node_of(location.segment);
        let request = PullRequest { from: worker(from), object: object(id), node, location, priority };
        self.table.on_pull(&request, &mut new);
        self.after(new);
    }

    pub(super) fn pull(&mut self, from: u8, id: u8, location: ObjectLocation) {
        self.pull_for(from, id, location, Priority::Get);
    }

    pub(super) fn release(&mut self, from: u8, id: u8) {
        let mut new = Vec::new();
        self.table.on_release(worker(from), &object(id), &mut new);
        self.after(new);
    }

    pub(super) fn die(&mut self, who: u8) {
        let mut new = Vec::new();
        self.table.on_process_died(worker(who), &mut new);
        self.after(new);
    }

    pub(super) fn node_died(&mut self, node: u32) {
        let mut new = Vec::new();
        self.table.on_node_died(node, &mut new);
        self.after(new);
    }

    pub(super) fn fetched(&mut self, id: u8, attempt: u64, outcome: FetchOutcome) {
        self.fetch_ended(id, FetchEnd { attempt, outcome, has_moved: false });
    }

    /// As `fetched`, of a fetch that brought a part.
    pub(super) fn broke_off(&mut self, id: u8, attempt: u64, outcome: FetchOutcome) {
        self.fetch_ended(id, FetchEnd { attempt, outcome, has_moved: true });
    }

    fn fetch_ended(&mut self, id: u8, end: FetchEnd) {
        let mut new = Vec::new();
        self.table.on_fetched(&object(id), end, self.now_ms, &mut new);
        self.after(new);
    }

    pub(super) fn send_ended(&mut self, id: u8, number: u64) {
        let mut new = Vec::new();
        self.table.on_send_ended(&object(id), number, &mut new);
        self.after(new);
    }

    pub(super) fn tick(&mut self, now_ms: u64) {
        self.now_ms = now_ms;
        let mut new = Vec::new();
        self.table.on_tick(now_ms, &mut new);
        self.after(new);
    }

    pub(super) fn take(&mut self) -> Vec<PullEffect> {
        std::mem::take(&mut self.effects)
    }

    /// Takes the one effect there is, which has to be a fetch of this object: its number and source.
    pub(super) fn fetch(&mut self, id: u8) -> (u64, Source) {
        match self.take().as_slice() {
            [PullEffect::Fetch { object: fetched, attempt, source }] if *fetched == object(id) => (*attempt, *source),
            other => panic!("no fetch of {id} but {other:?}"),
        }
    }

    /// Nothing is left, and nothing was to be done.
    pub(super) fn assert_empty(&self) {
        assert_eq!(self.effects, []);
        let stats = self.table.stats();
        assert_eq!((stats.waiting, stats.running, stats.running_bytes, stats.copies), (0, 0, 0, 0));
    }
}

pub(super) fn here(to: u8, id: u8) -> PullEffect {
    PullEffect::Answer { to: worker(to), object: object(id), result: Ok(()) }
}

pub(super) fn failed(to: u8, id: u8, failure: PullFailure) -> PullEffect {
    PullEffect::Answer { to: worker(to), object: object(id), result: Err(failure) }
}

pub(super) fn seal(id: u8) -> PullEffect {
    PullEffect::Seal { object: object(id) }
}

pub(super) fn free(id: u8) -> PullEffect {
    PullEffect::Free { object: object(id) }
}

pub(super) fn stop(id: u8, attempt: u64) -> PullEffect {
    PullEffect::Stop { object: object(id), attempt }
}
