//! Generators that run here: their items on the way to their owners, and the owners' leave to make more.

use crate::completions::CompletionQueue;
use crate::credit::{Credit, Running, StreamKey};
use crate::engine::Engine;
use crate::reply::{ReturnedValue, parse_returns, put_return};
use crate::runtime::Runtime;
use crate::wait::Patience;
use crate::work::Call;
use trygon_wire::{FrameError, Header, stream};
use trygon_worker_core::{ItemKey, PeerIndex, StreamHead, is_stream};

impl Runtime {
    /// Sends one item; `now`: without waiting for more. True when what was sent has to be written before more is
    /// ([`Engine::items_are_written`] says when), and what the owner last said.
    pub fn send_item(&self, key: &StreamKey, number: u32, item: &ReturnedValue<'_>, now: bool) -> (bool, Credit) {
        let mut engine = self.lock();
        let is_full = engine.send_item(key, number, item);
        if is_full || now {
            engine.settle_and_flush();
        }
        let waits = is_full && !engine.items_are_written();
        let credit = engine.credit_of(key);
        drop(engine);
        if !now {
            self.ensure_ticking();
        }
        (waits, credit)
    }

    /// The generator has ended by itself; its reply follows.
    pub fn send_stream_end(&self, key: &StreamKey, total: u32) {
        let is_full = self.lock().send_frame(key, stream::ITEM_END, total, None);
        if is_full {
            self.wait_through(&Patience::for_ever(), |engine| engine.items_are_written() || engine.is_closed());
        }
    }

    /// What the owner last said. A generator that nobody knows any more is to stop: its owner is gone.
    pub fn credit_of(&self, key: &StreamKey) -> Credit {
        self.lock().credit_of(key)
    }
}

impl Runtime {
    /// Puts `token` into the queue when the owner says something new of a generator that had made this many items; at once when one more
    /// may be made.
    pub fn complete_with_credit(&self, queue: &CompletionQueue, key: &StreamKey, made: u32, token: u64) {
        let mut engine = self.lock();
        engine.awaited_tokens += 1;
        let has_room = engine.credit_of(key).has_room(made);
        match engine.streams.get_mut(key).filter(|_| !has_room) {
            Some(running) => running.waiter = Some((queue.number(), token)),
            None => engine.push_token(queue.number(), token),
        }
        engine.settle_and_flush();
        drop(engine);
        self.ensure_ticking();
    }
}

impl Engine {
    /// What the owner last said of a generator.
    pub fn credit_of(&self, key: &StreamKey) -> Credit {
        let gone = Credit { limit: 0, taken: 0, skip: 0, is_stopped: true };
        if self.is_closed() { gone } else { self.streams.get(key).map_or(gone, |running| running.credit) }
    }

    /// Whether the flight recorder has room again: every frame in it was written.
    pub fn items_are_written(&self) -> bool {
        self.links.replies_are_written()
    }

