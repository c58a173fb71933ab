//! One entry of the owner's table: a task with its results, or an object made by `put`.

use crate::bytes::SmallBytes;
use crate::numbers::{ActorIndex, FunctionIndex, PeerIndex};
use std::collections::BTreeMap;
use trygon_ids::{ObjectId, SegmentId, WorkerId};

/// Where a large object lies in shared memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Location {
    /// The segment.
    pub segment: SegmentId,
    /// Offset in it.
    pub offset_bytes: u64,
    /// Length.
    pub size_bytes: u64,
}

/// An object and the process that owns it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Reference {
    /// The object.
    pub object: ObjectId,
    /// Its owner.
    pub owner: WorkerId,
}

/// What is known of an object's value.
#[derive(Debug, Clone, Default)]
pub enum Value {
    /// Not made yet.
    #[default]
    Pending,
    /// Encoded, in this process.
    Inline(SmallBytes),
    /// In shared memory.
    Stored(Location),
    /// The error that stands in its place, encoded.
    Error(Box<[u8]>),
}

impl Value {
    /// Whether a `get` of it would return or raise at once.
    pub fn is_ready(&self) -> bool {
        !matches!(self, Self::Pending)
    }
}

/// Who is to be told when an object is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Waiter {
    /// A task of this process that needs it as an argument.
    Task {
        /// Its slot.
        slot: u32,
        /// Its generation.
        generation: u32,
    },
    /// A peer that asked for it.
    Peer(PeerIndex),
    /// A completion queue of this process.
    Completion {
        /// The queue.
        queue: u32,
        /// What to put into it.
        token: u64,
    },
}

/// An object with its counts (OWN-2).
#[derive(Debug, Default)]
pub(crate) struct Object {
    pub(crate) value: Value,
    /// References held by the program, views on its memory included.
    pub(crate) local_references: u32,
    /// Arguments in flight and objects that contain it.
    pub(crate) uses: u32,
    pub(crate) detail: Option<Box<ObjectDetail>>,
}

/// What few objects have.
#[derive(Debug, Default)]
pub(crate) struct ObjectDetail {
    /// References inside the value: edges held while the object lives (OWN-4 b).
    pub(crate) contained: Vec<Reference>,
    /// Lends less returns, by borrower. Only a positive number holds the object.
    pub(crate) borrowers: BTreeMap<WorkerId, i64>,
    pub(crate) waiters: Vec<Waiter>,
    /// Ends this actor when the object goes: the object counts its handles.
    pub(crate) actor_handle: Option<ActorIndex>,
    /// It had a value, which is gone, and will have one again, or an error.
    pub(crate) is_lost: bool,
}

impl Object {
    pub(crate) fn detail_mut(&mut self) -> &mut ObjectDetail {
        self.detail.get_or_insert_default()
    }

    /// Whether its value is gone and looked for, or made again.
    pub(crate) fn is_lost(&self) -> bool {
        self.detail.as_ref().is_some_and(|detail| detail.is_lost)
    }

    /// OWN-3, as far as this object's holders go.
    pub(crate) fn is_held(&self) -> bool {
        self.local_references > 0
            || self.uses > 0
            || self.detail.as_ref().is_some_and(|detail| {
                !detail.waiters.is_empty() || detail.borrowers.values().any(|balance| *balance > 0)
            })
    }
}

/// Where a task stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// The slot is not in use.
    Free,
    /// Arguments do not exist yet, or the time to be tried again has not come.
    WaitsForArguments,
    /// Waits for a lease, or for its actor.
    Queued,
    /// Waits for the time of its next attempt.
    Delayed,
    /// Sent to a worker.
    Pushed,
    /// Replied, failed, or made by `put`.
    Done,
    /// Cancelled while it waited in a queue, which still names the slot: done, but for the slot's next use.
    Dropped,
}

/// What is kept of a task that is done, so that its results can be made again (OWN-6).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Lineage {
    /// Nothing: it is not done, none of its results lies in shared memory, or it may not be run again.
    None,
    /// Payload and arguments, pinned.
    Kept,
    /// Nothing any more: the bound was passed.
    Evicted,
    /// Of an object made by `put`: only kept tasks refer to it, and its bytes are counted with theirs.
    Argument,
    /// It runs again, because results were lost.
    Rebuilding,
}

/// One slot of the table.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) generation: u32,
    pub(crate) attempt: u32,
    pub(crate) function: FunctionIndex,
    /// Index of the lease that it was pushed under; for an actor call its ticket among those in flight.
    pub(crate) lease: u32,
    /// Time that it was expected to take when it was pushed.
    pub(crate) expected_ns: u32,
    pub(crate) retries_left: i32,
    pub(crate) num_returns: u16,
    pub(crate) depth: u16,
    pub(crate) phase: Phase,
    pub(crate) is_put: bool,
    pub(crate) watched: bool,
    /// An error that user code raised is worth another attempt.
    pub(crate) retry_errors: bool,
    /// CANCEL-1: it is not sent, sent again or retried any more.
    pub(crate) cancelled: bool,
    /// It was submitted with retries, however many are left.
    pub(crate) is_retriable: bool,
    /// OWN-6: whether it can be run again after its end.
    pub(crate) lineage: Lineage,
    /// OWN-6: kept tasks of which an argument is one of its objects.
    pub(crate) lineage_pins: u32,
    /// Attempts that used up a retry: each makes the wait for the next one longer.
    pub(crate) failed_attempts: u16,
    /// The call of this process that submitted it; 0 for none.
    pub(crate) parent: u32,
    /// Arguments as the executor reads them, without dependencies.
    pub(crate) payload: SmallBytes,
    pub(crate) first: Object,
    pub(crate) detail: Option<Box<TaskDetail>>,
}

