//! All nodes, step by step: who asks whom, what comes, and what becomes of it.

use crate::random::Random;
use crate::storage::planted::{Counts, Planted};
use crate::storage::spread::node::{Fetch, Node, ORIGIN, Room, location, object, worker};
use std::collections::BTreeMap;
use trygon_store_core::{
    CHUNK_BYTES, Chunks, Decision, FetchEnd, FetchOutcome, Priority, PullEffect, PullLimits, PullRequest, PullTable,
    ServeTable, Source,
};

/// A chunk of 1 MiB at 84 Mbit/s.
pub(super) const STEP_MS: u64 = 100;
pub(super) const RETRY_MS: u64 = 1_000;
pub(super) const GIVE_UP_MS: u64 = 60_000;
/// Connections of one fetch.
pub(super) const STREAMS: usize = 4;

/// Nothing, or what is broken.
pub(super) type Held = Result<(), String>;

pub(super) struct World {
    pub(super) size_bytes: u64,
    pub(super) now_ms: u64,
    pub(super) nodes: BTreeMap<u32, Node>,
    pub(super) serves: ServeTable,
    pub(super) random: Random,
    planted: Planted,
    /// What this step may still carry, out and in.
    pub(super) budgets: BTreeMap<u32, (u32, u32)>,
    next_room: u64,
    pub(super) counts: Counts,
}

impl World {
    pub(super) fn new(receivers: u32, chunks: u64, random: Random, planted: Planted) -> Self {
        let mut serves = ServeTable::default();
        serves.set_defects(planted.serve);
        let mut world = Self {
            // The last chunk is mostly not a whole one.
            size_bytes: chunks * CHUNK_BYTES - 5 * (chunks % 3),
            now_ms: 1,
            nodes: BTreeMap::new(),
            serves,
            random,
            planted,
            budgets: BTreeMap::new(),
            next_room: 1,
            counts: Counts { objects: u64::from(receivers), ..Counts::default() },
        };
        for number in ORIGIN + 1..=ORIGIN + receivers {
            let limits = PullLimits { budget_bytes: u64::MAX, retry_ms: RETRY_MS, give_up_ms: GIVE_UP_MS };
            let mut table = PullTable::new(limits);
            table.set_defects(planted.pulls);
            let starts_ms = if world.random.percent(50) { 0 } else { world.random.below(30_000) };
            world.nodes.insert(number, Node::new(table, starts_ms));
        }
        world
    }

    pub(super) fn shuffled(&mut self) -> Vec<u32> {
        let mut numbers: Vec<u32> = self.nodes.keys().copied().collect();
        for index in (1..numbers.len()).rev() {
            let other = self.random.below(index as u64 + 1) as usize;
            numbers.swap(index, other);
        }
        numbers
    }

    /// One step of everybody.
    pub(super) fn step(&mut self) -> Held {
        self.now_ms += STEP_MS;
        self.counts.events += 1;
        self.budgets = BTreeMap::from([(ORIGIN, (1, 0))]);
        for (number, node) in &self.nodes {
            // Links are not equally quick at all times: parts wait to be sent on.
            let (out, into) = (self.random.below(3) as u32, self.random.below(3) as u32);
            self.budgets.insert(*number, (out, if node.is_deaf { 0 } else { into }));
        }
        for number in self.shuffled() {
            let mut effects = Vec::new();
            let (now_ms, size_bytes) = (self.now_ms, self.size_bytes);
            let Some(node) = self.nodes.get_mut(&number) else { continue };
            if node.starts_ms <= now_ms {
                node.starts_ms = u64::MAX;
                let location = location(ORIGIN, size_bytes);
                let (from, priority) = (worker(), Priority::Get);
                let request = PullRequest { from, object: object(), node: ORIGIN, location, priority };
                node.table.on_pull(&request, &mut effects);
            }
            node.table.on_tick(now_ms, &mut effects);
            self.carry_out(number, effects)?;
            self.begin(number);
        }
        for _ in 0..STREAMS {
            for number in self.shuffled() {
                self.carry(number)?;
            }
        }
        for number in self.shuffled() {
            self.finish(number)?;
        }
        self.serves.sanity_check()?;
        self.check_no_circle()
    }

    /// PULL-8, of what really happens.
    fn check_no_circle(&self) -> Held {
        let source = |number: &u32| {
            let fetch = self.nodes.get(number)?.fetch.as_ref().filter(|fetch| fetch.is_accepted)?;
            Some(fetch.source.node).filter(|node| *node != ORIGIN)
        };
        for number in self.nodes.keys() {
            let (mut at, mut steps) = (*number, 0);
            while let Some(next) = source(&at) {
                if next == *number || steps > self.nodes.len() {
                    return Err(format!("PULL-8: {number} waits for itself"));
                }
                (at, steps) = (next, steps + 1);
            }
        }
        Ok(())
    }

    pub(super) fn carry_out(&mut self, number: u32, effects: Vec<PullEffect>) -> Held {
        let mut next = effects;
        while !next.is_empty() {
            let mut new = Vec::new();
            for effect in next {
                self.carry_out_one(number, effect, &mut new)?;
            }
            if let Some(node) = self.nodes.get(&number) {
                node.table.sanity_check()?;
            }
            next = new;
        }
        Ok(())
    }

