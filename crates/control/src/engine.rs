//! The thread that decides: takes what the streams bring, keeps it, takes it in, and hands out what nodes are to be told.
//!
//! It may block on the disk, which is why it is a thread; what comes meanwhile waits and is kept with one write.

use crate::full::{FullDefects, sort_out};
use crate::journal::Journal;
use crate::lease_book::LeaseBook;
use crate::link::Link;
use crate::machine::Machine;
use crate::storage::StorageError;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, TryRecvError};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};
use tokio::sync::OwnedSemaphorePermit;
use tonic::Status;
use trygon_control_core::LeaseTerms;
use trygon_ids::NodeId;

/// Events that are kept with one write, at most.
const MAX_BATCH: usize = 4_096;
/// How long something that may be lost stays unwritten.
const WRITE_DELAY: Duration = Duration::from_secs(1);
/// How long a place that failed is left alone.
const RETRY_DELAY: Duration = Duration::from_millis(500);

/// What happens to the control service.
pub(crate) enum Input<M: Machine> {
    /// A node opened a stream with this first message.
    Opened { node: NodeId, stream: u64, link: Link<M::Output>, register: M::Event },
    /// A node said something.
    Said { node: NodeId, stream: u64, event: M::Event, room: OwnedSemaphorePermit },
    /// A stream ended.
    Closed { node: NodeId, stream: u64, reason: String },
    /// Something may be due.
    Look,
    /// The process is to end.
    Stop,
}

/// How a control service begins.
#[derive(Debug, Clone)]
pub(crate) struct Begin {
    pub(crate) terms: LeaseTerms,
    /// How long nodes of the journal may take to come back.
    pub(crate) grace: Duration,
    /// Where nodes find it.
    pub(crate) address: String,
}

impl Begin {
    /// NODE-3: how long it waits for a node of the journal. One that knows the head at this address has found somebody there from the moment
    /// at which this head began; one that knows it at another may be told there that nobody is.
    fn wait_ms(&self, (head_address, holds_ms): (&str, u64)) -> u64 {
        let grace_ms = self.grace.as_millis() as u64;
        if holds_ms == 0 || head_address == self.address {
            return grace_ms;
        }
        grace_ms.max(self.terms.wait_elsewhere_ms(holds_ms))
    }
}

/// There is no room.
#[derive(Debug, Clone, Copy)]
struct Full {
    /// So many at the beginning of the batch were told.
    told: usize,
    again: Instant,
}

/// Everything that the thread owns.
pub(crate) struct Engine<M: Machine> {
    journal: Journal<M>,
    book: Arc<LeaseBook>,
    links: BTreeMap<NodeId, Link<M::Output>>,
    batch: Vec<(NodeId, M::Event)>,
    /// The room that the batch takes among what waits.
    rooms: Vec<OwnedSemaphorePermit>,
    out: Vec<(NodeId, M::Output)>,
    began: Instant,
    /// The head's clock when it began. From then on it is monotonic, whatever happens to the machine's.
    began_us: u64,
    unwritten_since: Option<Instant>,
    /// The place is full: how much of the batch its senders know to wait, and when it is tried again.
    full: Option<Full>,
    /// What people are told, a line each.
    say: fn(&str),
    address: String,
    /// The process that started this one. When it is gone, another head may have begun, and this one gives nobody up any more (NODE-3).
    parent: u32,
}

impl<M: Machine> Engine<M> {
    /// With the nodes that the journal knows, which are to come back.
    pub(crate) fn new(journal: Journal<M>, book: Arc<LeaseBook>, begin: Begin, say: fn(&str)) -> Self {
        book.with(|presence, now_ms| {
            for node in journal.machine().members() {
                presence.expect(node, now_ms, begin.wait_ms(journal.machine().hold_of(node)));
            }
            journal.machine().former().into_iter().for_each(|node| presence.refuse(node));
        });
        let began_us = unix_us().max(journal.last_us());
        Self {
            journal,
            book,
            links: BTreeMap::new(),
            batch: Vec::new(),
            rooms: Vec::new(),
            out: Vec::new(),
            began: Instant::now(),
            began_us,
            unwritten_since: None,
            full: None,
            say,
            address: begin.address,
            parent: std::os::unix::process::parent_id(),
        }
    }

    /// Goes on until it is told to stop, or all who could tell it anything are gone.
    ///
    /// # Errors
    /// When the journal cannot go on.
    pub(crate) fn run(mut self, inputs: &Receiver<Input<M>>) -> Result<(), StorageError> {
        let mut is_running = true;
        while is_running {
            is_running = self.take_waiting(inputs)?;
            self.commit()?;
            self.keep_house()?;
        }
        for link in std::mem::take(&mut self.links).into_values() {
            link.end(Status::unavailable("the control service ends"));
        }
        self.retry(Journal::write)
    }