const _: () = assert!(size_of::<Entry>() <= 128, "the hot struct grew");

/// What few tasks have.
#[derive(Debug, Default)]
pub(crate) struct TaskDetail {
    /// Arguments that are references, in order.
    pub(crate) dependencies: Vec<Reference>,
    /// References inside other arguments, pinned until the reply (OWN-4 a).
    pub(crate) contained: Vec<Reference>,
    pub(crate) pending_dependencies: u32,
    /// Results after the first.
    pub(crate) more: Vec<Object>,
    /// Items, if it is a generator.
    pub(crate) stream: Option<Box<Stream>>,
    /// The scheduling class of a task with large arguments: it asks for the node that holds them.
    pub(crate) near_class: Option<u32>,
}

/// What the owner knows of one stream.
#[derive(Debug)]
pub(crate) struct Stream {
    /// Items that somebody holds, by their object's index.
    pub(crate) items: BTreeMap<u32, Object>,
    /// Items that came, in all attempts.
    pub(crate) received: u32,
    /// Items that the program took.
    pub(crate) taken: u32,
    /// Most items that wait to be taken; 0 for no limit.
    pub(crate) limit: u32,
    /// How many items the running attempt made, once it says so.
    pub(crate) total: Option<u32>,
    /// The number of the first item that the running attempt sends although it came before; above all when there is none.
    pub(crate) resend_from: u32,
    /// It has ended once: what it runs for again are lost items.
    pub(crate) has_ended: bool,
    /// Items are wanted: the generator is held, or the list of a dynamic task is not made yet.
    pub(crate) is_open: bool,
    pub(crate) is_dynamic: bool,
    pub(crate) waiters: Vec<Waiter>,
}

impl Entry {
    pub(crate) const fn free(generation: u32) -> Self {
        Self {
            generation,
            attempt: 0,
            function: FunctionIndex(u32::MAX),
            lease: u32::MAX,
            expected_ns: 0,
            retries_left: 0,
            num_returns: 0,
            depth: 0,
            phase: Phase::Free,
            is_put: false,
            watched: false,
            retry_errors: false,
            cancelled: false,
            is_retriable: false,
            lineage: Lineage::None,
            lineage_pins: 0,
            failed_attempts: 0,
            parent: 0,
            payload: SmallBytes::new(),
            first: Object { value: Value::Pending, local_references: 0, uses: 0, detail: None },
            detail: None,
        }
    }

    pub(crate) fn stream(&self) -> Option<&Stream> {
        self.detail.as_ref()?.stream.as_deref()
    }

    pub(crate) fn stream_mut(&mut self) -> Option<&mut Stream> {
        self.detail.as_mut()?.stream.as_deref_mut()
    }

    pub(crate) fn object(&self, index: u32) -> Option<&Object> {
        match index {
            0 => Some(&self.first),
            _ => {
                let detail = self.detail.as_ref()?;
                match &detail.stream {
                    Some(stream) => stream.items.get(&index),
                    None => detail.more.get(index as usize - 1),
                }
            }
        }
    }

    pub(crate) fn object_mut(&mut self, index: u32) -> Option<&mut Object> {
        match index {
            0 => Some(&mut self.first),
            _ => {
                let detail = self.detail.as_mut()?;
                match &mut detail.stream {
                    Some(stream) => stream.items.get_mut(&index),
                    None => detail.more.get_mut(index as usize - 1),
                }
            }
        }
    }

    /// Whether its results are settled.
    pub(crate) fn is_over(&self) -> bool {
        matches!(self.phase, Phase::Done | Phase::Dropped)
    }

    /// Whether the object was freed while other results of its task live on, or while a kept task names it.
    pub(crate) fn is_freed(&self, index: u32) -> bool {
        self.phase == Phase::Done
            && !self.is_put
            && self.object(index).is_none_or(|object| !object.value.is_ready() && !object.is_lost())
    }

    /// Every object of the entry with its index.
    pub(crate) fn objects(&self) -> impl Iterator<Item = (u32, &Object)> {
        let more = self.detail.iter().flat_map(|detail| (1..).zip(&detail.more));
        let items =
            self.stream().into_iter().flat_map(|stream| stream.items.iter().map(|(index, item)| (*index, item)));
        std::iter::once((0, &self.first)).chain(more).chain(items)
    }

    /// As [`Entry::objects`], to be changed.
    pub(crate) fn objects_mut(&mut self) -> impl Iterator<Item = (u32, &mut Object)> {
        let (more, stream) = match self.detail.as_deref_mut() {
            Some(detail) => (&mut detail.more[..], detail.stream.as_deref_mut()),
            None => (&mut [][..], None),
        };
        let items = stream.into_iter().flat_map(|stream| stream.items.iter_mut().map(|(index, item)| (*index, item)));
        std::iter::once((0, &mut self.first)).chain((1..).zip(more)).chain(items)
    }

    /// How many results the entry has, or one for `put`. A task without results still has one place for its error, a stream one for its end.
    pub(crate) fn num_objects(&self) -> u32 {
        1 + self.detail.as_ref().map_or(0, |detail| detail.more.len() as u32)
    }
}
