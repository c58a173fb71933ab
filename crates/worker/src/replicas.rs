//! Objects that the daemon is asked for: copies of those of other nodes, and own ones that may be in files. Held as long as this process
//! refers to the object, or until somebody needs the memory and nobody here looks at it.

use crate::completions::CompletionQueue;
use crate::copies::{Copy, Held, Place, StoreError, Urgency};
use crate::engine::Engine;
use crate::runtime::Runtime;
use trygon_ids::{ObjectId, SegmentId};
use trygon_store::node_of;
use trygon_wire::{FrameError, Kind, control};
use trygon_worker_core::{Location, Reference, Value, Waiter};

/// What came and was not looked at yet is not given up before: it would be asked for again.
const FRESH_NS: u64 = 200_000_000;

impl Engine {
    /// Whether the daemon has to be asked before an object at the place is looked at.
    pub fn must_ask(&self, location: &Location) -> bool {
        self.is_elsewhere(location) || self.replicas.watched.contains_key(&location.segment)
    }

    /// Whether the place is on another node.
    pub fn is_elsewhere(&self, location: &Location) -> bool {
        node_of(location.segment) != self.replicas.node_number
    }

    /// Whether everything that may be waited for can only be on this node.
    pub fn is_alone(&self) -> bool {
        self.replicas.node_number == 0
    }