    /// A task came. If it is a generator, the rest of its payload follows the head that is noted here.
    pub(crate) fn note_stream<'a>(
        &mut self,
        peer: PeerIndex,
        push: &trygon_wire::task::Push,
        payload: &'a [u8],
    ) -> Result<&'a [u8], FrameError> {
        if !is_stream(push.num_returns) {
            return Ok(payload);
        }
        let (head, rest) = StreamHead::split(payload).ok_or(FrameError::Malformed("generator without its head"))?;
        let StreamHead { limit, taken, skip, is_stopped } = head;
        let key = StreamKey { peer, slot: push.slot, generation: push.generation, attempt: push.attempt };
        let credit = Credit { limit, taken, skip, is_stopped };
        self.streams.insert(key, Running { credit, waiter: None });
        Ok(rest)
    }

    /// The generator was replied to, or given back.
    pub(crate) fn forget_stream(&mut self, call: &Call) {
        if !is_stream(call.push.num_returns) {
            return;
        }
        // One that was cancelled while it waited for leave to go on: whoever waited lets go of what it holds.
        if let Some((queue, token)) = self.streams.remove(&StreamKey::of(call)).and_then(|running| running.waiter) {
            self.push_token(queue, token);
        }
    }

    /// The generator was cancelled before it began.
    pub(crate) fn drop_stream(&mut self, peer: PeerIndex, key: &trygon_wire::peer::TaskKey) {
        let trygon_wire::peer::TaskKey { slot, generation, attempt } = *key;
        self.streams.remove(&StreamKey { peer, slot, generation, attempt });
    }

    /// The owner is gone: what still runs for it stops.
    pub(crate) fn forget_streams_of(&mut self, peer: PeerIndex) {
        let of_peer: Vec<StreamKey> = self.streams.keys().filter(|key| key.peer == peer).copied().collect();
        for key in of_peer {
            if let Some((queue, token)) = self.streams.remove(&key).and_then(|running| running.waiter) {
                self.push_token(queue, token);
            }
        }
    }

    fn send_item(&mut self, key: &StreamKey, number: u32, item: &ReturnedValue<'_>) -> bool {
        let owner = self.links.peer(key.peer).worker;
        if let ReturnedValue::Inline(_, contained) | ReturnedValue::Stored(_, contained) = item {
            for inner in *contained {
                self.core.lend(inner, owner);
            }
        }
        if self.core.has_effects() {
            self.perform();
        }
        self.send_frame(key, 0, number, Some(item))
    }

    /// Appends a frame. True when the recorder is full, or enough waits to be written.
    fn send_frame(&mut self, key: &StreamKey, flags: u8, number: u32, item: Option<&ReturnedValue<'_>>) -> bool {
        const HEAD_BYTES: usize = Header::LEN + stream::Stream::LEN;
        if !self.links.peer(key.peer).is_open() {
            return false;
        }
        let out = self.links.peer(key.peer).out.bytes_mut();
        let start = out.len();
        out.extend_from_slice(&[0; HEAD_BYTES]);
        if let Some(item) = item {
            put_return(item, out);
        }
        let frame_len = out.len() - start;
        let head = key.frame(number).item_head(flags, frame_len - HEAD_BYTES);
        out[start..start + HEAD_BYTES].copy_from_slice(&head);
        self.activity += 1;
        let is_full = self.stage_last(key.peer, frame_len);
        self.links.mark_dirty(key.peer);
        is_full
    }

    /// An item, or the end, of a stream that this process owns.
    pub(crate) fn on_stream_item(&mut self, flags: u8, body: &[u8]) -> Result<(), FrameError> {
        let (frame, rest) = stream::Stream::parse(body)?;
        let stream::Stream { slot, generation, attempt, number } = frame;
        let key = ItemKey { slot, generation, attempt, number };
        if flags & stream::ITEM_END != 0 {
            self.core.on_stream_end(&key);
            return Ok(());
        }
        let mut returned = std::mem::take(&mut self.returned);
        let parsed = parse_returns(rest, 1, false, &mut returned).is_some();
        if let Some(item) = returned.pop().filter(|_| parsed) {
            self.core.on_stream_item(&key, item, &mut self.links);
        }
        returned.clear();
        self.returned = returned;
        if parsed { Ok(()) } else { Err(FrameError::Malformed("item")) }
    }

    /// The owner of a stream that is made here took items, or wants no more.
    pub(crate) fn on_stream_credit(&mut self, peer: PeerIndex, flags: u8, body: &[u8]) -> Result<(), FrameError> {
        let (frame, _) = stream::Stream::parse(body)?;
        let stream::Stream { slot, generation, attempt, number } = frame;
        if let Some(running) = self.streams.get_mut(&StreamKey { peer, slot, generation, attempt }) {
            running.credit.taken = running.credit.taken.max(number);
            running.credit.is_stopped |= flags & stream::CREDIT_STOP != 0;
            if let Some((queue, token)) = running.waiter.take() {
                self.push_token(queue, token);
            }
        }
        Ok(())
    }
}
