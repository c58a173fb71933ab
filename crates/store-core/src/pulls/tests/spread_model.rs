//! One object on its way to many receivers, each with the tables of a real node, over links that carry one chunk a step each way.

use super::env::{GIVE_UP_MS, RETRY_MS, object, on, worker};
use crate::pulls::chunks::{CHUNK_BYTES, Chunks, Outlook, SPAN_BYTES};
use crate::pulls::serve::{Decision, ServeTable};
use crate::pulls::state::{
    FetchEnd, FetchOutcome, Priority, PullEffect, PullFailure, PullLimits, PullRequest, PullTable, Source,
};
use std::collections::BTreeMap;

pub(super) const ORIGIN: u32 = 1;
/// A chunk of 1 MiB at 84 Mbit/s.
pub(super) const STEP_MS: u64 = 100;
const STREAMS: usize = 4;

/// A small generator of numbers: the same for the same seed.
pub(super) struct Chance(pub(super) u64);

impl Chance {
    pub(super) fn below(&mut self, limit: usize) -> usize {
        self.0 = self.0.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ((self.0 >> 33) as usize) % limit.max(1)
    }
}

struct Stream {
    span: u64,
    next_bytes: u64,
    /// Of the sender's span, when it began.
    generation: u32,
}

struct Fetch {
    attempt: u64,
    source: Source,
    spans: Vec<u64>,
    streams: Vec<Stream>,
    is_accepted: bool,
    has_moved: bool,
    end: Option<FetchOutcome>,
}

pub(super) struct Node {
    table: PullTable,
    room: Option<Chunks>,
    is_sealed: bool,
    fetch: Option<Fetch>,
    /// When it began to want the object.
    pub(super) starts_ms: u64,
    pub(super) result: Option<Result<(), PullFailure>>,
    /// It sends and receives nothing.
    pub(super) is_frozen: bool,
    /// Chunks whose bytes came, those that came again included.
    pub(super) received: u64,
}

pub(super) struct World {
    pub(super) size_bytes: u64,
    pub(super) now_ms: u64,
    pub(super) nodes: BTreeMap<u32, Node>,
    pub(super) serves: ServeTable,
    /// Chunks that the origin sent.
    pub(super) sent: u64,
    pub(super) chance: Chance,
    /// What this step may still carry, out and in.
    budgets: BTreeMap<u32, (u32, u32)>,
}

impl World {
    pub(super) fn new(num_receivers: u32, num_chunks: u64, seed: u64) -> Self {
        let limits = PullLimits { budget_bytes: u64::MAX, retry_ms: RETRY_MS, give_up_ms: GIVE_UP_MS };
        let node = || Node {
            table: PullTable::new(limits),
            room: None,
            is_sealed: false,
            fetch: None,
            starts_ms: 0,
            result: None,
            is_frozen: false,
            received: 0,
        };
        Self {
            size_bytes: num_chunks * CHUNK_BYTES,
            now_ms: 1,
            nodes: (ORIGIN + 1..=ORIGIN + num_receivers).map(|number| (number, node())).collect(),
            serves: ServeTable::default(),
            sent: 0,
            chance: Chance(seed),
            budgets: BTreeMap::new(),
        }
    }

    pub(super) fn is_done(&self) -> bool {
        self.nodes.values().all(|node| node.result.is_some() || node.is_frozen)
    }

    pub(super) fn running(&self) -> Vec<u32> {
        self.nodes.iter().filter(|(_, node)| node.fetch.is_some()).map(|(number, _)| *number).collect()
    }

    pub(super) fn fetching_from(&self, source: u32) -> Vec<u32> {
        self.nodes.keys().copied().filter(|number| self.source(*number) == Some(source)).collect()
    }

    /// Whom a node fetches from.
    fn source(&self, number: u32) -> Option<u32> {
        self.nodes.get(&number)?.fetch.as_ref().filter(|fetch| fetch.is_accepted).map(|fetch| fetch.source.node)
    }

    /// PULL-8, of what really happens.
    fn assert_no_circle(&self) {
        for number in self.nodes.keys() {
            let (mut at, mut steps) = (*number, 0);
            while let Some(next) = self.source(at).filter(|next| *next != ORIGIN) {
                assert!(next != *number && steps < 1_000, "PULL-8: {number} waits for itself");
                (at, steps) = (next, steps + 1);
            }
        }
    }

    fn shuffled(&mut self) -> Vec<u32> {
        let mut numbers: Vec<u32> = self.nodes.keys().copied().collect();
        for index in (1..numbers.len()).rev() {
            numbers.swap(index, self.chance.below(index + 1));
        }
        numbers
    }

