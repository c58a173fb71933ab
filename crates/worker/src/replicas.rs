//! Copies of objects of other nodes: asked of the daemon, held as long as this process refers to the object.

use crate::completions::CompletionQueue;
use crate::copies::{Copy, Place, StoreError, Urgency};
use crate::engine::Engine;
use crate::runtime::Runtime;
use trygon_ids::{ObjectId, SegmentId};
use trygon_store::node_of;
use trygon_wire::{FrameError, Kind, control};
use trygon_worker_core::{Location, Reference, Value, Waiter};

impl Engine {
    /// Whether the place is on another node.
    pub fn is_elsewhere(&self, location: &Location) -> bool {
        node_of(location.segment) != self.replicas.node_number
    }

    /// Whether everything that may be waited for can only be on this node.
    pub fn is_alone(&self) -> bool {
        self.replicas.node_number == 0
    }

    /// A number that grows whenever `watch` or `fetch` may say something new.
    pub fn num_arrivals(&self) -> u64 {
        self.core.watched_completions() + self.replicas.arrivals
    }

    /// Whether the object need not be waited for any more: it is here, or it is known why it will not be. Asks the daemon for a copy if
    /// need be; an object of this process's own node is always here.
    pub fn fetch(&mut self, object: &ObjectId, location: Location, urgency: Urgency) -> bool {
        !matches!(self.place(object, location, urgency), Place::Coming)
    }

    /// As `fetch`, of a reference whose value is known. What is no stored object is here.
    pub fn fetch_value(&mut self, reference: &Reference, urgency: Urgency) -> bool {
        if self.is_alone() {
            return true;
        }
        let location = match self.core.value_of(reference) {
            Some(Value::Stored(location)) => *location,
            // It was lost, and will be there again.
            Some(Value::Pending) => return self.core.watch(reference),
            _ => return true,
        };
        match self.place(&reference.object, location, urgency) {
            Place::Coming => false,
            Place::Failed(StoreError::Lost(reason)) => self.lose(reference, location, &reason),
            Place::Here(_) | Place::Failed(_) => true,
        }
    }

    pub(crate) fn place(&mut self, object: &ObjectId, location: Location, urgency: Urgency) -> Place {
        if !self.is_elsewhere(&location) {
            return Place::Here(location);
        }
        match self.replicas.copies.get_mut(object) {
            Some(Copy::Here(copy)) => return Place::Here(*copy),
            Some(Copy::Failed { from, error }) if *from == location => return Place::Failed(error.clone()),
            Some(Copy::Coming { urgency: before, from, .. }) if *before <= urgency && *from == location => {
                return Place::Coming;
            }
            Some(Copy::Coming { urgency: before, from, .. }) => {
                *before = urgency.min(*before);
                *from = location;
            }
            Some(Copy::Failed { .. }) | None => {
                self.core.note_copy(object);
                self.replicas.copies.insert(*object, Copy::Coming { urgency, from: location, waiters: Vec::new() });
            }
        }
        let message = control::ObjectPull {
            object_id: object.as_bytes().to_vec(),
            segment_id: location.segment.0,
            offset_bytes: location.offset_bytes,
            size_bytes: location.size_bytes,
            priority: urgency as u32,
        };
        self.control.send(Kind::ObjectPull, &message);
        Place::Coming
    }

    /// Forgets that a copy could not be had: the next `get` asks again.
    pub(crate) fn forget_failure(&mut self, object: &ObjectId) {
        if matches!(self.replicas.copies.get(object), Some(Copy::Failed { .. })) {
            self.replicas.copies.remove(object);
        }
    }

    /// This process refers to the object no more.
    pub(crate) fn release_copy(&mut self, object: &ObjectId) {
        match self.replicas.copies.remove(object) {
            None | Some(Copy::Failed { .. }) => return,
            Some(Copy::Here(_)) => {}
            Some(Copy::Coming { waiters, .. }) => {
                for (queue, token) in waiters {
                    self.push_token(queue, token);
                }
            }
        }
        let object_id = object.as_bytes().to_vec();
        self.control.send(Kind::ReplicaRelease, &control::ReplicaRelease { object_id });
    }

    /// The daemon's answer.
    pub(crate) fn on_object_pulled(&mut self, message: &control::ObjectPulled) -> Result<(), FrameError> {
        let object = ObjectId::from_bytes(&message.object_id).map_err(|_| FrameError::Malformed("object id"))?;
        // Released meanwhile: the daemon was told, and has the copy no more.
        let Some(copy) = self.replicas.copies.get_mut(&object) else { return Ok(()) };
        let text = message.message.clone();
        let from = match copy {
            Copy::Coming { from, .. } | Copy::Failed { from, .. } | Copy::Here(from) => *from,
        };
        let failed = |error| Copy::Failed { from, error };
        let new = match message.error.as_str() {
            "" => Copy::Here(Location {
                segment: SegmentId(message.segment_id),
                offset_bytes: message.offset_bytes,
                size_bytes: message.size_bytes,
            }),
            "timed_out" => failed(StoreError::TimedOut(text)),
            "store_full" => failed(StoreError::Full { capacity_bytes: 0, used_bytes: 0, message: text }),
            "not_allowed" => failed(StoreError::Failed(text)),
            _ => failed(StoreError::Lost(text)),
        };
        let found = if let Copy::Here(place) = &new { Some(*place) } else { None };
        let waiters = match std::mem::replace(copy, new) {
            Copy::Coming { waiters, .. } => waiters,
            Copy::Here(_) | Copy::Failed { .. } => Vec::new(),
        };
        self.replicas.arrivals += 1;
        if self.replicas.rescues.remove(&object) {
            self.end_rescue(&object, found);
        }
        for (queue, token) in waiters {
            self.push_token(queue, token);
        }
        Ok(())
    }
}

impl Runtime {
    /// Whether the value can be read at once. If not, a copy is asked for, and `token` is put into the queue when it is here.
    pub fn complete_when_here(&self, queue: &CompletionQueue, reference: &Reference, token: u64) -> bool {
        let mut engine = self.lock();
        if engine.fetch_value(reference, Urgency::Get) {
            return true;
        }
        let (queue, core) = (queue.number(), &mut engine.core);
        let is_made_again = matches!(core.value_of(reference), Some(Value::Pending))
            && core.add_waiter(reference, Waiter::Completion { queue, token });
        if !is_made_again {
            match engine.replicas.copies.get_mut(&reference.object) {
                Some(Copy::Coming { waiters, .. }) => waiters.push((queue, token)),
                _ => return true,
            }
        }
        engine.awaited_tokens += 1;
        engine.settle_and_flush();
        drop(engine);
        self.ensure_ticking();
        false
    }

    /// Where the objects lie that are known here: size in bytes, and the number of the node; of the own one also when it has a copy.
    pub fn known_nodes(&self, reference: &Reference) -> Option<(u64, Vec<u32>)> {
        let engine = self.lock();
        match engine.core.value_of(reference)? {
            Value::Inline(bytes) => Some((bytes.as_slice().len() as u64, Vec::new())),
            Value::Stored(location) => {
                let mut nodes = vec![node_of(location.segment)];
                let has_copy = matches!(engine.replicas.copies.get(&reference.object), Some(Copy::Here(_)));
                if has_copy && !nodes.contains(&engine.replicas.node_number) {
                    nodes.push(engine.replicas.node_number);
                }
                Some((location.size_bytes, nodes))
            }
            Value::Pending | Value::Error(_) => None,
        }
    }
}
