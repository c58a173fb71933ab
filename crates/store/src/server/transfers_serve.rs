//! What other nodes may have from this one, and from where in memory.

use crate::server::store_server::StoreServer;
use crate::server::transfers_state::{ServedSegment, Transfers};
use crate::transfer::{Asked, Reads, Request, Served};
use std::sync::Arc;
use trygon_ids::{ObjectId, SegmentId};
use trygon_shm::ReadOnlyMapping;
use trygon_store_core::{Decision, ObjectLocation, node_of};

/// A mapping that nobody was served from for so long goes.
const UNMAP_AFTER_MS: u64 = 10_000;

impl StoreServer {
    /// Another node asks for bytes.
    pub(crate) fn on_asked(&mut self, asked: Asked, now_ms: u64) {
        let served = self.decide(&asked.request, now_ms);
        let (object, to_node) = (asked.request.object, asked.request.asker.node);
        let reads = if let Served::Data { reads, .. } = served { Some(reads) } else { None };
        let is_gone = asked.answer.send(served).is_err();
        if let Some(reads) = reads.filter(|_| is_gone) {
            self.on_send_ended(&object, reads, to_node, now_ms);
        }
    }

    fn decide(&mut self, request: &Request, now_ms: u64) -> Served {
        let Request { object, job, location, asker, .. } = *request;
        if object.task_id().job_id() != job {
            return Served::Refused;
        }
        if node_of(location.segment) != self.table.node_number() || !self.is_served(&object, &location) {
            return Served::Gone;
        }
        let Some(transfers) = &mut self.transfers else { return Served::Gone };
        if let Some(room) = transfers.rooms.get(&object).filter(|room| room.location == location) {
            // Who was sent here is served: only where the object came from it is known who waits for whom (PULL-8). Without progress the
            // copy is complete.
            let progress = room.progress.clone();
            let mapping = transfers.client.mapping(location.segment.0);
            let Some(mapping) = mapping else { return Served::Gone };
            let number = transfers.pulls.on_send_began(&object);
            return number.map_or(Served::Gone, |number| Served::Data {
                mapping,
                progress,
                reads: Reads::Copy(number),
            });
        }
        if let Some(spilled) = self.spilled_bytes(object, location) {
            return Served::File(spilled);
        }
        let Some(mapping) = self.mapping_for_sending(location.segment, now_ms) else { return Served::Gone };
        let Some(transfers) = &mut self.transfers else { return Served::Gone };
        match transfers.serves.on_asked(object, asker, now_ms) {
            Decision::Redirect(source) => Served::Redirect(source),
            // From now on it stays where it is until it is sent.
            Decision::Serve if self.table.on_send_began(&object, &location) => {
                Served::Data { mapping, progress: None, reads: Reads::Object }
            }
            Decision::Serve => Served::Gone,
        }
    }

    /// Whether the object lies there: one that a process of this node wrote, or a copy that is here or on its way.
    pub(crate) fn is_served(&self, object: &ObjectId, location: &ObjectLocation) -> bool {
        let room = self.transfers.as_ref().and_then(|transfers| transfers.rooms.get(object));
        room.is_some_and(|room| room.location == *location)
            || self.table.has(object, location)
            || self.table.in_file(object, location).is_some()
    }

    pub(crate) fn on_send_ended(&mut self, object: &ObjectId, reads: Reads, to_node: u32, now_ms: u64) {
        let Some(transfers) = &mut self.transfers else { return };
        match reads {
            Reads::Object => {
                transfers.serves.on_ended(object, to_node, now_ms);
                self.table.on_send_ended(object, now_ms, &mut self.effects);
            }
            Reads::Copy(number) => transfers.pulls.on_send_ended(object, number, &mut transfers.effects),
            Reads::File => {}
        }
    }

    fn mapping_for_sending(&mut self, segment: SegmentId, now_ms: u64) -> Option<Arc<ReadOnlyMapping>> {
        let transfers = self.transfers.as_mut()?;
        if let Some(served) = transfers.served.get_mut(&segment) {
            served.used_ms = now_ms;
            return Some(served.mapping.clone());
        }
        let source = self.segments.get(&segment)?;
        let mapping = Arc::new(ReadOnlyMapping::new(source, source.size_bytes()).ok()?);
        transfers.served.insert(segment, ServedSegment { mapping: mapping.clone(), used_ms: now_ms });
        Some(mapping)
    }

    /// A segment goes: what is mapped of it would keep its memory.
    pub(crate) fn forget_served(&mut self, segment: SegmentId) {
        if let Some(transfers) = &mut self.transfers {
            transfers.served.remove(&segment);
        }
    }
}

impl Transfers {
    pub(crate) fn forget_unused(&mut self, now_ms: u64) {
        self.served.retain(|_, served| {
            Arc::strong_count(&served.mapping) > 1 || now_ms < served.used_ms.saturating_add(UNMAP_AFTER_MS)
        });
    }

    /// When a tick is due, on the clock of the loop's last tick.
    pub(crate) fn next_deadline_ms(&self) -> Option<u64> {
        let unused = self.served.values().filter(|served| Arc::strong_count(&served.mapping) == 1);
        let unmap_ms = unused.map(|served| served.used_ms.saturating_add(UNMAP_AFTER_MS)).min();
        // The client has a clock of its own; what is left of its time is the same on both.
        let left = |idle_ms: u64| self.now_ms.saturating_add(idle_ms.saturating_sub(self.client_then_ms));
        let idle_ms = self.client.next_idle_ms().map(left);
        [self.pulls.next_deadline_ms(), unmap_ms, idle_ms].into_iter().flatten().min()
    }
}