    /// One step of everybody.
    pub(super) fn step(&mut self) {
        self.now_ms += STEP_MS;
        self.budgets = self.nodes.keys().map(|number| (*number, (1, 1))).collect();
        self.budgets.insert(ORIGIN, (1, 1));
        let now_ms = self.now_ms;
        for number in self.shuffled() {
            let Some(node) = self.nodes.get_mut(&number).filter(|node| !node.is_frozen) else { continue };
            let mut effects = Vec::new();
            if node.starts_ms <= now_ms {
                node.starts_ms = u64::MAX;
                let location = on(ORIGIN, self.size_bytes);
                let (from, priority) = (worker(1), Priority::Get);
                let request = PullRequest { from, object: object(1), node: ORIGIN, location, priority };
                node.table.on_pull(&request, &mut effects);
            }
            node.table.on_tick(now_ms, &mut effects);
            self.carry_out(number, effects);
            self.begin(number);
        }
        for _ in 0..STREAMS {
            for number in self.shuffled() {
                self.carry(number);
            }
        }
        for number in self.shuffled() {
            self.finish(number);
        }
        self.serves.sanity_check().expect("the forest is one");
        self.assert_no_circle();
    }

    fn carry_out(&mut self, number: u32, effects: Vec<PullEffect>) {
        let now_ms = self.now_ms;
        let mut next = effects;
        while !next.is_empty() {
            let Some(node) = self.nodes.get_mut(&number) else { return };
            let mut new = Vec::new();
            for effect in next {
                match effect {
                    PullEffect::Reserve { object, size_bytes } => {
                        node.room = Some(Chunks::new(size_bytes, now_ms));
                        node.table.on_space(&object, true, &mut new);
                    }
                    PullEffect::Fetch { attempt, source, .. } => {
                        let mut spans = node.room.as_ref().expect("PULL-4: a fetch has room").missing_spans();
                        spans.reverse();
                        let streams = Vec::new();
                        let (is_accepted, has_moved, end) = (false, false, None);
                        node.fetch = Some(Fetch { attempt, source, spans, streams, is_accepted, has_moved, end });
                    }
                    PullEffect::Stop { attempt, .. } => {
                        let running = node.fetch.as_mut().filter(|fetch| fetch.attempt == attempt);
                        running.expect("what is stopped runs").end = Some(FetchOutcome::Stopped);
                    }
                    PullEffect::Seal { .. } => node.is_sealed = true,
                    PullEffect::Free { .. } => {
                        node.room = None;
                        node.is_sealed = false;
                    }
                    PullEffect::Answer { result, .. } => node.result = Some(result),
                }
            }
            node.table.sanity_check().expect("the invariants hold");
            next = new;
        }
    }

    /// A fetch that has begun asks its source.
    fn begin(&mut self, number: u32) {
        let Some(node) = self.nodes.get(&number) else { return };
        let Some(fetch) = node.fetch.as_ref().filter(|fetch| !fetch.is_accepted && fetch.end.is_none()) else { return };
        let source = fetch.source;
        let asker = Source {
            node: number,
            location: on(number, self.size_bytes),
            is_direct: source.is_direct,
            failed_node: source.failed_node,
        };
        let end = if source.node == ORIGIN {
            match self.serves.on_asked(object(1), asker, self.now_ms) {
                Decision::Serve => None,
                Decision::Redirect(named) => Some(FetchOutcome::Redirect(named)),
            }
        } else {
            match self.nodes.get(&source.node) {
                None => Some(FetchOutcome::Unreachable),
                Some(other) if other.is_frozen => Some(FetchOutcome::Unreachable),
                Some(other) if other.room.is_none() => Some(FetchOutcome::Gone),
                Some(_) => None,
            }
        };
        let fetch = self.nodes.get_mut(&number).and_then(|node| node.fetch.as_mut()).expect("it runs");
        fetch.end = end;
        fetch.is_accepted = end.is_none();
    }

    /// What a sender says of a chunk or a whole span.
    fn look(&self, source: u32, stream: &Stream, is_whole: bool) -> Outlook {
        if source == ORIGIN {
            return Outlook::Ready;
        }
        let Some(room) = self.nodes.get(&source).and_then(|node| node.room.as_ref()) else { return Outlook::Never };
        if is_whole {
            room.look_verified(stream.span, stream.generation, self.now_ms)
        } else {
            room.look(stream.next_bytes, stream.generation, self.now_ms)
        }
    }

    /// At most one chunk of a fetch.
    fn carry(&mut self, number: u32) {
        let Some(node) = self.nodes.get_mut(&number) else { return };
        let Some(mut fetch) = node.fetch.take() else { return };
        if fetch.is_accepted && fetch.end.is_none() && !node.is_frozen {
            self.carry_one(number, &mut fetch);
        }
        if let Some(node) = self.nodes.get_mut(&number) {
            node.fetch = Some(fetch);
        }
    }

