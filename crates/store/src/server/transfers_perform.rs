//! Effects of the pull table, carried out: room, fetches, answers.

use crate::client::Reservation;
use crate::server::store_server::{Outgoing, StoreServer};
use crate::server::transfers_state::Room;
use crate::transfer::FetchJob;
use std::sync::Arc;
use trygon_ids::{ObjectId, SegmentId, WorkerId};
use trygon_store_core::{ObjectLocation, PullEffect, PullFailure, Source};
use trygon_wire::control::ObjectPulled;
use trygon_wire::{Kind, encode};

impl StoreServer {
    /// Whether this is the daemon itself.
    pub(crate) fn is_own(&self, worker: WorkerId) -> bool {
        self.transfers.as_ref().is_some_and(|transfers| transfers.own == worker)
    }

    /// Carries out what the pull table has decided.
    pub(crate) fn perform_pulls(&mut self, now_ms: u64, outgoing: &mut Vec<Outgoing>) {
        while let Some(transfers) = self.transfers.as_mut().filter(|transfers| !transfers.effects.is_empty()) {
            for effect in std::mem::take(&mut transfers.effects) {
                self.perform_pull(effect, now_ms, outgoing);
            }
        }
    }

    fn perform_pull(&mut self, effect: PullEffect, now_ms: u64, outgoing: &mut Vec<Outgoing>) {
        match effect {
            PullEffect::Reserve { object, size_bytes } => self.find_room(object, size_bytes, now_ms),
            PullEffect::Fetch { object, attempt, source } => self.fetch(object, attempt, source),
            PullEffect::Stop { object, attempt } => {
                let room = self.transfers.as_ref().and_then(|transfers| transfers.rooms.get(&object));
                if let Some(job) = room.and_then(|room| room.job.as_ref()).filter(|job| job.attempt == attempt) {
                    job.stop();
                }
            }
            PullEffect::Seal { object } => self.seal_copy(object),
            PullEffect::Free { object } => self.free_copy(&object, now_ms),
            PullEffect::Answer { to, object, result } => outgoing.extend(self.answer_pull(to, &object, result)),
        }
    }

    /// Takes room that is there, or asks for a segment as any writer does.
    fn find_room(&mut self, object: ObjectId, size_bytes: u64, now_ms: u64) {
        let Some(transfers) = &mut self.transfers else { return };
        match transfers.client.reserve(size_bytes) {
            Reservation::Ready(allocation) => {
                transfers.rooms.insert(object, Room::new(allocation));
                transfers.pulls.on_space(&object, true, &mut transfers.effects);
            }
            Reservation::NeedSegment { size_bytes: least_bytes } => {
                let request_id = transfers.next_request;
                transfers.next_request += 1;
                transfers.roomless.insert(request_id, (object, size_bytes));
                let own = transfers.own;
                self.table.on_segment_request(own, request_id, least_bytes, now_ms, &mut self.effects);
            }
        }
    }

    /// The store gave the daemon a segment that it had asked for.
    pub(crate) fn on_own_grant(&mut self, request_id: u64, segment: SegmentId) {
        let Some(transfers) = &mut self.transfers else { return };
        let source = self.segments.get(&segment);
        let added = source.is_some_and(|source| {
            let descriptor = source.writable_descriptor();
            descriptor.and_then(|fd| transfers.client.add_segment(segment.0, source.size_bytes(), fd)).is_ok()
        });
        if !added {
            // No descriptor or no address space is left. The segment is of no use.
            let own = transfers.own;
            self.table.on_segment_return(own, segment, 0, &mut self.effects);
            return self.on_own_refusal(request_id);
        }
        if let Some((object, size_bytes)) = transfers.roomless.remove(&request_id) {
            // Another copy may have taken the space meanwhile: then a segment is asked for again.
            transfers.effects.push(PullEffect::Reserve { object, size_bytes });
        }
    }

    /// The store is full and stayed full.
    pub(crate) fn on_own_refusal(&mut self, request_id: u64) {
        let Some(transfers) = &mut self.transfers else { return };
        let Some((object, size_bytes)) = transfers.roomless.remove(&request_id) else { return };
        let reserved = transfers.client.reserve_anywhere(size_bytes);
        let found = matches!(reserved, Reservation::Ready(_));
        if let Reservation::Ready(allocation) = reserved {
            transfers.rooms.insert(object, Room::new(allocation));
        }
        transfers.pulls.on_space(&object, found, &mut transfers.effects);
    }

