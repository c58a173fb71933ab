//! Frames in, frames out.

use crate::server::options::StoreOptions;
use crate::server::provision::Provisioning;
use crate::server::spilling_state::Spilling;
use crate::server::transfers_state::Transfers;
use std::collections::HashMap;
use std::os::fd::OwnedFd;
use trygon_ids::{ObjectId, SegmentId, WorkerId};
use trygon_shm::Segment;
use trygon_store_core::{Effect, ObjectLocation, Reject, StoreLimits, StoreStats, StoreTable, node_of};
use trygon_wire::control::{
    LookEnded, ObjectFree, ObjectSealed, ReplicaRelease, SegmentMap, SegmentRequest, SegmentReturn, SegmentWatched,
};
use trygon_wire::{FrameError, Kind, decode};

/// A frame to a process, with the descriptor that travels beside it.
#[derive(Debug)]
pub struct Outgoing {
    /// The process.
    pub to: WorkerId,
    /// The whole frame, header included.
    pub frame: Vec<u8>,
    /// To be sent beside the frame's first byte.
    pub descriptor: Option<OwnedFd>,
}

/// The store in the daemon. Has no threads and no sockets; the daemon calls it from its loop.
#[derive(Debug)]
pub struct StoreServer {
    pub(crate) options: StoreOptions,
    pub(crate) table: StoreTable,
    pub(crate) segments: HashMap<SegmentId, Segment>,
    pub(crate) provisioning: Provisioning,
    pub(crate) effects: Vec<Effect>,
    /// Only in a cluster.
    pub(crate) transfers: Option<Box<Transfers>>,
    pub(crate) spilling: Spilling,
}

impl StoreServer {
    /// An empty store that may take this much memory.
    pub fn new(capacity_bytes: u64) -> Self {
        Self::with_options(StoreOptions::new(capacity_bytes))
    }

    /// An empty store with these options.
    pub fn with_options(options: StoreOptions) -> Self {
        let StoreOptions { capacity_bytes, wait_ms, node_number, own, ref spill } = options;
        let limits = StoreLimits { capacity_bytes, wait_ms, node_number, own, spill: spill.limits(capacity_bytes) };
        Self {
            options,
            table: StoreTable::new(limits),
            segments: HashMap::new(),
            provisioning: Provisioning::default(),
            effects: Vec::new(),
            transfers: None,
            spilling: Spilling::default(),
        }
    }

    /// Number of this node in its cluster; 0 where there is no cluster.
    pub fn node_number(&self) -> u32 {
        self.table.node_number()
    }

    /// The cluster gave the node a number. To be called before any segment is made.
    pub fn set_node_number(&mut self, node_number: u32) {
        self.options.node_number = node_number;
        self.table.set_node_number(node_number);
    }

    /// Whether frames of this kind are for the store.
    pub fn handles(kind: Kind) -> bool {
        use Kind::{
            LookEnded, ObjectFree, ObjectPull, ObjectSealed, ReplicaRelease, SegmentMap, SegmentRequest, SegmentReturn,
            SegmentWatched,
        };
        matches!(
            kind,
            SegmentRequest
                | SegmentMap
                | SegmentReturn
                | SegmentWatched
                | LookEnded
                | ObjectSealed
                | ObjectFree
                | ObjectPull
                | ReplicaRelease
        )
    }

    /// Handles a frame of a driver or worker. An error means that the sender does not keep to the protocol; nothing was changed.
    pub fn on_frame(
        &mut self,
        from: WorkerId,
        kind: Kind,
        body: &[u8],
        now_ms: u64,
    ) -> Result<Vec<Outgoing>, FrameError> {
        match kind {
            Kind::SegmentRequest => {
                let request: SegmentRequest = decode(body)?;
                self.table.on_segment_request(from, request.request_id, request.size_bytes, now_ms, &mut self.effects);
            }
            Kind::SegmentMap => {
                let map: SegmentMap = decode(body)?;
                self.table.on_segment_map(from, SegmentId(map.segment_id), &mut self.effects);
            }
            Kind::SegmentReturn => {
                let returned: SegmentReturn = decode(body)?;
                self.table.on_segment_return(from, SegmentId(returned.segment_id), now_ms, &mut self.effects);
            }
            Kind::ObjectSealed => self.on_sealed(from, decode(body)?)?,
            Kind::ObjectFree => self.on_free(from, decode(body)?, now_ms)?,
            Kind::ObjectPull => {
                let refused = self.on_pull(from, &decode(body)?)?;
                let mut outgoing = self.perform(now_ms);
                outgoing.extend(refused);
                return Ok(outgoing);
            }
            Kind::ReplicaRelease => {
                let ReplicaRelease { object_id: object } = decode(body)?;
                let object = object_id(&object)?;
                self.on_release(from, &object);
                self.table.on_look_ended(from, &object, now_ms, &mut self.effects);
                self.spilling.numbers.remove(&(from, object));
            }
            Kind::SegmentWatched => {
                let SegmentWatched { segment_id, offsets } = decode(body)?;
                self.table.on_watched(from, SegmentId(segment_id), &offsets, now_ms, &mut self.effects);
            }
            Kind::LookEnded => {
                let LookEnded { segment_id, offset_bytes } = decode(body)?;
                let segment = SegmentId(segment_id);
                self.table.on_early_look_ended(from, segment, offset_bytes, now_ms, &mut self.effects);
            }
            _ => return Err(FrameError::Malformed("frame is not for the object store")),
        }
        Ok(self.perform(now_ms))
    }

