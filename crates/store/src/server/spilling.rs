//! Files in the daemon's loop: what is to be written and read, and what the threads say.

use crate::server::perform::in_megabytes;
use crate::server::store_server::{Outgoing, StoreServer};
use crate::server::transfers_state::TransferOptions;
use crate::spill::{DiskFailure, PartBytes, Restore, SpillEvent, SpillEvents, SpilledBytes, Spiller, WriteJob};
use std::io;
use std::os::fd::BorrowedFd;
use std::sync::Arc;
use std::time::Duration;
use trygon_ids::{ObjectId, SegmentId, WorkerId};
use trygon_shm::ReadOnlyMapping;
use trygon_store_core::{
    FetchEnd, FetchOutcome, FilePart, Look, ObjectLocation, PartSource, Priority, PullFailure, PullRequest, WritePart,
};
use trygon_wire::control::ObjectPulled;
use trygon_wire::{Kind, encode};

/// While somebody waits for memory, processes are asked for it this often: what they look at changes without a word.
const CALL_MS: u64 = 100;
/// Reasons that are kept.
const MOST_REASONS: usize = 10_000;

impl StoreServer {
    /// Begins to write a file.
    pub(crate) fn write_file(&mut self, file: u64, parts: &[WritePart], now_ms: u64) {
        if let Err(error) = self.start_spilling() {
            return self.on_write_failed(file, vec![DiskFailure::new("every folder".to_owned(), None, &error)], now_ms);
        }
        let bytes: Option<Vec<PartBytes>> = parts.iter().map(|part| self.part_bytes(part)).collect();
        match (bytes, &self.spilling.spiller) {
            (Some(parts), Some(spiller)) => spiller.write(WriteJob { file, parts }),
            _ => {
                let error = io::Error::other("the memory cannot be mapped");
                self.on_write_failed(file, vec![DiskFailure::new("memory".to_owned(), None, &error)], now_ms);
            }
        }
    }

    fn part_bytes(&mut self, part: &WritePart) -> Option<PartBytes> {
        let ObjectLocation { segment, offset_bytes, size_bytes } = part.location;
        match part.source {
            PartSource::File(part) => Some(PartBytes::File { part, size_bytes }),
            PartSource::Memory => {
                let mapping = self.mapping_for_writing(segment)?;
                Some(PartBytes::Memory { mapping, offset_bytes, size_bytes })
            }
        }
    }

    fn mapping_for_writing(&mut self, segment: SegmentId) -> Option<Arc<ReadOnlyMapping>> {
        if let Some(mapping) = self.spilling.mappings.get(&segment) {
            return Some(mapping.clone());
        }
        let source = self.segments.get(&segment)?;
        let mapping = Arc::new(ReadOnlyMapping::new(source, source.size_bytes()).ok()?);
        self.spilling.mappings.insert(segment, mapping.clone());
        Some(mapping)
    }

    /// Starts the threads, with the first file.
    fn start_spilling(&mut self) -> io::Result<()> {
        if self.spilling.spiller.is_none() {
            let (events, reporter) = SpillEvents::new()?;
            self.spilling.spiller = Some(Spiller::start(&self.options.spill, reporter)?);
            self.spilling.events = Some(events);
            self.spilling.is_new = true;
        }
        if self.transfers.is_none() {
            // What comes back from a file is a copy, as what comes from another node.
            let dial = Arc::new(|_| Err(io::ErrorKind::NotConnected.into()));
            self.start_transfers(TransferOptions { own: self.options.own, dial, budget_bytes: 0 })?;
        }
        Ok(())
    }

