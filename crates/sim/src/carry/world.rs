//! The two ends, the connections between them, and what is lost.

use crate::carry::planted::{Counts, PlantedInLink};
use crate::random::Random;
use bytes::Bytes;
use futures_core::Stream as _;
use std::collections::{BTreeSet, VecDeque};
use std::pin::Pin;
use std::task::{Context, Poll, Waker};
use trygon_cluster::{Begin, Keeping, Outflow, OutflowStream, Sessions};
use trygon_ids::NodeId;

const STEPS: usize = 600;
const MOST_STEPS: usize = 20_000;
/// Bytes of a message, which is its number.
const MESSAGE: usize = 8;
/// Who speaks.
const SPEAKER: NodeId = NodeId::new([3; NodeId::LEN]);

/// A connection, as the node that hears has it.
struct Heard {
    number: u64,
    session: u64,
    /// The session's first message.
    first: u64,
    /// Messages of the session so far.
    received: u64,
    /// What is under way to it.
    wire: VecDeque<u8>,
    /// What has come and is not a whole message yet.
    buffer: Vec<u8>,
    /// Nothing more comes: as a farewell (true), or because it broke.
    end: Option<bool>,
}

/// The present connection, as the node that speaks has it.
struct Standing {
    stream: OutflowStream,
    number: u64,
    /// What was acknowledged and has not come.
    receipts: VecDeque<u64>,
    /// The other end has said its last.
    is_over: bool,
}

pub(super) struct World {
    random: Random,
    outflow: Outflow,
    sessions: Sessions,
    session: u64,
    /// The present session's first message.
    first: u64,
    /// The last that was said when a session was given up.
    dropped: u64,
    is_session: bool,
    standing: Option<Standing>,
    heard: Vec<Heard>,
    /// What is left of connections that broke, and may still read.
    stale: Vec<(OutflowStream, u64)>,
    /// Connections that broke, whose return is waited for.
    waited: Vec<u64>,
    said: u64,
    arrived: BTreeSet<u64>,
    /// What arrived last, and its session.
    last: (u64, u64),
    /// Who speaks was told that messages up to this may be lost.
    excused: u64,
    /// The session of which messages may come, as the node that hears sees it.
    expected: Option<u64>,
    counts: Counts,
}

impl World {
    pub(super) fn new(seed: u64, planted: PlantedInLink) -> Self {
        Self {
            random: Random::new(seed),
            outflow: Outflow::with_defects(Keeping::UntilAcknowledged, planted.outflow),
            sessions: Sessions::with_defects(planted.sessions),
            session: 0,
            first: 1,
            dropped: 0,
            is_session: false,
            standing: None,
            heard: Vec::new(),
            stale: Vec::new(),
            waited: Vec::new(),
            said: 0,
            arrived: BTreeSet::new(),
            last: (0, 0),
            excused: 0,
            expected: None,
            counts: Counts::default(),
        }
    }

    pub(super) fn run(mut self) -> Result<Counts, String> {
        for step in 0..STEPS {
            self.step().map_err(|broken| format!("step {step}: {broken}"))?;
        }
        self.settle().map_err(|broken| format!("at rest: {broken}"))?;
        self.counts.arrived = self.arrived.len() as u64;
        Ok(self.counts)
    }

    fn step(&mut self) -> Result<(), String> {
        match self.random.below(100) {
            0..=24 => self.say(),
            25..=49 => self.carry(),
            50..=69 => {
                let place = self.random.below(self.heard.len() as u64) as usize;
                self.read(place)?;
            }
            70..=74 => self.acknowledge(),
            75..=79 => self.receive_receipt(),
            80..=86 => self.establish(true)?,
            87..=89 => self.cut(),
            90 if self.standing.is_none() && self.is_session => self.give_up(),
            91..=93 if self.outflow.is_empty() && self.standing.is_some() => self.outflow.close(),
            94..=95 => self.lapse(),
            96..=99 => self.read_stale(),
            _ => {}
        }
        Ok(())
    }