    fn carry_one(&mut self, number: u32, fetch: &mut Fetch) {
        let source = fetch.source.node;
        if self.nodes.get(&source).is_some_and(|node| node.is_frozen) {
            return;
        }
        while fetch.streams.len() < STREAMS {
            let Some(span) = fetch.spans.pop() else { break };
            let room = self.nodes.get(&source).and_then(|node| node.room.as_ref());
            let generation = room.map_or(0, |room| room.generation(span));
            fetch.streams.push(Stream { span, next_bytes: span * SPAN_BYTES, generation });
        }
        let first = self.chance.below(fetch.streams.len());
        for index in 0..fetch.streams.len() {
            let index = (first + index) % fetch.streams.len();
            let stream = &fetch.streams[index];
            let end_bytes = ((stream.span + 1) * SPAN_BYTES).min(self.size_bytes);
            let is_whole = stream.next_bytes >= end_bytes;
            match self.look(source, stream, is_whole) {
                Outlook::Coming => continue,
                Outlook::Never => fetch.end = Some(FetchOutcome::Gone),
                Outlook::Renewed => {
                    let span = fetch.streams.remove(index).span;
                    self.room(number).fail(span);
                    fetch.spans.push(span);
                }
                Outlook::Ready if is_whole => {
                    let span = fetch.streams.remove(index).span;
                    fetch.has_moved = true;
                    self.room(number).verify(span);
                }
                Outlook::Ready => {
                    let out = self.budgets.get(&source).is_some_and(|(out, _)| *out > 0);
                    let into = self.budgets.get(&number).is_some_and(|(_, into)| *into > 0);
                    if !(out && into) {
                        return;
                    }
                    self.budgets.entry(source).and_modify(|budget| budget.0 -= 1);
                    self.budgets.entry(number).and_modify(|budget| budget.1 -= 1);
                    let start_bytes = stream.next_bytes;
                    fetch.streams[index].next_bytes += CHUNK_BYTES;
                    let now_ms = self.now_ms;
                    self.room(number).note(start_bytes, now_ms);
                    self.sent += u64::from(source == ORIGIN);
                    self.nodes.entry(number).and_modify(|node| node.received += 1);
                }
            }
            break;
        }
        if fetch.end.is_none() && fetch.streams.is_empty() && fetch.spans.is_empty() {
            fetch.end = Some(FetchOutcome::Complete);
        }
    }

    fn room(&mut self, number: u32) -> &mut Chunks {
        self.nodes.get_mut(&number).and_then(|node| node.room.as_mut()).expect("PULL-4: a fetch has room")
    }

    /// A fetch that has ended reports it.
    fn finish(&mut self, number: u32) {
        let Some(node) = self.nodes.get_mut(&number).filter(|node| !node.is_frozen) else { return };
        let is_over = node.fetch.as_ref().is_some_and(|fetch| fetch.end.is_some());
        let Some(fetch) = node.fetch.take_if(|_| is_over) else { return };
        if let Some(room) = &mut node.room {
            fetch.streams.iter().for_each(|stream| room.fail(stream.span));
        }
        if fetch.source.node == ORIGIN && fetch.is_accepted {
            self.serves.on_ended(&object(1), number, self.now_ms);
        }
        let outcome = fetch.end.expect("it has ended");
        let end = FetchEnd { attempt: fetch.attempt, outcome, has_moved: fetch.has_moved };
        let mut effects = Vec::new();
        node.table.on_fetched(&object(1), end, self.now_ms, &mut effects);
        self.carry_out(number, effects);
    }

    /// The stream between a node and its source breaks.
    pub(super) fn break_stream(&mut self, number: u32) {
        let fetch = self.nodes.get_mut(&number).and_then(|node| node.fetch.as_mut());
        if let Some(fetch) = fetch {
            fetch.end.get_or_insert(FetchOutcome::Unreachable);
        }
    }

    /// Nobody on the node wants the object any more.
    pub(super) fn let_go(&mut self, number: u32) {
        let Some(node) = self.nodes.get_mut(&number) else { return };
        let mut effects = Vec::new();
        node.table.on_release(worker(1), &object(1), &mut effects);
        node.result.get_or_insert(Ok(()));
        self.carry_out(number, effects);
    }

    /// A node is lost, and everybody hears of it.
    pub(super) fn die(&mut self, number: u32) {
        self.nodes.remove(&number);
        self.serves.on_node_died(number);
        for other in self.nodes.keys().copied().collect::<Vec<_>>() {
            let mut effects = Vec::new();
            if let Some(node) = self.nodes.get_mut(&other) {
                node.table.on_node_died(number, &mut effects);
            }
            self.carry_out(other, effects);
        }
    }
}