    /// Waits for something, and takes what else is there. False: it is to stop.
    fn take_waiting(&mut self, inputs: &Receiver<Input<M>>) -> Result<bool, StorageError> {
        let received = match self.next_wake() {
            Some(delay) => inputs.recv_timeout(delay),
            None => inputs.recv().map_err(|_| RecvTimeoutError::Disconnected),
        };
        let mut input = match received {
            Ok(input) => input,
            Err(RecvTimeoutError::Timeout) => {
                self.take_time();
                return Ok(true);
            }
            Err(RecvTimeoutError::Disconnected) => return Ok(false),
        };
        loop {
            if !self.take(input)? {
                return Ok(false);
            }
            if self.batch.len() >= MAX_BATCH {
                return Ok(true);
            }
            match inputs.try_recv() {
                Ok(next) => input = next,
                Err(TryRecvError::Empty) => break,
                Err(TryRecvError::Disconnected) => return Ok(false),
            }
        }
        // Only now: what waited may have been a node that came back.
        self.take_time();
        Ok(true)
    }

    fn take(&mut self, input: Input<M>) -> Result<bool, StorageError> {
        match input {
            Input::Opened { node, stream, link, mut register } => {
                M::stamp(&mut register, &self.address);
                // What was said before is answered by the stream on which it was said, and the first word on the new one is
                // the answer to its registration.
                self.commit()?;
                if let Some(old) = self.links.insert(node, link) {
                    old.end(Status::aborted("the node opened another stream to the head"));
                }
                self.book.with(|presence, now_ms| presence.opened(node, stream, now_ms));
                self.batch.push((node, register));
            }
            Input::Said { node, stream, event, room } => {
                if self.book.with(|presence, _| presence.is_current(node, stream)) {
                    if M::is_farewell(&event) {
                        self.book.with(|presence, _| presence.left(node));
                    }
                    self.batch.push((node, event));
                    self.rooms.push(room);
                }
            }
            Input::Closed { node, stream, reason } => {
                if self.book.with(|presence, now_ms| presence.closed(node, stream, now_ms, &reason)) {
                    self.links.remove(&node);
                }
            }
            Input::Look => {}
            Input::Stop => return Ok(false),
        }
        Ok(true)
    }

    /// What time alone brings.
    fn take_time(&mut self) {
        if std::os::unix::process::parent_id() != self.parent {
            return;
        }
        for (node, message) in self.book.with(|presence, now_ms| presence.take_lost(now_ms)) {
            (self.say)(&format!("node {node} is given up: {message}"));
            self.links.remove(&node);
            self.batch.push((node, M::gone(message)));
        }
        if self.full.is_none()
            && self.journal.machine().next_deadline_us().is_some_and(|deadline_us| deadline_us <= self.now_us())
        {
            self.batch.push((NodeId::nil(), M::tick()));
        }
    }

    /// JOURNAL-1: keeps and takes in the batch; then nodes are told.
    fn commit(&mut self) -> Result<(), StorageError> {
        if self.batch.is_empty() && !self.journal.has_unsent() {
            return Ok(());
        }
        let mut heard: BTreeMap<NodeId, u64> = BTreeMap::new();
        for (node, event) in &self.batch {
            let number = M::number(event);
            if number > 0 {
                heard.insert(*node, number);
            }
        }
        let (mut batch, mut out) = (std::mem::take(&mut self.batch), std::mem::take(&mut self.out));
        let now_us = self.now_us();
        match self.journal.commit(now_us, &mut batch, &mut out) {
            Ok(()) => {}
            Err(error @ StorageError::Full { .. }) => {
                (self.batch, self.out) = (batch, out);
                self.on_full(&error);
                return Ok(());
            }
            Err(error) if error.is_temporary() => {
                self.retry(|journal| journal.commit(now_us, &mut batch, &mut out))?;
            }
            Err(error) => return Err(error),
        }
        self.rooms.clear();
        if self.full.take().is_some() {
            (self.say)(&format!("there is room again in {}", self.journal.place()));
        }
        let leaseless = self.journal.machine().leaseless();
        if !leaseless.is_empty() {
            self.book.with(|presence, _| leaseless.into_iter().for_each(|node| presence.refuse(node)));
        }
        // HEAR-1
        out.extend(heard.into_iter().map(|(node, number)| (node, M::heard(number))));
        self.send(&mut out);
        (self.batch, self.out) = (batch, out);
        Ok(())
    }