    /// Nothing breaks any more: everything arrives, or was told of.
    fn settle(&mut self) -> Result<(), String> {
        for _ in 0..MOST_STEPS {
            if self.outflow.is_empty() && self.standing.is_none() && self.heard.is_empty() {
                return self.check_told(self.said);
            }
            self.establish(false)?;
            self.carry();
            for place in (0..self.heard.len()).rev() {
                self.read(place)?;
            }
            self.acknowledge();
            self.receive_receipt();
            if self.outflow.is_empty() && self.standing.is_some() {
                self.outflow.close();
            }
        }
        Err("CARRY-1: what was said never arrives".to_owned())
    }

    fn say(&mut self) {
        self.said += 1;
        self.counts.said += 1;
        self.outflow.push(Bytes::from(self.said.to_be_bytes().to_vec()));
    }

    /// The connection takes what waits.
    fn carry(&mut self) {
        let Some(standing) = &mut self.standing else {
            return;
        };
        let number = standing.number;
        match poll(&mut standing.stream) {
            Poll::Ready(Some(message)) => self.put(number, &message),
            Poll::Ready(None) => {
                if let Some(heard) = self.heard.iter_mut().find(|heard| heard.number == number) {
                    heard.end.get_or_insert(true);
                }
            }
            Poll::Pending => {}
        }
    }

    fn put(&mut self, number: u64, message: &[u8]) {
        if let Some(heard) = self.heard.iter_mut().find(|heard| heard.number == number && heard.end.is_none()) {
            heard.wire.extend(message);
        }
    }

    /// What is left of a connection that broke reads on; what it reads is gone.
    fn read_stale(&mut self) {
        let place = self.random.below(self.stale.len() as u64) as usize;
        if let Some((stream, number)) = self.stale.get_mut(place) {
            let number = *number;
            if let Poll::Ready(Some(message)) = poll(stream) {
                self.put(number, &message);
            }
        }
    }

    /// The other node reads some bytes of a connection, or sees its end.
    fn read(&mut self, place: usize) -> Result<(), String> {
        let count = self.random.below(40) as usize;
        let Some(heard) = self.heard.get_mut(place) else {
            return Ok(());
        };
        let count = count.min(heard.wire.len());
        heard.buffer.extend(heard.wire.drain(..count));
        let mut messages = Vec::new();
        while let Some(message) = heard.buffer.first_chunk::<MESSAGE>().copied() {
            heard.buffer.drain(..MESSAGE);
            messages.push(u64::from_be_bytes(message));
        }
        let (number, session, end) =
            (heard.number, (heard.session, heard.first), heard.end.filter(|_| heard.wire.is_empty()));
        for message in messages {
            let Some(received) = self.sessions.receive(&SPEAKER, number) else {
                // Another connection has taken over.
                self.heard.remove(place);
                return Ok(());
            };
            self.heard[place].received = received;
            self.arrive(message, session)?;
        }
        match end {
            Some(true) => self.see_farewell(place),
            Some(false) => {
                if self.sessions.interrupt(&SPEAKER, number) {
                    self.waited.push(number);
                }
                self.heard.remove(place);
            }
            None => {}
        }
        Ok(())
    }

    fn see_farewell(&mut self, place: usize) {
        let heard = self.heard.remove(place);
        self.sessions.finish(&SPEAKER, heard.number);
        if self.expected == Some(heard.session) {
            self.expected = None;
        }
        if let Some(standing) = self.standing.as_mut().filter(|standing| standing.number == heard.number) {
            standing.receipts.push_back(heard.received);
            standing.is_over = true;
        }
    }

    fn arrive(&mut self, message: u64, (session, first): (u64, u64)) -> Result<(), String> {
        let (last, last_session) = self.last;
        if message <= last || !self.arrived.insert(message) {
            return Err(format!("CARRY-1: message {message} arrives behind {last}"));
        }
        let next = if session == last_session { last + 1 } else { first };
        if message != next {
            return Err(format!("CARRY-1: of session {session}, message {message} arrives instead of {next}"));
        }
        self.last = (message, session);
        self.check_told(message - 1)
    }

