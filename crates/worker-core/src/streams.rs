//! Results that come one by one: the items of a generator.
//!
//! A stream is a task like any other whose object 0 stands for its end; item number `n` is its object `n + 1`, an object like any other as
//! soon as it is here. Only items that somebody holds take memory: those that the program has not taken are held by the stream, the others
//! by their references. An item's frame names its number, so that a second copy of it, or one of an earlier attempt, is known.

use crate::effect::{Effect, Outbox};
use crate::entry::{Entry, Object, Phase, Stream, Value, Waiter};
use crate::error_value::SystemError;
use crate::numbers::PeerIndex;
use crate::on_done::Returned;
use crate::state::{ActorState, Core};

/// `num_returns` of a task whose items are taken while it runs.
pub const STREAMING: u16 = u16::MAX;
/// `num_returns` of a task whose one result lists the references of its items.
pub const DYNAMIC: u16 = u16::MAX - 1;

/// Whether a task with this `num_returns` is a stream.
pub fn is_stream(num_returns: u16) -> bool {
    num_returns >= DYNAMIC
}

/// What an executor has to know of a stream before it begins: the first bytes of the task's payload.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct StreamHead {
    /// Most items that wait to be taken; 0 for no limit.
    pub limit: u32,
    /// Items that the program has taken.
    pub taken: u32,
    /// Items that the owner has from earlier attempts: they are made again, but not sent.
    pub skip: u32,
    /// Nobody wants items any more.
    pub is_stopped: bool,
}

impl StreamHead {
    const LEN: usize = 13;

    fn put(&self, out: &mut Vec<u8>) {
        for number in [self.limit, self.taken, self.skip] {
            out.extend_from_slice(&number.to_le_bytes());
        }
        out.push(u8::from(self.is_stopped));
    }

    /// Reads it from a payload; what is left are dependencies and arguments. `None` when the bytes are too few.
    pub fn split(payload: &[u8]) -> Option<(Self, &[u8])> {
        let (head, rest) = payload.split_at_checked(Self::LEN)?;
        let number = |at: usize| u32::from_le_bytes([head[at], head[at + 1], head[at + 2], head[at + 3]]);
        Some((Self { limit: number(0), taken: number(4), skip: number(8), is_stopped: head[12] != 0 }, rest))
    }
}

/// Which item came, of which attempt.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ItemKey {
    /// The task's slot.
    pub slot: u32,
    /// Its generation.
    pub generation: u32,
    /// Which attempt made it.
    pub attempt: u32,
    /// The item's number, from 0; for the end of a stream, how many there were.
    pub number: u32,
}

/// What the program gets when it asks for the next item.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NextItem {
    /// The object with this index. The program holds one reference to it now.
    Item(u32),
    /// Not there yet.
    Pending,
    /// There are no more.
    End,
}

impl Stream {
    pub(crate) fn new(num_returns: u16, limit: u32) -> Box<Self> {
        Box::new(Self {
            items: std::collections::BTreeMap::new(),
            received: 0,
            taken: 0,
            limit,
            total: None,
            resend_from: u32::MAX,
            has_ended: false,
            is_open: true,
            is_dynamic: num_returns == DYNAMIC,
            waiters: Vec::new(),
        })
    }

    pub(crate) fn put_head(&self, skip_forgotten: bool, out: &mut Vec<u8>) {
        // Nothing is taken of a dynamic stream before its end, or of one that was dropped: a limit would never be lifted.
        let limit = if self.is_dynamic || !self.is_open { 0 } else { self.limit };
        let skip = if skip_forgotten { 0 } else { self.received.min(self.resend_from) };
        StreamHead { limit, taken: self.taken, skip, is_stopped: false }.put(out);
    }

    /// Indices of the objects that the stream itself holds.
    fn untaken(&self) -> std::ops::RangeInclusive<u32> {
        self.taken + 1..=self.received
    }
}

impl Core {
    /// An item came. OWN-7: one of another attempt changes nothing but what it brought.
    pub fn on_stream_item<O: Outbox>(&mut self, key: &ItemKey, returned: Returned, outbox: &mut O) {
        let is_replaying = self.is_replaying;
        let Some(stream) = self.running_stream(key) else {
            if !is_replaying {
                self.refuse_item(key, returned);
            }
            return;
        };
        if key.number < stream.received.min(stream.resend_from) {
            // The dead worker's recorder kept a frame that had arrived: what it brought is counted already.
            return;
        }
        if key.number < stream.received || stream.has_ended {
            return self.on_item_again(key, returned, outbox);
        }
        stream.received = key.number + 1;
        if !stream.is_open {
            stream.taken = stream.received;
            return self.refuse_item(key, returned);
        }
        self.add_item(key.slot, key.number + 1, returned);
        self.tell_stream(key.slot, outbox);
    }