    pub(crate) fn on_own_reclaim(&mut self, range: &ObjectLocation) {
        if let Some(transfers) = &self.transfers {
            transfers.client.free(range.segment.0, range.offset_bytes, range.size_bytes);
        }
    }

    fn fetch(&mut self, object: ObjectId, attempt: u64, source: Source) {
        let own_node = self.table.node_number();
        if source.node == own_node {
            return self.restore(object, attempt, source.location);
        }
        let Some(transfers) = &mut self.transfers else { return };
        let Some(room) = transfers.rooms.get_mut(&object) else { return };
        let Some(writer) = room.allocation.as_ref().map(|allocation| allocation.writer()) else { return };
        let Some(progress) = room.progress.clone() else { return };
        let asker = Source { node: own_node, location: room.location, is_direct: false, failed_node: None };
        let job = Arc::new(FetchJob::new((object, attempt), source, asker, writer, progress));
        room.job = Some(job.clone());
        transfers.fetcher.add(job);
    }

    fn seal_copy(&mut self, object: ObjectId) {
        let Some(transfers) = &mut self.transfers else { return };
        let Some(room) = transfers.rooms.get_mut(&object) else { return };
        room.end(true);
        let Some(allocation) = room.allocation.take() else { return };
        let location = allocation.seal();
        let own = transfers.own;
        // The pool gave the range, so that nothing else lies there.
        let _ = self.table.on_sealed(own, object, location, own, &mut self.effects);
    }

    fn free_copy(&mut self, object: &ObjectId, now_ms: u64) {
        let Some(transfers) = &mut self.transfers else { return };
        let Some(mut room) = transfers.rooms.remove(object) else { return };
        room.end(false);
        // Not sealed, it is free again when the allocation goes.
        if room.allocation.is_none() {
            let ObjectLocation { segment, offset_bytes, size_bytes } = room.location;
            transfers.client.free(segment.0, offset_bytes, size_bytes);
            let own = transfers.own;
            self.table.on_freed(own, *object, room.location, true, now_ms, &mut self.effects);
        }
    }

    fn answer_pull(&self, to: WorkerId, object: &ObjectId, result: Result<(), PullFailure>) -> Option<Outgoing> {
        let room = self.transfers.as_ref()?.rooms.get(object).filter(|_| result.is_ok());
        let (object_id, number) = (object.as_bytes().to_vec(), self.spilling.number(to, object));
        let reply = match (room, result) {
            (Some(Room { location, .. }), _) => ObjectPulled {
                object_id,
                segment_id: location.segment.0,
                offset_bytes: location.offset_bytes,
                size_bytes: location.size_bytes,
                number,
                ..Default::default()
            },
            (None, Err(failure)) => {
                let (error, message) =
                    self.spill_failure_text(object, failure).unwrap_or_else(|| self.failure_text(failure));
                ObjectPulled { object_id, error: error.to_owned(), message, number, ..Default::default() }
            }
            (None, Ok(())) => return None,
        };
        Some(Outgoing { to, frame: encode(Kind::ObjectPulled, &reply), descriptor: None })
    }

    fn failure_text(&self, failure: PullFailure) -> (&'static str, String) {
        match failure {
            PullFailure::Lost => ("lost", "no machine has it any more".to_owned()),
            PullFailure::NodeDied => ("node_died", "the machine that had it died".to_owned()),
            PullFailure::TimedOut => (
                "timed_out",
                "the machine that has it could not be reached for 60 s, though the cluster says that it lives; check that every machine \
                 can connect to every other one's port"
                    .to_owned(),
            ),
            PullFailure::StoreFull => {
                let used_mb = self.table.stats().used_bytes as f64 / 1e6;
                let capacity_mb = self.options.capacity_bytes as f64 / 1e6;
                let message = format!(
                    "The object store of this machine has no space for a copy of an object of another machine: {used_mb:.1} MB of \
                     {capacity_mb:.1} MB are in use. Drop references to objects that are not needed any more, or start the node with a \
                     larger `object_store_memory`."
                );
                ("store_full", message)
            }
            PullFailure::NotAllowed => ("not_allowed", "it belongs to another job".to_owned()),
        }
    }
}
