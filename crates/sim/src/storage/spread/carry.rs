//! The bytes: at most one chunk of a fetch at a time, of the streams that have something.

use crate::storage::spread::node::{Fetch, ORIGIN, Stream, object};
use crate::storage::spread::world::{Held, STREAMS, World};
use trygon_store_core::{CHUNK_BYTES, Chunks, FetchOutcome, Outlook, SPAN_BYTES};

impl World {
    pub(super) fn carry(&mut self, number: u32) -> Held {
        let Some(node) = self.nodes.get_mut(&number) else { return Ok(()) };
        let Some(mut fetch) = node.fetch.take() else { return Ok(()) };
        let carried =
            if fetch.is_accepted && fetch.end.is_none() { self.carry_one(number, &mut fetch) } else { Ok(()) };
        if let Some(node) = self.nodes.get_mut(&number) {
            node.fetch = Some(fetch);
        }
        carried
    }

    fn carry_one(&mut self, number: u32, fetch: &mut Fetch) -> Held {
        let source = fetch.source.node;
        while fetch.streams.len() < STREAMS {
            let Some(span) = fetch.spans.pop() else { break };
            let Some(stream) = self.open(source, span) else {
                fetch.spans.push(span);
                fetch.end = Some(FetchOutcome::Gone);
                return Ok(());
            };
            fetch.streams.push(stream);
        }
        // What a sender has begun to read comes before another one says that there is no more.
        let reading = fetch.streams.iter().position(|stream| stream.is_reading);
        let first = reading.unwrap_or(self.random.below(fetch.streams.len() as u64) as usize);
        for index in 0..fetch.streams.len() {
            let index = (first + index) % fetch.streams.len();
            if self.carry_of(number, fetch, index)? {
                break;
            }
        }
        if fetch.end.is_none() && fetch.streams.is_empty() && fetch.spans.is_empty() {
            fetch.end = Some(FetchOutcome::Complete);
        }
        Ok(())
    }

    /// One span is asked for: the sender keeps what it has for it, if it has room.
    fn open(&mut self, source: u32, span: u64) -> Option<Stream> {
        let next_bytes = span * SPAN_BYTES;
        let mut stream = Stream { span, next_bytes, generation: 0, room: 0, send: None, is_reading: false };
        if source != ORIGIN {
            let node = self.nodes.get_mut(&source)?;
            let room = node.room.as_ref()?;
            (stream.room, stream.generation) = (room.number, room.chunks.generation(span));
            stream.send = Some(node.table.on_send_began(&object())?);
        }
        Some(stream)
    }

    /// What a sender says of the next chunk or of the whole span, and whether the bytes there are the object's.
    fn look(&self, source: u32, stream: &Stream, is_whole: bool) -> Result<(Outlook, bool), String> {
        if source == ORIGIN {
            return Ok((Outlook::Ready, true));
        }
        let found = self.nodes.get(&source).and_then(|node| node.room_of(stream.room));
        let Some((room, is_room)) = found else { return Ok((Outlook::Never, false)) };
        if stream.is_reading && !is_whole {
            return Ok((Outlook::Ready, false));
        }
        let outlook = if is_whole {
            room.chunks.look_verified(stream.span, stream.generation, self.now_ms)
        } else {
            room.chunks.look(stream.next_bytes, stream.generation, self.now_ms)
        };
        if !is_room && matches!(outlook, Outlook::Ready | Outlook::Coming) {
            return Err(format!("PULL-7: {source} sends from a room that was given up"));
        }
        let chunk = (stream.next_bytes / CHUNK_BYTES) as usize;
        Ok((outlook, room.is_right.get(chunk).copied().unwrap_or(false)))
    }

    /// False when the stream has to wait.
    fn carry_of(&mut self, number: u32, fetch: &mut Fetch, index: usize) -> Result<bool, String> {
        let source = fetch.source.node;
        let stream = &fetch.streams[index];
        let end_bytes = ((stream.span + 1) * SPAN_BYTES).min(self.size_bytes);
        let is_whole = stream.next_bytes >= end_bytes;
        let (outlook, is_right) = self.look(source, stream, is_whole)?;
        match outlook {
            Outlook::Coming => return Ok(false),
            Outlook::Never => fetch.end = Some(FetchOutcome::Gone),
            Outlook::Renewed => {
                let Stream { span, send, .. } = fetch.streams.remove(index);
                self.change(number, |chunks, _| chunks.fail(span));
                fetch.spans.push(span);
                self.end_send(source, send)?;
            }
            Outlook::Ready if is_whole => {
                let Stream { span, send, .. } = fetch.streams.remove(index);
                fetch.has_moved = true;
                self.change(number, |chunks, _| chunks.verify(span));
                self.end_send(source, send)?;
            }
            Outlook::Ready => {
                let out = self.budgets.get(&source).is_some_and(|(out, _)| *out > 0);
                let into = self.budgets.get(&number).is_some_and(|(_, into)| *into > 0);
                if out && into {
                    self.budgets.entry(source).and_modify(|budget| budget.0 -= 1);
                    self.budgets.entry(number).and_modify(|budget| budget.1 -= 1);
                    let (stream, now_ms) = (&mut fetch.streams[index], self.now_ms);
                    let start_bytes = stream.next_bytes;
                    stream.next_bytes += CHUNK_BYTES;
                    stream.is_reading = false;
                    self.change(number, |chunks, rights| {
                        chunks.note(start_bytes, now_ms);
                        if let Some(known) = rights.get_mut((start_bytes / CHUNK_BYTES) as usize) {
                            *known = is_right;
                        }
                    });
                }
            }
        }
        Ok(true)
    }

    fn change(&mut self, number: u32, change: impl FnOnce(&mut Chunks, &mut Vec<bool>)) {
        if let Some(room) = self.nodes.get_mut(&number).and_then(|node| node.room.as_mut()) {
            change(&mut room.chunks, &mut room.is_right);
        }
    }
}