    /// The attempt has made all its items; its reply follows.
    pub fn on_stream_end(&mut self, key: &ItemKey) {
        if let Some(stream) = self.running_stream(key) {
            stream.total = Some(key.number);
        }
    }

    fn running_stream(&mut self, key: &ItemKey) -> Option<&mut Stream> {
        let entry = self.table.get_mut(key.slot, key.generation)?;
        let is_current = entry.phase == Phase::Pushed && entry.attempt == key.attempt;
        entry.stream_mut().filter(|_| is_current)
    }

    fn refuse_item(&mut self, key: &ItemKey, returned: Returned) {
        if let Value::Stored(location) = returned.value {
            let object = self.task_id(key.slot, key.generation).object(key.number + 1);
            self.effects.push(Effect::FreeStored { object, location });
        }
        for inner in &returned.contained {
            self.receive_lent(inner);
            self.settle(inner);
        }
    }

    fn add_item(&mut self, slot: u32, index: u32, mut returned: Returned) {
        if let Value::Inline(bytes) = &returned.value {
            self.inline_bytes += bytes.heap_bytes();
        }
        self.hold_contained(&mut returned.contained);
        let mut object = Object { value: returned.value, local_references: 1, ..Object::default() };
        if !returned.contained.is_empty() {
            object.detail_mut().contained = returned.contained;
        }
        if let Some(stream) = self.table.at_mut(slot).stream_mut() {
            stream.items.insert(index, object);
        }
    }

    /// Wakes whoever waits for the next item or the end.
    fn tell_stream<O: Outbox>(&mut self, slot: u32, outbox: &mut O) {
        let entry = self.table.at_mut(slot);
        self.watched_completions += u64::from(std::mem::take(&mut entry.watched));
        let generation = entry.generation;
        let Some(stream) = entry.stream_mut() else { return };
        if !stream.waiters.is_empty() {
            let waiters = std::mem::take(&mut stream.waiters);
            let object = self.object_id(slot, generation, 0);
            self.wake(object, waiters, outbox);
        }
    }

    /// Takes the next item, if it is there. While it is not, its coming is counted in [`Core::watched_completions`].
    pub fn take_item(&mut self, slot: u32, generation: u32) -> NextItem {
        let Some(entry) = self.table.get_mut(slot, generation) else { return NextItem::End };
        let is_done = entry.is_over();
        let Some(stream) = entry.stream_mut() else { return NextItem::End };
        if stream.taken == stream.received {
            if is_done {
                return NextItem::End;
            }
            entry.watched = true;
            return NextItem::Pending;
        }
        stream.taken += 1;
        let (taken, has_limit) = (stream.taken, stream.limit > 0);
        if has_limit && !is_done {
            self.send_credit(slot);
        }
        NextItem::Item(taken)
    }

    /// Whether the next item, or the end, is there.
    pub fn watch_stream(&mut self, slot: u32, generation: u32) -> bool {
        let Some(entry) = self.table.get_mut(slot, generation) else { return true };
        let is_done = entry.is_over();
        let Some(stream) = entry.stream() else { return true };
        let is_ready = is_done || stream.taken < stream.received;
        entry.watched |= !is_ready;
        is_ready
    }

    /// Items that wait to be taken, and whether there will be no others.
    pub fn stream_state(&self, slot: u32, generation: u32) -> (u32, bool) {
        let Some(entry) = self.table.get(slot, generation) else { return (0, true) };
        let waiting = entry.stream().map_or(0, |stream| stream.received - stream.taken);
        (waiting, entry.is_over())
    }

    /// Registers who is to be told when the next item or the end is there. False when it is there already.
    pub fn add_stream_waiter(&mut self, slot: u32, generation: u32, waiter: Waiter) -> bool {
        if self.watch_stream(slot, generation) {
            return false;
        }
        let stream = self.table.get_mut(slot, generation).and_then(Entry::stream_mut);
        stream.map(|stream| stream.waiters.push(waiter)).is_some()
    }