    /// Whether everything that may be waited for can only be in this node's memory.
    pub fn is_all_in_memory(&self) -> bool {
        self.is_alone() && self.replicas.watched.is_empty()
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

    /// As `fetch`, of a reference whose value is known. What is no stored object is here, and so is what is in a file of this node.
    pub fn fetch_value(&mut self, reference: &Reference, urgency: Urgency) -> bool {
        if self.is_alone() {
            return true;
        }
        let location = match self.core.value_of(reference) {
            Some(Value::Stored(location)) if !self.is_elsewhere(location) => return true,
            Some(Value::Stored(location)) => *location,
            // It was lost, and will be there again.
            Some(Value::Pending) => return self.core.watch(reference),
            _ => return true,
        };
        self.fetch_or_lose(reference, location, urgency)
    }

    /// As `fetch`; what cannot be had is looked for by its owner, and waited for.
    fn fetch_or_lose(&mut self, reference: &Reference, location: Location, urgency: Urgency) -> bool {
        match self.place(&reference.object, location, urgency) {
            Place::Coming => false,
            Place::Failed(StoreError::Lost(reason)) => self.lose(reference, location, &reason),
            Place::Here(_) | Place::Failed(_) => true,
        }
    }

    pub(crate) fn place(&mut self, object: &ObjectId, location: Location, urgency: Urgency) -> Place {
        if !self.must_ask(&location) {
            return Place::Here(location);
        }
        match self.replicas.copies.get_mut(object) {
            Some(Copy::Here(held)) => {
                held.was_seen |= urgency == Urgency::Get;
                return Place::Here(held.location);
            }
            Some(Copy::Failed { from, error }) if *from == location => return Place::Failed(error.clone()),
            Some(Copy::Coming { urgency: before, from, .. }) if *before <= urgency && *from == location => {
                return Place::Coming;
            }
            Some(Copy::Coming { urgency: before, from, number, .. }) => {
                *before = urgency.min(*before);
                *from = location;
                let number = *number;
                self.send_pull(object, location, urgency, number);
            }
            Some(Copy::Failed { .. }) | None => {
                self.core.note_copy(object);
                self.replicas.next_number += 1;
                let number = self.replicas.next_number;
                let coming = Copy::Coming { urgency, from: location, number, waiters: Vec::new() };
                self.replicas.copies.insert(*object, coming);
                self.send_pull(object, location, urgency, number);
            }
        }
        Place::Coming
    }

    fn send_pull(&mut self, object: &ObjectId, location: Location, urgency: Urgency, number: u64) {
        let message = control::ObjectPull {
            object_id: object.as_bytes().to_vec(),
            segment_id: location.segment.0,
            offset_bytes: location.offset_bytes,
            size_bytes: location.size_bytes,
            priority: urgency as u32,
            number,
        };
        self.control.send(Kind::ObjectPull, &message);
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

    /// Somebody needs memory: what nobody here looks at is let go.
    pub(crate) fn release_unseen(&mut self) {
        let now_ns = self.clock.now_ns();
        let unseen = |copy: &Copy| match copy {
            Copy::Here(Held { location, since_ns, was_seen, is_kept: false }) => {
                (*was_seen || now_ns >= since_ns + FRESH_NS)
                    && !self.store.is_pinned(location.segment.0, location.offset_bytes)
            }
            _ => false,
        };
        let released: Vec<ObjectId> =
            self.replicas.copies.iter().filter(|(_, copy)| unseen(copy)).map(|(object, _)| *object).collect();
        for object in released {
            self.release_copy(&object);
        }
        for (segment, offsets) in &mut self.replicas.watched {
            offsets.retain(|offset_bytes| {
                let is_pinned = self.store.is_pinned(segment.0, *offset_bytes);
                if !is_pinned {
                    let message = control::LookEnded { segment_id: segment.0, offset_bytes: *offset_bytes };
                    self.control.send(Kind::LookEnded, &message);
                }
                is_pinned
            });
        }
    }

    /// A segment is gone, and with it what this process held in it.
    pub(crate) fn forget_copies_in(&mut self, segment: SegmentId) {
        let is_in = |copy: &Copy| matches!(copy, Copy::Here(held) if held.location.segment == segment);
        self.replicas.copies.retain(|_, copy| !is_in(copy));
    }

    /// From now on the daemon is asked before an object of the segment is looked at, and no space of it is taken back without its word.
    pub(crate) fn on_watch_segment(&mut self, segment: SegmentId) {
        let offsets = self.store.pinned_in(segment.0);
        self.replicas.watched.entry(segment).or_default().extend(&offsets);
        self.control.send(Kind::SegmentWatched, &control::SegmentWatched { segment_id: segment.0, offsets });
    }

    /// The daemon's answer.
    pub(crate) fn on_object_pulled(&mut self, message: &control::ObjectPulled) -> Result<(), FrameError> {
        let object = ObjectId::from_bytes(&message.object_id).map_err(|_| FrameError::Malformed("object id"))?;
        // Released meanwhile: the daemon was told, and has the copy no more.
        let Some(copy) = self.replicas.copies.get_mut(&object) else { return Ok(()) };
        // And what is asked for again since then gets an answer of its own.
        let from = match copy {
            Copy::Coming { from, number, .. } if *number == message.number => *from,
            _ => return Ok(()),
        };
        let text = message.message.clone();
        let failed = |error| Copy::Failed { from, error };
        let new = match message.error.as_str() {
            "" => Copy::Here(Held {
                location: Location {
                    segment: SegmentId(message.segment_id),
                    offset_bytes: message.offset_bytes,
                    size_bytes: message.size_bytes,
                },
                since_ns: self.clock.now_ns(),
                was_seen: false,
                is_kept: self.replicas.rescues.contains(&object),
            }),
            "timed_out" => failed(StoreError::TimedOut(text)),
            "disk_full" => failed(StoreError::DiskFull(text)),
            "store_full" => failed(StoreError::Full { capacity_bytes: 0, used_bytes: 0, message: text }),
            "not_allowed" => failed(StoreError::Failed(text)),
            _ => failed(StoreError::Lost(text)),
        };
        let found = if let Copy::Here(held) = &new { Some(held.location) } else { None };
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
        let is_here = match engine.core.value_of(reference) {
            Some(Value::Stored(location)) => {
                let location = *location;
                engine.fetch_or_lose(reference, location, Urgency::Get)
            }
            Some(Value::Pending) => engine.core.watch(reference),
            _ => true,
        };
        if is_here {
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

    /// Where an object lies whose value is known here.
    pub fn known_place(&self, reference: &Reference) -> Option<KnownPlace> {
        let engine = self.lock();
        match engine.core.value_of(reference)? {
            Value::Inline(bytes) => {
                let size_bytes = bytes.as_slice().len() as u64;
                Some(KnownPlace { size_bytes, location: None, other_node: None, is_here: false })
            }
            Value::Stored(location) => {
                let is_elsewhere = engine.is_elsewhere(location);
                let has_copy = matches!(engine.replicas.copies.get(&reference.object), Some(Copy::Here(_)));
                Some(KnownPlace {
                    size_bytes: location.size_bytes,
                    location: Some(*location),
                    other_node: is_elsewhere.then(|| node_of(location.segment)),
                    is_here: !is_elsewhere || has_copy,
                })
            }
            Value::Pending | Value::Error(_) => None,
        }
    }

    /// Asks for objects that are looked at next, so that they come side by side.
    pub fn fetch_ahead(&self, objects: &[(ObjectId, Location)]) {
        let mut engine = self.lock();
        for (object, location) in objects {
            engine.fetch(object, *location, Urgency::Get);
        }
        engine.control.flush();
    }
}

/// Where an object lies, as far as that is known.
#[derive(Debug, Clone, Copy)]
pub struct KnownPlace {
    /// Of the encoded value.
    pub size_bytes: u64,
    /// Its place in a store; `None` where it travels in messages.
    pub location: Option<Location>,
    /// Number of the node, if it is not this one.
    pub other_node: Option<u32>,
    /// Whether this node's store has it, or a copy.
    pub is_here: bool,
}
