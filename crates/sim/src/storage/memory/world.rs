//! The store of one node: its table, the processes around it, memory and files.

use crate::random::Random;
use crate::storage::memory::process::{Heard, Process};
use crate::storage::planted::{Counts, Planted};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use trygon_ids::{ObjectId, SegmentId, WorkerId};
use trygon_store_core::{
    Effect, FilePart, ObjectLocation, PartSource, RefuseCause, SpillLimits, StoreLimits, StoreTable, WritePart,
    WriterPool,
};

pub(super) const MIB: u64 = 1 << 20;
/// How long a request waits for space.
pub(super) const WAIT_MS: u64 = 10_000;
/// How long when the disk is full.
const DISK_WAIT_MS: u64 = 2_000;

/// Nothing, or what is broken.
pub(super) type Held = Result<(), String>;

pub(super) fn worker(number: u8) -> WorkerId {
    WorkerId::new([number; 28])
}

pub(super) fn object(number: u64) -> ObjectId {
    let mut bytes = [9; ObjectId::LEN];
    bytes[..8].copy_from_slice(&number.to_be_bytes());
    ObjectId::new(bytes)
}

/// An object whose owner needs it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Known {
    pub(super) id: u64,
    pub(super) writer: u8,
    pub(super) owner: u8,
    pub(super) location: ObjectLocation,
}

/// Everything.
pub(super) struct World {
    pub(super) table: StoreTable,
    pub(super) now_ms: u64,
    pub(super) random: Random,
    pub(super) processes: BTreeMap<u8, Process>,
    pub(super) objects: Vec<Known>,
    /// What lies in memory, by its first byte: as the writers left it.
    pub(super) memory: BTreeMap<(SegmentId, u64), u64>,
    /// What lies in complete files: offset and object.
    pub(super) files: BTreeMap<u64, Vec<(u64, u64)>>,
    pub(super) writing: BTreeMap<u64, Vec<WritePart>>,
    pub(super) creating: Vec<SegmentId>,
    /// Requests that were not answered: when they were made.
    pub(super) asked: BTreeMap<(u8, u64), u64>,
    /// Segments that the system had no memory for.
    pub(super) not_made: u64,
    /// When a file was last written: who waits has reason to wait on.
    pub(super) written_ms: u64,
    /// Objects whose file could not be read.
    pub(super) lost: BTreeSet<u64>,
    /// Objects that are being sent to other nodes, and how many times.
    pub(super) sends: BTreeMap<u64, u32>,
    pub(super) next_id: u64,
    pub(super) counts: Counts,
}

impl World {
    pub(super) fn new(seed: u64, planted: Planted, capacity_bytes: u64, spill: SpillLimits, processes: u8) -> Self {
        let own = WorkerId::nil();
        let mut table = StoreTable::new(StoreLimits { capacity_bytes, wait_ms: WAIT_MS, node_number: 0, own, spill });
        table.set_defects(planted.store);
        let process = || {
            let mut pool = WriterPool::new();
            if planted.cuts_lines {
                pool.cut_lines();
            }
            Process { pool, ..Process::default() }
        };
        Self {
            table,
            now_ms: 0,
            random: Random::new(seed),
            processes: (1..=processes).map(|who| (who, process())).collect(),
            objects: Vec::new(),
            memory: BTreeMap::new(),
            files: BTreeMap::new(),
            writing: BTreeMap::new(),
            creating: Vec::new(),
            asked: BTreeMap::new(),
            not_made: 0,
            written_ms: 0,
            lost: BTreeSet::new(),
            sends: BTreeMap::new(),
            next_id: 0,
            counts: Counts::default(),
        }
    }

    /// Hands on what was decided, and checks everything.
    pub(super) fn after(&mut self, effects: Vec<Effect>) -> Held {
        self.counts.events += 1;
        for effect in effects {
            self.carry_out(effect)?;
        }
        self.check()
    }

    fn carry_out(&mut self, effect: Effect) -> Held {
        match effect {
            Effect::Create { segment, .. } => self.creating.push(segment),
            Effect::Grant { to, request_id, .. } => {
                self.note_answer(to, request_id)?;
                self.tell(to, effect)?;
            }
            Effect::Refuse { to, request_id, cause, .. } => {
                let asked_ms = self.note_answer(to, request_id)?;
                self.check_refusal(self.now_ms.saturating_sub(asked_ms), cause)?;
                self.counts.refused += 1;
            }
            Effect::Watch { to, .. } => self.tell(to, effect)?,
            Effect::Reclaim { to, range } => {
                let ObjectLocation { segment, offset_bytes, size_bytes } = range;
                self.check_unread(segment, offset_bytes, offset_bytes + size_bytes, Some(to))?;
                let mut read = self.writing.values().flatten().filter(|part| part.source == PartSource::Memory);
                if read.any(|part| part.location == range) {
                    return Err(format!("SPILL-STORE-2: {range:?} is given back while it is written into a file"));
                }
                self.tell(to, effect)?;
            }
            Effect::Write { file, parts } => {
                if self.writing.insert(file, parts).is_some() {
                    return Err(format!("SPILL-STORE-1: file {file} is written twice"));
                }
            }
            Effect::DeleteFile { file } => {
                if self.files.remove(&file).is_none() {
                    return Err(format!("SPILL-STORE-3: there is no file {file} to delete"));
                }
            }
            Effect::Trim { segment, ranges } => {
                for (start, len) in ranges {
                    self.check_unread(segment, start, start + len, None)?;
                    self.erase(segment, start, start + len);
                }
            }
            Effect::Release { segment, erase } => {
                self.check_unused(segment, 0, u64::MAX)?;
                if erase {
                    self.check_unread(segment, 0, u64::MAX, None)?;
                    self.erase(segment, 0, u64::MAX);
                }
                self.creating.retain(|created| *created != segment);
            }
            Effect::Map { .. } => {}
        }
        Ok(())
    }