    /// The generator is gone: items that were not taken are dropped, and those to come are too. The task goes on to its end, for what it
    /// does beside its items may be why it was called; nothing holds it back any more. `cancel` ends it earlier.
    pub fn close_stream(&mut self, slot: u32, generation: u32) {
        self.release_untaken(slot, generation);
        self.send_credit(slot);
        self.release_local(slot, generation, 0);
    }

    fn release_untaken(&mut self, slot: u32, generation: u32) {
        let Some(stream) = self.table.get_mut(slot, generation).and_then(Entry::stream_mut) else { return };
        let untaken = stream.untaken();
        stream.is_open = false;
        stream.taken = stream.received;
        if self.defects.untaken_leaked {
            return;
        }
        for index in untaken {
            if let Some(object) = self.table.at_mut(slot).object_mut(index) {
                object.local_references -= 1;
                self.collect_item(slot, index);
            }
        }
    }

    /// Tells the executor how many items were taken: as many as there may be, when nobody takes them. One that has not begun reads it in the
    /// task itself.
    fn send_credit(&mut self, slot: u32) {
        let Some(peer) = self.executor_of(slot) else { return };
        let entry = self.table.at(slot);
        let Some(stream) = entry.stream() else { return };
        let taken = if stream.is_open { stream.taken } else { u32::MAX };
        let (generation, attempt) = (entry.generation, entry.attempt);
        self.effects.push(Effect::StreamCredit { peer, slot, generation, attempt, taken });
    }

    pub(crate) fn executor_of(&self, slot: u32) -> Option<PeerIndex> {
        let entry = self.table.at(slot);
        if entry.phase != Phase::Pushed {
            return None;
        }
        match self.functions[entry.function.0].actor {
            None => Some(self.leases[entry.lease as usize].peer),
            Some(actor) => match self.actors[actor.0].state {
                ActorState::Alive { peer, .. } => Some(peer),
                _ => None,
            },
        }
    }

    /// The error of a replay that made fewer items than the program was already given.
    pub(crate) fn replay_error(&mut self, slot: u32, raised: bool) -> Option<Box<[u8]>> {
        let entry = self.table.at_mut(slot);
        let (generation, function) = (entry.generation, entry.function);
        let stream = entry.stream_mut()?;
        let (received, total) = (stream.received, stream.total.take()?);
        if raised || !stream.is_open || total >= received {
            return None;
        }
        let name = &self.functions[function.0].name;
        let message = format!(
            "the generator {name} was run again and made {total} items, but an earlier attempt had made {received}: a generator that is \
             retried must make the same items every time"
        );
        let error = SystemError::new("replay_inconsistent").with("name", name).with("message", message);
        Some(error.with("task_id", self.task_id(slot, generation).hex()).encode())
    }

    /// The task is done: its error is the last item, and a dynamic task's list holds the items from now on.
    pub(crate) fn end_stream<O: Outbox>(&mut self, slot: u32, raised: Option<Box<[u8]>>, outbox: &mut O) {
        let entry = self.table.at_mut(slot);
        let generation = entry.generation;
        let Some(stream) = entry.stream_mut() else { return };
        let had_ended = std::mem::replace(&mut stream.has_ended, true);
        if had_ended {
            return;
        }
        if stream.is_dynamic {
            self.release_untaken(slot, generation);
        } else if let Some(error) = raised
            && stream.is_open
        {
            stream.received += 1;
            let index = stream.received;
            self.add_item(slot, index, Returned { value: Value::Error(error), contained: Vec::new() });
        }
        self.tell_stream(slot, outbox);
    }

    /// Frees an item that nobody refers to. The others of its stream stay as they are.
    pub(crate) fn collect_item(&mut self, slot: u32, index: u32) {
        let Some(stream) = self.table.at_mut(slot).stream_mut() else { return };
        if stream.items.get(&index).is_none_or(Object::is_held) {
            return;
        }
        let entry = self.table.at(slot);
        if entry.object(index).is_none_or(|item| entry.is_pinned(item)) {
            return;
        }
        let Some(stream) = self.table.at_mut(slot).stream_mut() else { return };
        let Some(object) = stream.items.remove(&index) else { return };
        self.drop_value(slot, index, &object.value);
        if stream_is_empty(self.table.at(slot)) {
            self.collect(slot);
        }
        for inner in object.detail.map(|detail| detail.contained).unwrap_or_default() {
            self.release_use(&inner);
        }
    }
}

fn stream_is_empty(entry: &Entry) -> bool {
    entry.stream().is_none_or(|stream| stream.items.is_empty())
}
