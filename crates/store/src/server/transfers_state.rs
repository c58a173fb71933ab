//! The data of transfers in the daemon's loop.

use crate::client::{Allocation, StoreClient};
use crate::transfer::{Courier, Dial, Events, FetchJob, Fetcher, Progress};
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;
use trygon_ids::{ObjectId, SegmentId, WorkerId};
use trygon_shm::ReadOnlyMapping;
use trygon_store_core::{ObjectLocation, PullEffect, PullTable, ServeTable};

/// What the daemon says of its cluster.
pub struct TransferOptions {
    /// The daemon as a process: it writes the copies.
    pub own: WorkerId,
    /// Connects to another node.
    pub dial: Dial,
    /// Bytes that may be on their way at once; 0 for a quarter of the store.
    pub budget_bytes: u64,
}

impl std::fmt::Debug for TransferOptions {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("TransferOptions").field("own", &self.own).finish_non_exhaustive()
    }
}

/// Room for a copy.
#[derive(Debug)]
pub(crate) struct Room {
    /// Until it is sealed.
    pub(crate) allocation: Option<Allocation>,
    pub(crate) location: ObjectLocation,
    /// The fetch into it that runs, or ran last.
    pub(crate) job: Option<Arc<FetchJob>>,
    /// What is here of it, until it is sealed.
    pub(crate) progress: Option<Arc<Progress>>,
}

impl Room {
    /// Room in which nothing is yet.
    pub(crate) fn new(allocation: Allocation) -> Self {
        let Allocation { segment_id, offset_bytes, size_bytes, .. } = allocation;
        let location = ObjectLocation { segment: SegmentId(segment_id), offset_bytes, size_bytes };
        let progress = Some(Arc::new(Progress::new(size_bytes)));
        Self { allocation: Some(allocation), location, job: None, progress }
    }

    /// The copy is complete (true), or the room is given up: whoever waits for a part of it is told.
    pub(crate) fn end(&mut self, is_complete: bool) {
        self.job = None;
        if let Some(progress) = self.progress.take() {
            progress.end(is_complete);
        }
    }
}

/// A mapping for sending, and when it was last used.
#[derive(Debug)]
pub(crate) struct ServedSegment {
    pub(crate) mapping: Arc<ReadOnlyMapping>,
    pub(crate) used_ms: u64,
}

/// The part of the store that talks with other nodes.
#[derive(Debug)]
pub(crate) struct Transfers {
    pub(crate) own: WorkerId,
    pub(crate) pulls: PullTable,
    pub(crate) serves: ServeTable,
    pub(crate) effects: Vec<PullEffect>,
    /// The daemon as a writer: the segments that the copies lie in.
    pub(crate) client: StoreClient,
    pub(crate) rooms: HashMap<ObjectId, Room>,
    /// Copies that wait for a segment, by the request for it.
    pub(crate) roomless: BTreeMap<u64, (ObjectId, u64)>,
    pub(crate) next_request: u64,
    pub(crate) served: BTreeMap<SegmentId, ServedSegment>,
    pub(crate) fetcher: Fetcher,
    pub(crate) courier: Courier,
    pub(crate) events: Events,
    /// When the last tick was, on the loop's clock and on the client's.
    pub(crate) now_ms: u64,
    pub(crate) client_then_ms: u64,
}