    fn carry_out_one(&mut self, number: u32, effect: PullEffect, new: &mut Vec<PullEffect>) -> Held {
        let (now_ms, chunk_defects) = (self.now_ms, self.planted.chunks);
        let Some(node) = self.nodes.get_mut(&number) else { return Ok(()) };
        match effect {
            PullEffect::Reserve { object, size_bytes } => {
                let mut chunks = Chunks::new(size_bytes, now_ms);
                chunks.set_defects(chunk_defects);
                let is_right = vec![false; size_bytes.div_ceil(CHUNK_BYTES) as usize];
                node.room = Some(Room { number: self.next_room, chunks, is_right });
                self.next_room += 1;
                node.table.on_space(&object, true, new);
            }
            PullEffect::Fetch { attempt, source, .. } => {
                let Some(room) = &node.room else { return Err(format!("PULL-4: {number} fetches into no room")) };
                let mut spans = room.chunks.missing_spans();
                spans.reverse();
                let (is_accepted, has_moved, end) = (false, false, None);
                node.fetch = Some(Fetch { attempt, source, spans, streams: Vec::new(), is_accepted, has_moved, end });
                self.counts.fetches += 1;
            }
            PullEffect::Stop { attempt, .. } => {
                if let Some(fetch) = node.fetch.as_mut().filter(|fetch| fetch.attempt == attempt) {
                    fetch.end = Some(FetchOutcome::Stopped);
                }
            }
            PullEffect::Seal { .. } => {
                let Some(room) = &mut node.room else { return Err(format!("PULL-4: {number} seals no room")) };
                room.chunks.end(true);
                if let Some(chunk) = room.is_right.iter().position(|is_right| !is_right) {
                    return Err(format!("PULL-6: chunk {chunk} of the copy of {number} is not the object's"));
                }
                self.counts.copies += 1;
            }
            PullEffect::Free { .. } => self.give_up_room(number),
            PullEffect::Answer { result, .. } => node.result = Some(result),
        }
        Ok(())
    }

    /// The memory of a room is another's from now on. Who had just looked there reads what is not the object's.
    fn give_up_room(&mut self, number: u32) {
        let Some(mut room) = self.nodes.get_mut(&number).and_then(|node| node.room.take()) else { return };
        let fetches = self.nodes.values_mut().filter_map(|node| node.fetch.as_mut());
        let streams = fetches.filter(|fetch| fetch.source.node == number).flat_map(|fetch| &mut fetch.streams);
        for stream in streams.filter(|stream| stream.room == room.number) {
            let is_ready = room.chunks.look(stream.next_bytes, stream.generation, self.now_ms);
            stream.is_reading = is_ready == trygon_store_core::Outlook::Ready;
        }
        room.chunks.end(false);
        room.is_right.fill(false);
        if let Some(node) = self.nodes.get_mut(&number) {
            node.given_up.push(room);
        }
    }

    /// A fetch that has begun asks its source.
    fn begin(&mut self, number: u32) {
        let Some(node) = self.nodes.get(&number) else { return };
        let Some(fetch) = node.fetch.as_ref().filter(|fetch| !fetch.is_accepted && fetch.end.is_none()) else { return };
        let source = fetch.source;
        let (is_direct, failed_node) = (source.is_direct, source.failed_node);
        let asker = Source { node: number, location: location(number, self.size_bytes), is_direct, failed_node };
        let end = if source.node == ORIGIN {
            match self.serves.on_asked(object(), asker, self.now_ms) {
                Decision::Serve => None,
                Decision::Redirect(named) => Some(FetchOutcome::Redirect(named)),
            }
        } else {
            match self.nodes.get(&source.node) {
                None => Some(FetchOutcome::Unreachable),
                Some(other) if other.room.is_none() => Some(FetchOutcome::Gone),
                Some(_) => None,
            }
        };
        if let Some(fetch) = self.nodes.get_mut(&number).and_then(|node| node.fetch.as_mut()) {
            fetch.end = end;
            fetch.is_accepted = end.is_none();
        }
    }

    /// A fetch that has ended reports it.
    fn finish(&mut self, number: u32) -> Held {
        let Some(node) = self.nodes.get_mut(&number) else { return Ok(()) };
        let Some(fetch) = node.fetch.take_if(|fetch| fetch.end.is_some()) else { return Ok(()) };
        if let Some(room) = &mut node.room {
            fetch.streams.iter().for_each(|stream| room.chunks.fail(stream.span));
        }
        if fetch.source.node == ORIGIN && fetch.is_accepted {
            self.serves.on_ended(&object(), number, self.now_ms);
        }
        for stream in &fetch.streams {
            self.end_send(fetch.source.node, stream.send)?;
        }
        let Some(outcome) = fetch.end else { return Ok(()) };
        let end = FetchEnd { attempt: fetch.attempt, outcome, has_moved: fetch.has_moved };
        let mut effects = Vec::new();
        if let Some(node) = self.nodes.get_mut(&number) {
            node.table.on_fetched(&object(), end, self.now_ms, &mut effects);
        }
        self.carry_out(number, effects)
    }

    /// The sender hears that a transfer has ended.
    pub(super) fn end_send(&mut self, source: u32, send: Option<u64>) -> Held {
        let Some((node, number)) = self.nodes.get_mut(&source).zip(send) else { return Ok(()) };
        let mut effects = Vec::new();
        node.table.on_send_ended(&object(), number, &mut effects);
        self.carry_out(source, effects)
    }
}