    /// CARRY-2: of what did not arrive up to here, who said it was told.
    fn check_told(&self, up_to: u64) -> Result<(), String> {
        match (self.excused + 1..=up_to).find(|message| !self.arrived.contains(message)) {
            Some(lost) => Err(format!("CARRY-2: message {lost} is lost, and who said it was not told")),
            None => Ok(()),
        }
    }

    /// The other node says how much it has.
    fn acknowledge(&mut self) {
        if let Some(standing) = &mut self.standing
            && let Some(heard) = self.heard.iter().find(|heard| heard.number == standing.number)
        {
            standing.receipts.push_back(heard.received);
        }
    }

    fn receive_receipt(&mut self) {
        let Some(standing) = &mut self.standing else {
            return;
        };
        match standing.receipts.pop_front() {
            Some(received) if self.outflow.acknowledge(received).is_err() => self.give_up(),
            None if standing.is_over => {
                self.standing = None;
                self.outflow.pause();
                self.is_session = false;
            }
            _ => {}
        }
    }

    /// Connects, and goes on where the other node stands. Its answer may be lost.
    fn establish(&mut self, may_break: bool) -> Result<(), String> {
        if !self.is_session && !self.outflow.is_empty() {
            self.outflow.begin_session();
            self.session += 1;
            self.first = self.dropped.max(self.last.0) + 1;
            self.is_session = true;
        }
        if self.standing.is_some() || !self.is_session {
            return Ok(());
        }
        let stream = self.outflow.stream();
        let (number, received) = match self.sessions.begin(SPEAKER, self.session, self.outflow.acknowledged()) {
            Begin::Unknown => {
                self.give_up();
                return Ok(());
            }
            Begin::Fresh { connection, lapsed } => {
                if self.expected.is_some() && !lapsed {
                    return Err("CARRY-2: who heard a part of a session is not told that the rest is lost".to_owned());
                }
                self.expected = Some(self.session);
                (connection, 0)
            }
            Begin::Resumed { connection, received } => (connection, received),
        };
        let (wire, buffer) = (VecDeque::new(), Vec::new());
        let (session, first) = (self.session, self.first);
        self.heard.push(Heard { number, session, first, received, wire, buffer, end: None });
        self.standing = Some(Standing { stream, number, receipts: VecDeque::new(), is_over: false });
        if may_break && self.random.percent(20) {
            self.cut();
        } else if self.outflow.open_behind(received).is_err() {
            self.give_up();
        }
        Ok(())
    }

    /// The connection breaks, at any byte.
    fn cut(&mut self) {
        let Some(standing) = self.standing.take() else {
            return;
        };
        self.counts.breaks += 1;
        if let Some(heard) = self.heard.iter_mut().find(|heard| heard.number == standing.number) {
            let left = self.random.below(heard.wire.len() as u64 + 1) as usize;
            heard.wire.truncate(left);
            heard.end = Some(false);
        }
        self.outflow.pause();
        self.stale.push((standing.stream, standing.number));
    }

    /// The session is given up: it cannot go on, or that has been tried for too long.
    fn give_up(&mut self) {
        self.cut();
        self.outflow.pause();
        self.counts.given_up += 1;
        self.is_session = false;
        self.dropped = self.said;
        if self.outflow.give_up() {
            self.excused = self.said;
        }
    }

    /// A connection that broke was waited for long enough.
    fn lapse(&mut self) {
        let place = self.random.below(self.waited.len() as u64) as usize;
        if place < self.waited.len() {
            let number = self.waited.swap_remove(place);
            if self.sessions.lapse(&SPEAKER, number) {
                self.expected = None;
            }
        }
    }
}

fn poll(stream: &mut OutflowStream) -> Poll<Option<Bytes>> {
    Pin::new(stream).poll_next(&mut Context::from_waker(Waker::noop()))
}

/// One run of a seed: the counts, or what was broken and when.
///
/// # Errors
/// A sentence that names the law.
pub fn run(seed: u64, planted: PlantedInLink) -> Result<Counts, String> {
    World::new(seed, planted).run()
}
