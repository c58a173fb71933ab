//! Events in, messages out, and in between the disk: nothing leaves before the event that asked for it is kept (JOURNAL-1).
//!
//! Everything that waits is kept with one write. Blocks while it writes; the caller's thread is made for that. Knows nothing of
//! connections or clocks.

#[cfg(test)]
mod tests;

use crate::machine::{Keep, Machine};
use crate::storage::{Cut, LargeBody, Record, Storage, StorageError};
use prost::Message as _;
use trygon_ids::NodeId;

/// When the journal is replaced by a snapshot.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Events behind the last snapshot.
    pub events: u64,
    /// Bytes of the records behind the last snapshot.
    pub size_bytes: u64,
}

impl Default for Limits {
    /// So that a restart reads for well below a second.
    fn default() -> Self {
        Self { events: 50_000, size_bytes: 32 << 20 }
    }
}

/// What was there when the journal was opened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Opened {
    /// Events that were taken in again.
    pub replayed: u64,
    /// Damaged records at the end, which were never acknowledged.
    pub cut: Option<Cut>,
    /// What people should know of the place.
    pub warnings: Vec<String>,
}

/// A machine whose events are kept.
pub struct Journal<M: Machine> {
    machine: M,
    storage: Box<dyn Storage>,
    limits: Limits,
    /// The last event that was taken in and is kept, or will be.
    last_index: u64,
    /// The time of whatever was taken in last.
    last_us: u64,
    since_snapshot: Limits,
    /// Records of events that were taken in and may be lost; the newest is `last_index`.
    unwritten: Vec<Record>,
    /// What the machine said and nobody was told, because it could not be kept.
    unsent: Vec<(NodeId, M::Output)>,
    /// Whether something unwritten led to more than hints.
    must_write: bool,
}

impl<M: Machine + std::fmt::Debug> std::fmt::Debug for Journal<M> {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Journal").field("place", &self.storage.place()).finish_non_exhaustive()
    }
}

impl<M: Machine> Journal<M> {
    /// Brings the machine to where it was when the last kept event had been taken in. What it says meanwhile is dropped: the
    /// nodes come back and are told anew.
    ///
    /// # Errors
    /// When the place cannot be read, or holds what the machine cannot read.
    pub fn open(mut machine: M, mut storage: Box<dyn Storage>, limits: Limits) -> Result<(Self, Opened), StorageError> {
        let loaded = storage.load()?;
        let corrupt = |message: String| StorageError::Corrupt { place: storage.place(), message };
        let (mut last_index, mut last_us) = (0, 0);
        if let Some(snapshot) = loaded.snapshot {
            let (time, state) = snapshot
                .state
                .split_first_chunk::<8>()
                .ok_or_else(|| corrupt("its snapshot is too short".to_owned()))?;
            machine.restore(state, snapshot.large).map_err(corrupt)?;
            (last_index, last_us) = (snapshot.through, u64::from_le_bytes(*time));
        }
        let opened = Opened { replayed: loaded.records.len() as u64, cut: loaded.cut, warnings: loaded.warnings };
        let mut since_snapshot = Limits { events: opened.replayed, size_bytes: 0 };
        let mut dropped = Vec::new();
        for record in loaded.records {
            let mut event = M::Event::decode(record.body.as_slice()).map_err(|error| {
                corrupt(format!("event {} ({}) makes no sense: {error}", record.index, record.label))
            })?;
            since_snapshot.size_bytes += record.size_bytes();
            if let Some(large) = record.large {
                M::give_large(&mut event, large.bytes);
            }
            machine.apply(record.at_us, record.origin, event, &mut dropped);
            dropped.clear();
            (last_index, last_us) = (record.index, record.at_us);
        }
        let (unwritten, unsent) = (Vec::new(), Vec::new());
        let must_write = false;
        let journal =
            Self { machine, storage, limits, last_index, last_us, since_snapshot, unwritten, unsent, must_write };
        Ok((journal, opened))
    }

    /// What the events made of the machine.
    pub fn machine(&self) -> &M {
        &self.machine
    }

    /// Where the journal is, for people.
    pub fn place(&self) -> String {
        self.storage.place()
    }

    /// The time of what was taken in last.
    pub fn last_us(&self) -> u64 {
        self.last_us
    }

    /// The last event that was taken in and is kept, or will be.
    pub fn last_index(&self) -> u64 {
        self.last_index
    }