    /// A process is gone. Call it after everything that the process had sent was handled, whatever came of it.
    pub fn on_worker_died(&mut self, worker: WorkerId, now_ms: u64) -> Vec<Outgoing> {
        self.table.on_worker_died(worker, now_ms, &mut self.effects);
        self.spilling.numbers.retain(|(asker, _), _| *asker != worker);
        if let Some(transfers) = &mut self.transfers {
            transfers.pulls.on_process_died(worker, &mut transfers.effects);
        }
        self.perform(now_ms)
    }

    /// Goes on with segments that are being made or taken back, and refuses requests that waited too long.
    pub fn on_tick(&mut self, now_ms: u64) -> Vec<Outgoing> {
        if let Some(made) = self.provisioning.go_on() {
            self.finish(made, now_ms);
        }
        self.table.on_tick(now_ms, &mut self.effects);
        self.on_transfers_tick(now_ms);
        self.perform(now_ms)
    }

    /// When `on_tick` is to be called next; 0 (at once, after the sockets that are ready) while a large segment is being
    /// made or taken back.
    pub fn next_deadline_ms(&self) -> Option<u64> {
        if !self.provisioning.is_empty() {
            return Some(0);
        }
        let transfers_ms = self.transfers.as_ref().and_then(|transfers| transfers.next_deadline_ms());
        [self.table.next_deadline_ms(), transfers_ms, self.next_call_for_memory_ms()].into_iter().flatten().min()
    }

    /// Sums over the store.
    pub fn stats(&self) -> StoreStats {
        self.table.stats()
    }

    /// Checks the store's invariants; for tests.
    pub fn sanity_check(&self) -> Result<(), String> {
        self.table.sanity_check()
    }

    fn on_sealed(&mut self, from: WorkerId, sealed: ObjectSealed) -> Result<(), FrameError> {
        let id = object_id(&sealed.object_id)?;
        // No owner means: the sender itself.
        let owner = if sealed.owner.is_empty() {
            from
        } else {
            WorkerId::from_bytes(&sealed.owner).map_err(|_| FrameError::Malformed("owner is no worker id"))?
        };
        let location = location(sealed.segment_id, sealed.offset_bytes, sealed.size_bytes)?;
        let result = self.table.on_sealed(from, id, location, owner, &mut self.effects);
        result.map_err(|reject: Reject| FrameError::Malformed(reject.text()))
    }

    fn on_free(&mut self, from: WorkerId, free: ObjectFree, now_ms: u64) -> Result<(), FrameError> {
        let id = object_id(&free.object_id)?;
        let location = location(free.segment_id, free.offset_bytes, free.size_bytes)?;
        if node_of(location.segment) != self.table.node_number() {
            self.free_elsewhere(id, location);
            return Ok(());
        }
        self.table.on_freed(from, id, location, free.reclaimed, now_ms, &mut self.effects);
        Ok(())
    }
}

pub(crate) fn object_id(bytes: &[u8]) -> Result<ObjectId, FrameError> {
    ObjectId::from_bytes(bytes).map_err(|_| FrameError::Malformed("object id of a wrong length"))
}

pub(crate) fn location(segment: u64, offset_bytes: u64, size_bytes: u64) -> Result<ObjectLocation, FrameError> {
    if offset_bytes.checked_add(size_bytes).is_none() {
        return Err(FrameError::Malformed("object beyond any segment"));
    }
    Ok(ObjectLocation { segment: SegmentId(segment), offset_bytes, size_bytes })
}