    /// Once, when files begin to be written: readable when `on_spill_events` has something to do.
    pub fn new_spill_events(&mut self) -> Option<BorrowedFd<'_>> {
        let is_new = std::mem::take(&mut self.spilling.is_new);
        self.spilling.events.as_ref().filter(|_| is_new).map(SpillEvents::as_fd)
    }

    /// Handles what the threads said.
    pub fn on_spill_events(&mut self, now_ms: u64) -> Vec<Outgoing> {
        let events = self.spilling.events.as_ref().map(SpillEvents::take).unwrap_or_default();
        for event in events {
            self.on_spill_event(event, now_ms);
        }
        self.perform(now_ms)
    }

    fn on_spill_event(&mut self, event: SpillEvent, now_ms: u64) {
        match event {
            SpillEvent::Progress => self.table.on_write_progress(now_ms),
            SpillEvent::Written { file, size_bytes, took } => {
                self.spilling.write_time += took;
                self.spilling.failures.clear();
                self.table.on_written(file, now_ms, &mut self.effects);
                self.tell_once(size_bytes, took);
            }
            SpillEvent::WriteFailed { file, failures } => self.on_write_failed(file, failures, now_ms),
            SpillEvent::Restored { object, attempt, location, part, read } => {
                let outcome = match read {
                    Ok(took) => {
                        self.spilling.read_time += took;
                        self.spilling.restored_bytes += location.size_bytes;
                        self.spilling.restored_objects += 1;
                        FetchOutcome::Complete
                    }
                    Err(reason) => {
                        let now_in = self.table.in_file(&object, &location);
                        if now_in.is_some_and(|now_in| now_in != part) {
                            // It was written anew meanwhile.
                            return self.restore(object, attempt, location);
                        }
                        self.on_unreadable(object, location, part, reason);
                        FetchOutcome::Gone
                    }
                };
                self.on_restored(&object, attempt, outcome, now_ms);
            }
            SpillEvent::Unreadable { object, location, part, reason } => {
                self.on_unreadable(object, location, part, reason);
            }
        }
    }

    fn on_restored(&mut self, object: &ObjectId, attempt: u64, outcome: FetchOutcome, now_ms: u64) {
        if let Some(transfers) = &mut self.transfers {
            let end = FetchEnd { attempt, outcome, has_moved: false };
            transfers.pulls.on_fetched(object, end, now_ms, &mut transfers.effects);
        }
    }

    fn on_unreadable(&mut self, object: ObjectId, location: ObjectLocation, part: FilePart, reason: String) {
        self.table.on_unreadable(&object, &location, part, &mut self.effects);
        if self.spilling.unreadable.len() < MOST_REASONS {
            self.spilling.unreadable.insert(object, reason);
        }
    }

    fn on_write_failed(&mut self, file: u64, failures: Vec<DiskFailure>, now_ms: u64) {
        if self.spilling.failures.is_empty() {
            let places: Vec<String> = failures.iter().map(ToString::to_string).collect();
            self.spilling.notices.push(format!("objects cannot be written to files: {}", places.join("; ")));
        }
        self.spilling.failures = failures;
        self.table.on_write_failed(file, now_ms, &mut self.effects);
    }

    fn tell_once(&mut self, size_bytes: u64, took: Duration) {
        if !std::mem::replace(&mut self.spilling.was_told, true) {
            let rate = size_bytes as f64 / 1e9 / took.as_secs_f64().max(1e-9);
            self.spilling.notices.push(format!(
                "the object store is full: objects that are not used now are written to {} ({} at {rate:.2} GB/s) and read when they are \
                 needed",
                self.options.spill.directories.join(", "),
                in_megabytes(size_bytes),
            ));
        }
    }

    /// What people are to be told, since the last call.
    pub fn take_notices(&mut self) -> Vec<String> {
        std::mem::take(&mut self.spilling.notices)
    }

    /// A process asks for an object of this node, which is in a file or in a watched segment.
    pub(crate) fn on_local_pull(
        &mut self,
        from: WorkerId,
        object: ObjectId,
        location: ObjectLocation,
        priority: Priority,
    ) -> Option<Outgoing> {
        let (object_id, number) = (object.as_bytes().to_vec(), self.spilling.number(from, &object));
        let lost = |message: &str| ObjectPulled {
            number,
            object_id: object_id.clone(),
            error: "lost".to_owned(),
            message: message.to_owned(),
            ..Default::default()
        };
        let reply = match self.table.on_look(from, &object, &location, &mut self.effects) {
            Look::Here => ObjectPulled {
                object_id,
                segment_id: location.segment.0,
                offset_bytes: location.offset_bytes,
                size_bytes: location.size_bytes,
                number,
                ..Default::default()
            },
            Look::InFile(_) => {
                let node = self.table.node_number();
                let transfers = self.transfers.as_mut()?;
                let request = PullRequest { from, object, node, location, priority };
                transfers.pulls.on_pull(&request, &mut transfers.effects);
                return None;
            }
            Look::Unreadable => lost(&self.unreadable_text(&object)),
            Look::Gone => lost("its shared memory is gone"),
        };
        Some(Outgoing { to: from, frame: encode(Kind::ObjectPulled, &reply), descriptor: None })
    }

    /// Reads an object into the room that was found for it.
    pub(crate) fn restore(&mut self, object: ObjectId, attempt: u64, location: ObjectLocation) {
        let part = self.table.in_file(&object, &location);
        let room = self.transfers.as_ref().and_then(|transfers| transfers.rooms.get(&object));
        let writer = room.and_then(|room| room.allocation.as_ref()).map(|allocation| allocation.writer());
        match (part, writer, &self.spilling.spiller) {
            (Some(part), Some(writer), Some(spiller)) => {
                spiller.restore(Restore { object, attempt, location, part, writer });
            }
            // It was freed meanwhile.
            _ => self.on_restored(&object, attempt, FetchOutcome::Gone, self.spilling.called_ms),
        }
    }

    /// The object's bytes in a file, if it is not in memory.
    pub(crate) fn spilled_bytes(&self, object: ObjectId, location: ObjectLocation) -> Option<SpilledBytes> {
        let part = self.table.in_file(&object, &location)?;
        let spiller = self.spilling.spiller.as_ref()?;
        let (catalogue, reporter) = (spiller.catalogue.clone(), spiller.reporter.clone());
        Some(SpilledBytes { object, location, part, catalogue, reporter })
    }

    /// Whether a file of this node has the object.
    pub fn has_file(&self, object: &ObjectId, segment: SegmentId, offset_bytes: u64, size_bytes: u64) -> bool {
        self.table.has_file(object, &ObjectLocation { segment, offset_bytes, size_bytes })
    }

    fn unreadable_text(&self, object: &ObjectId) -> String {
        let reason = self.spilling.unreadable.get(object).map_or("its file cannot be read", String::as_str);
        format!("it was written to disk when memory was full, and cannot be read back: {reason}")
    }

    /// Why a copy of what was in a file cannot be had, as far as that has to do with files.
    pub(crate) fn spill_failure_text(&self, object: &ObjectId, failure: PullFailure) -> Option<(&'static str, String)> {
        match failure {
            PullFailure::Lost if self.spilling.unreadable.contains_key(object) => {
                Some(("lost", self.unreadable_text(object)))
            }
            PullFailure::StoreFull if self.spilling.copies_lack_disk => {
                Some(("disk_full", self.disk_full_text("no space for a copy of an object")))
            }
            _ => None,
        }
    }

    /// Which disk is full, with the numbers.
    pub(crate) fn disk_full_text(&self, what: &str) -> String {
        let stats = self.table.stats();
        let places: Vec<String> = self.spilling.failures.iter().map(ToString::to_string).collect();
        let places = if places.is_empty() { self.options.spill.directories.join(", ") } else { places.join("; ") };
        let quota = match self.options.spill.quota_bytes {
            0 => "no quota".to_owned(),
            quota_bytes => format!("a quota of {}", in_megabytes(quota_bytes)),
        };
        format!(
            "There is {what}: {} of {} of memory are in use, and objects cannot be written to {places}, where {} are already, with {quota}. \
             Drop references to objects that are not needed any more, free space there, or name further folders with \
             `object_spilling_directory`.",
            in_megabytes(stats.used_bytes),
            in_megabytes(stats.capacity_bytes),
            in_megabytes(stats.spill_file_bytes),
        )
    }

    /// What cannot leave memory, for the text of a refusal.
    pub(crate) fn looked_at_text(&self) -> String {
        if !self.options.spill.is_on {
            return "writing objects to disk is off, ".to_owned();
        }
        match self.table.stats().looked_at_bytes {
            0 => String::new(),
            bytes => format!("{} of them are arrays and other views that programs hold, ", in_megabytes(bytes)),
        }
    }

    /// Whether processes are to be asked for memory now. They are for every request that has to wait, and then again and again.
    pub fn calls_for_memory(&mut self, now_ms: u64) -> bool {
        if !self.table.has_waiting() {
            return false;
        }
        let waited = self.table.waited_requests();
        let is_due = waited != self.spilling.called_for || now_ms >= self.spilling.called_ms.saturating_add(CALL_MS);
        if is_due {
            (self.spilling.called_for, self.spilling.called_ms) = (waited, now_ms);
        }
        is_due
    }

    pub(crate) fn next_call_for_memory_ms(&self) -> Option<u64> {
        self.table.has_waiting().then_some(self.spilling.called_ms.saturating_add(CALL_MS))
    }

    /// The end: no file stays.
    pub fn remove_files(&mut self) {
        match self.spilling.spiller.take() {
            Some(spiller) => spiller.clear(),
            // Nothing was ever written, but the session is known there.
            None => self.options.spill.remote.iter().for_each(|place| place.clear()),
        }
    }
}