    /// Takes the events of the batch in, in order, and keeps them as each asks for, with one write at most. On return the batch
    /// is empty, and `out` holds what may be sent.
    ///
    /// # Errors
    /// When they cannot be kept. Nothing may be sent then, and the call is to be repeated: events that are to be kept first are
    /// still in the batch and have changed nothing (JOURNAL-3).
    pub fn commit(
        &mut self,
        now_us: u64,
        batch: &mut Vec<(NodeId, M::Event)>,
        out: &mut Vec<(NodeId, M::Output)>,
    ) -> Result<(), StorageError> {
        let at_us = now_us.max(self.last_us);
        let mut records = self.records(at_us, batch);
        if batch.iter().any(|(_, event)| M::keep(event) == Keep::Now) {
            self.append(&mut records)?;
        }
        self.last_index += records.len() as u64;
        self.unwritten.append(&mut records);
        self.last_us = at_us;
        for (origin, event) in batch.drain(..) {
            // The answer to a question is not the effect of anything.
            let (is_kept, said) = (M::keep(&event) > Keep::Never, self.unsent.len());
            self.machine.apply(at_us, origin, event, &mut self.unsent);
            self.must_write |= is_kept && self.unsent[said..].iter().any(|(_, output)| !M::is_hint(output));
        }
        if self.must_write {
            self.write()?;
        }
        out.append(&mut self.unsent);
        Ok(())
    }

    /// Whether something is to be said as soon as what led to it is kept.
    pub fn has_unsent(&self) -> bool {
        !self.unsent.is_empty()
    }

    /// Answers a question, which changes nothing, while nothing can be kept.
    pub fn answer(&mut self, now_us: u64, origin: NodeId, event: M::Event, out: &mut Vec<(NodeId, M::Output)>) {
        self.machine.apply(now_us.max(self.last_us), origin, event, out);
    }

    /// Whether something was taken in that is not kept yet.
    pub fn has_unwritten(&self) -> bool {
        !self.unwritten.is_empty()
    }

    /// Keeps what was taken in and is not kept yet.
    ///
    /// # Errors
    /// When it cannot be kept; it is to be tried again then.
    pub fn write(&mut self) -> Result<(), StorageError> {
        self.append(&mut Vec::new())
    }

    /// Writes what is not written yet and these records; empties both.
    fn append(&mut self, records: &mut Vec<Record>) -> Result<(), StorageError> {
        let held = self.unwritten.len();
        self.unwritten.extend_from_slice(records);
        if self.unwritten.is_empty() {
            return Ok(());
        }
        if let Err(error) = self.storage.append(&self.unwritten) {
            self.unwritten.truncate(held);
            return Err(error);
        }
        self.since_snapshot.events += self.unwritten.len() as u64;
        self.since_snapshot.size_bytes += self.unwritten.iter().map(Record::size_bytes).sum::<u64>();
        self.last_index += records.len() as u64;
        records.clear();
        self.unwritten.clear();
        self.must_write = false;
        Ok(())
    }

    fn records(&self, at_us: u64, batch: &mut [(NodeId, M::Event)]) -> Vec<Record> {
        let kept = batch.iter_mut().filter(|(_, event)| M::keep(event) > Keep::Never);
        let record = |(index, (origin, event)): (u64, &mut (NodeId, M::Event))| {
            let large = M::take_large(event);
            let (label, body) = (M::label(event).to_owned(), event.encode_to_vec());
            let large = large.map(|value| {
                M::give_large(event, value.clone());
                LargeBody::new(value)
            });
            Record { index, at_us, origin: *origin, label, body, large }
        };
        (self.last_index + 1..).zip(kept).map(record).collect()
    }

    /// Whether the journal is long enough for a snapshot.
    pub fn is_snapshot_due(&self) -> bool {
        self.since_snapshot.events >= self.limits.events || self.since_snapshot.size_bytes >= self.limits.size_bytes
    }

    /// Keeps the state instead of the events that made it.
    ///
    /// # Errors
    /// When it cannot be kept; the events are still there then, and it is due again when half as many more came.
    pub fn snapshot(&mut self) -> Result<(), StorageError> {
        let mut bytes = self.last_us.to_le_bytes().to_vec();
        let result = match self.machine.snapshot() {
            Ok(mut state) => {
                bytes.append(&mut state.bytes);
                self.storage.snapshot(self.last_index, &bytes, &state.large)
            }
            Err(message) => Err(StorageError::Refused { place: self.storage.place(), message }),
        };
        let share = if result.is_ok() { 0 } else { 1 };
        self.since_snapshot =
            Limits { events: self.limits.events / 2 * share, size_bytes: self.limits.size_bytes / 2 * share };
        if result.is_ok() {
            self.unwritten.clear();
        }
        result
    }
}
