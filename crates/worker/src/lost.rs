//! Lost objects: their owners are told, copies are looked for (OWN-6).

use crate::copies::{Copy, Place, Urgency};
use crate::engine::Engine;
use trygon_ids::{ObjectId, SegmentId, WorkerId};
use trygon_wire::{FrameError, Kind, control, peer};
use trygon_worker_core::{Location, PeerIndex, Reference};

/// A borrower that has not said within this whether it has a copy counts as having none.
const ANSWER_NS: u64 = 2_000_000_000;
/// Lines that are remembered so that none is said twice.
const MOST_TOLD: usize = 256;

fn object_id(bytes: &[u8]) -> Result<ObjectId, FrameError> {
    ObjectId::from_bytes(bytes).map_err(|_| FrameError::Malformed("object id"))
}

impl Engine {
    /// An object cannot be had from where it was said to be: its owner looks for a copy or has it made again. It is waited for as one that
    /// never was there. True when that was settled at once.
    pub fn lose(&mut self, reference: &Reference, location: Location, reason: &str) -> bool {
        self.forget_failure(&reference.object);
        self.core.on_copy_lost(reference, location, reason);
        self.core.watch(reference)
    }

    pub(crate) fn report_lost(&mut self, reference: &Reference, location: Location, reason: &str) {
        let message = peer::ObjectLost {
            object_id: reference.object.as_bytes().to_vec(),
            segment_id: location.segment.0,
            offset_bytes: location.offset_bytes,
            size_bytes: location.size_bytes,
            reason: reason.to_owned(),
        };
        self.send_to(reference.owner, Kind::ObjectLost, &message);
    }

    /// An own object is lost: whoever borrows it may have a copy, or another process of this node.
    pub(crate) fn find_copy(&mut self, object: &ObjectId, location: Option<Location>, borrowers: &[WorkerId]) {
        let message = peer::CopyQuery { object_id: object.as_bytes().to_vec() };
        let until_ns = self.clock.now_ns() + ANSWER_NS;
        for borrower in borrowers {
            self.send_to(*borrower, Kind::CopyQuery, &message);
            self.replicas.asked.push_back((until_ns, *object, *borrower));
        }
        match location {
            Some(location) => self.fetch_copy(object, location),
            None => self.end_rescue(object, None),
        }
    }

    /// FAIL-1: a borrower that does not answer, because it was stopped, has no copy. True while answers are waited for.
    pub(crate) fn look_after_searches(&mut self, now_ns: u64) -> bool {
        while let Some((_, object, borrower)) =
            self.replicas.asked.front().copied().filter(|(until, ..)| *until <= now_ns)
        {
            self.replicas.asked.pop_front();
            // Nothing, if it has answered.
            self.core.on_copy_answer(&object, borrower, None, &mut self.links);
        }
        !self.replicas.asked.is_empty()
    }

    /// Has the node fetch a copy; from a node that is dead it gets only what it has already.
    pub(crate) fn fetch_copy(&mut self, object: &ObjectId, location: Location) {
        if self.is_alone() || !self.is_elsewhere(&location) {
            return self.end_rescue(object, None);
        }
        self.forget_failure(object);
        match self.place(object, location, Urgency::Get) {
            Place::Here(copy) => {
                if let Some(Copy::Here(held)) = self.replicas.copies.get_mut(object) {
                    held.is_kept = true;
                }
                self.end_rescue(object, Some(copy));
            }
            Place::Failed(_) => self.end_rescue(object, None),
            Place::Coming => {
                self.replicas.rescues.insert(*object);
            }
        }
    }

    pub(crate) fn end_rescue(&mut self, object: &ObjectId, copy: Option<Location>) {
        if copy.is_none() {
            if let (true, Some(Copy::Failed { error, .. })) =
                (self.core.is_moving(object), self.replicas.copies.get(object))
            {
                let why = error.reason();
                let line = format!("an object cannot be moved away from a node that is drained: {why}");
                self.say_of_loss(line);
            }
            self.forget_failure(object);
        }
        let own = self.core.identity().worker;
        self.core.on_copy_answer(object, own, copy, &mut self.links);
    }

    /// One line for all results of a function that were lost for the same reason.
    pub(crate) fn say_of_loss(&mut self, line: String) {
        if self.replicas.told.len() >= MOST_TOLD {
            self.replicas.told.clear();
        }
        if self.replicas.told.insert(line.clone()) {
            self.say(&line);
        }
    }

    pub(crate) fn on_node_lost(&mut self, message: &control::NodeLost) -> Result<(), FrameError> {
        self.core.on_node_died(u64::from(message.node_number), &message.message);
        Ok(())
    }

    /// Own objects are moved away from a node that may go.
    pub(crate) fn on_node_drains(&mut self, message: &control::NodeDrains) {
        self.core.on_node_drains(u64::from(message.node_number));
    }

    pub(crate) fn on_object_lost(&mut self, message: &peer::ObjectLost) -> Result<(), FrameError> {
        let location = Location {
            segment: SegmentId(message.segment_id),
            offset_bytes: message.offset_bytes,
            size_bytes: message.size_bytes,
        };
        self.core.on_lost_report(&object_id(&message.object_id)?, location, &message.reason);
        Ok(())
    }

    pub(crate) fn on_copy_query(&mut self, index: PeerIndex, message: &peer::CopyQuery) -> Result<(), FrameError> {
        let object = object_id(&message.object_id)?;
        let mut answer = peer::LocationUpdate { object_id: message.object_id.clone(), ..Default::default() };
        if let Some(Copy::Here(held)) = self.replicas.copies.get_mut(&object) {
            held.is_kept = true;
            let copy = held.location;
            answer.is_here = true;
            answer.segment_id = copy.segment.0;
            answer.offset_bytes = copy.offset_bytes;
            answer.size_bytes = copy.size_bytes;
        }
        self.links.send(index, Kind::LocationUpdate, &answer);
        Ok(())
    }

    pub(crate) fn on_location_update(
        &mut self,
        index: PeerIndex,
        message: &peer::LocationUpdate,
    ) -> Result<(), FrameError> {
        let location = message.is_here.then_some(Location {
            segment: SegmentId(message.segment_id),
            offset_bytes: message.offset_bytes,
            size_bytes: message.size_bytes,
        });
        let from = self.links.peer(index).worker;
        self.core.on_copy_answer(&object_id(&message.object_id)?, from, location, &mut self.links);
        Ok(())
    }
}