    fn send(&mut self, out: &mut Vec<(NodeId, M::Output)>) {
        for (node, message) in out.drain(..) {
            if let Some(link) = self.links.get(&node)
                && !link.send(message)
            {
                // Its stream ends, and `Closed` follows.
                self.links.remove(&node);
            }
        }
    }

    /// FULL-1: questions are answered, who can be refused is refused, and the rest waits.
    fn on_full(&mut self, error: &StorageError) {
        let text = error.to_string();
        if self.full.is_none() {
            (self.say)(&text);
        }
        let told = self.full.map_or(0, |full| full.told);
        let (now_us, mut out) = (self.now_us(), std::mem::take(&mut self.out));
        let batch = (&mut self.batch, told);
        sort_out(&mut self.journal, now_us, batch, &text, &mut out, FullDefects::default());
        self.rooms.truncate(self.batch.len());
        self.send(&mut out);
        self.out = out;
        self.full = Some(Full { told: self.batch.len(), again: Instant::now() + RETRY_DELAY });
        if self.batch.is_empty() && !self.journal.has_unsent() && !self.journal.has_unwritten() {
            // Who comes next finds out.
            self.full = None;
        }
    }

    /// Writes what has waited long enough, and shortens the journal.
    fn keep_house(&mut self) -> Result<(), StorageError> {
        if self.full.is_some_and(|full| full.again <= Instant::now()) {
            self.commit_again()?;
        }
        if !self.journal.has_unwritten() {
            self.unwritten_since = None;
        } else if self.full.is_none() && self.unwritten_since.get_or_insert_with(Instant::now).elapsed() >= WRITE_DELAY
        {
            self.write()?;
            self.unwritten_since = None;
        }
        if self.full.is_none()
            && self.journal.is_snapshot_due()
            && let Err(error) = self.journal.snapshot()
        {
            // Nothing is lost by a journal that is longer than it should be.
            (self.say)(&error.to_string());
            if !error.is_temporary() {
                return Err(error);
            }
        }
        Ok(())
    }

    /// There may be room again.
    fn commit_again(&mut self) -> Result<(), StorageError> {
        if self.batch.is_empty() && !self.journal.has_unsent() { self.write() } else { self.commit() }
    }

    fn write(&mut self) -> Result<(), StorageError> {
        match self.journal.write() {
            Ok(()) => self.full = None,
            Err(error @ StorageError::Full { .. }) => self.on_full(&error),
            Err(error) if error.is_temporary() => self.retry(Journal::write)?,
            Err(error) => return Err(error),
        }
        Ok(())
    }

    /// Does it, again and again while the place fails for a while; everybody waits so long.
    fn retry(
        &mut self,
        mut action: impl FnMut(&mut Journal<M>) -> Result<(), StorageError>,
    ) -> Result<(), StorageError> {
        let mut is_told = false;
        loop {
            match action(&mut self.journal) {
                Ok(()) => {
                    if is_told {
                        (self.say)(&format!("{} can be written again", self.journal.place()));
                    }
                    return Ok(());
                }
                Err(error) if error.is_temporary() => {
                    if !is_told {
                        (self.say)(&error.to_string());
                    }
                    is_told = true;
                    std::thread::sleep(RETRY_DELAY);
                }
                Err(error) => return Err(error),
            }
        }
    }

    fn now_us(&self) -> u64 {
        self.began_us + self.began.elapsed().as_micros() as u64
    }

    /// How long nothing is to be done unless something comes.
    fn next_wake(&self) -> Option<Duration> {
        let lost_ms =
            self.book.with(|presence, now_ms| presence.next_deadline_ms().map(|at_ms| at_ms.saturating_sub(now_ms)));
        let lost = lost_ms.map(Duration::from_millis);
        let tick = self.journal.machine().next_deadline_us();
        let tick = tick.map(|at_us| Duration::from_micros(at_us.saturating_sub(self.now_us())));
        let write = self.unwritten_since.map(|since| WRITE_DELAY.saturating_sub(since.elapsed()));
        let Some(full) = self.full else {
            return [lost, tick, write].into_iter().flatten().min();
        };
        // Time brings nothing that could be kept.
        Some(full.again.saturating_duration_since(Instant::now()))
    }
}

/// The machine's clock.
fn unix_us() -> u64 {
    SystemTime::now().duration_since(UNIX_EPOCH).map_or(0, |since| since.as_micros() as u64)
}
