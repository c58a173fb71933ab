//! Events in, messages out, and in between the disk: nothing leaves before the event that asked for it is kept (JOURNAL-1).
//!
//! Everything that waits is kept with one write. Blocks while it writes; the caller's thread is made for that. Knows nothing of
//! connections or clocks.

#[cfg(test)]
mod tests;

use crate::machine::Machine;
use crate::storage::{Cut, Record, Storage, StorageError};
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
    /// The last event that was kept and taken in.
    last_index: u64,
    /// The time of whatever was taken in last.
    last_ms: u64,
    since_snapshot: Limits,
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
    pub fn open(
        mut machine: M,
        mut storage: Box<dyn Storage>,
        limits: Limits,
    ) -> Result<(Self, Opened), StorageError> {
        let loaded = storage.load()?;
        let corrupt = |message: String| StorageError::Corrupt { place: storage.place(), message };
        let (mut last_index, mut last_ms) = (0, 0);
        if let Some(snapshot) = &loaded.snapshot {
            let (time, state) = snapshot.state.split_first_chunk::<8>().ok_or_else(|| corrupt("its snapshot is too short".to_owned()))?;
            machine.restore(state).map_err(corrupt)?;
            (last_index, last_ms) = (snapshot.through, u64::from_le_bytes(*time));
        }
        let opened = Opened { replayed: loaded.records.len() as u64, cut: loaded.cut, warnings: loaded.warnings };
        let mut since_snapshot = Limits { events: opened.replayed, size_bytes: 0 };
        let mut dropped = Vec::new();
        for record in loaded.records {
            let event = M::Event::decode(record.body.as_slice())
                .map_err(|error| corrupt(format!("event {} ({}) makes no sense: {error}", record.index, record.label)))?;
            since_snapshot.size_bytes += record.size_bytes();
            machine.apply(record.at_ms, record.origin, event, &mut dropped);
            dropped.clear();
            (last_index, last_ms) = (record.index, record.at_ms);
        }
        Ok((Self { machine, storage, limits, last_index, last_ms, since_snapshot }, opened))
    }

    /// What the events made of the machine.
    pub fn machine(&self) -> &M {
        &self.machine
    }

    /// Where the journal is, for people.
    pub fn place(&self) -> String {
        self.storage.place()
    }

    /// The last event that was kept.
    pub fn last_index(&self) -> u64 {
        self.last_index
    }

    /// Keeps those events of the batch that are to be kept, with one write; then takes all of them in, in order. On return the
    /// batch is empty, and what the machine says may be sent.
    ///
    /// # Errors
    /// When they cannot be kept. The machine and the batch are as before then (JOURNAL-3).
    pub fn commit(
        &mut self,
        now_ms: u64,
        batch: &mut Vec<(NodeId, M::Event)>,
        out: &mut Vec<(NodeId, M::Output)>,
    ) -> Result<(), StorageError> {
        let at_ms = now_ms.max(self.last_ms);
        let kept = batch.iter().filter(|(_, event)| M::is_kept(event));
        let records: Vec<Record> = (self.last_index + 1..)
            .zip(kept)
            .map(|(index, (origin, event))| {
                let (label, body) = (M::label(event).to_owned(), event.encode_to_vec());
                Record { index, at_ms, origin: *origin, label, body }
            })
            .collect();
        if let Some(last) = records.last() {
            self.storage.append(&records)?;
            self.last_index = last.index;
            self.since_snapshot.events += records.len() as u64;
            self.since_snapshot.size_bytes += records.iter().map(Record::size_bytes).sum::<u64>();
        }
        self.last_ms = at_ms;
        for (origin, event) in batch.drain(..) {
            self.machine.apply(at_ms, origin, event, out);
        }
        Ok(())
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
        let mut state = self.last_ms.to_le_bytes().to_vec();
        state.append(&mut self.machine.snapshot());
        let result = self.storage.snapshot(self.last_index, &state);
        let share = if result.is_ok() { 0 } else { 1 };
        self.since_snapshot =
            Limits { events: self.limits.events / 2 * share, size_bytes: self.limits.size_bytes / 2 * share };
        result
    }
}