    fn tell(&mut self, to: WorkerId, effect: Effect) -> Held {
        let Some(process) = self.processes.get_mut(&to.as_bytes()[0]) else {
            return Err(format!("STORE-3: a dead process is to hear {effect:?}"));
        };
        process.inbox.push_back(Heard::Effect(effect));
        Ok(())
    }

    /// STORE-4: every request is answered once. When it was made.
    fn note_answer(&mut self, to: WorkerId, request_id: u64) -> Result<u64, String> {
        let asked_ms = self.asked.remove(&(to.as_bytes()[0], request_id));
        asked_ms.ok_or_else(|| format!("STORE-4: request {request_id} of {to:?} is answered, and nobody waits for it"))
    }

    /// STORE-4: a full store is not an error at once.
    fn check_refusal(&self, waited_ms: u64, cause: RefuseCause) -> Held {
        let is_early = match cause {
            RefuseCause::Full => waited_ms < WAIT_MS,
            RefuseCause::DiskFull => waited_ms < DISK_WAIT_MS,
            RefuseCause::TooLarge => self.not_made == 0,
        };
        if is_early { Err(format!("STORE-4: a request is refused after {waited_ms} ms: {cause:?}")) } else { Ok(()) }
    }

    pub(super) fn erase(&mut self, segment: SegmentId, start: u64, end: u64) {
        self.memory.retain(|(held, offset), _| *held != segment || *offset < start || *offset >= end);
    }

    /// The oldest segment that is to be made is there, or the system has no memory for it.
    pub(super) fn create(&mut self, is_made: bool) -> Held {
        if self.creating.is_empty() {
            return Ok(());
        }
        let segment = self.creating.remove(0);
        let mut effects = Vec::new();
        if is_made {
            self.table.on_created(segment, &mut effects);
        } else {
            self.not_made += 1;
            self.table.on_create_failed(segment, self.now_ms, &mut effects);
        }
        self.after(effects)
    }

    /// The oldest file is complete, or could not be written.
    pub(super) fn end_write(&mut self, is_written: bool) -> Held {
        let Some((file, parts)) = self.writing.pop_first() else { return Ok(()) };
        let mut effects = Vec::new();
        if is_written {
            let (mut offset, mut content) = (0, Vec::new());
            for part in parts {
                let ObjectLocation { segment, offset_bytes, size_bytes } = part.location;
                let bytes = match part.source {
                    PartSource::Memory => self.memory.get(&(segment, offset_bytes)).copied(),
                    PartSource::File(old) => self.content(old),
                };
                content.extend(bytes.map(|id| (offset, id)));
                offset += size_bytes;
            }
            self.files.insert(file, content);
            self.written_ms = self.now_ms;
            self.counts.files += 1;
            self.table.on_written(file, self.now_ms, &mut effects);
        } else {
            self.table.on_write_failed(file, self.now_ms, &mut effects);
        }
        self.after(effects)
    }

    pub(super) fn content(&self, part: FilePart) -> Option<u64> {
        let file = self.files.get(&part.file)?;
        file.iter().find(|(offset, _)| *offset == part.offset_bytes).map(|(_, id)| *id)
    }

    pub(super) fn tick(&mut self) -> Held {
        let mut effects = Vec::new();
        self.table.on_tick(self.now_ms, &mut effects);
        self.after(effects)?;
        self.check_after_tick()
    }

    /// Everything that is on its way arrives, for as long as anything is.
    pub(super) fn settle(&mut self) -> Held {
        for _ in 0..200 {
            self.now_ms += 20;
            while !self.creating.is_empty() {
                self.create(true)?;
            }
            for who in self.processes.keys().copied().collect::<VecDeque<u8>>() {
                while self.processes.get(&who).is_some_and(|process| !process.is_quiet()) {
                    self.deliver(who, true)?;
                    self.deliver(who, false)?;
                }
                if self.table.has_waiting() {
                    self.give_back(who)?;
                }
            }
            self.end_write(true)?;
            self.tick()?;
            let is_quiet = self.processes.values().all(Process::is_quiet);
            if self.creating.is_empty() && self.writing.is_empty() && !self.table.has_waiting() && is_quiet {
                break;
            }
        }
        Ok(())
    }
}
