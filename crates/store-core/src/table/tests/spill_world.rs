//! Processes, a disk and a daemon around a table that spills: messages wait in both directions, and every byte that somebody looks at is
//! checked after each step.

use super::env::{Env, at, object, worker};
use crate::{
    Effect, FilePart, Look, ObjectLocation, PartSource, Reserved, SpillLimits, StoreTable, WritePart, WriterPool,
};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use trygon_ids::SegmentId;

/// What a process says to the daemon.
#[derive(Debug, Clone)]
pub(super) enum Said {
    Request { least_bytes: u64 },
    Sealed { id: u8, location: ObjectLocation, owner: u8 },
    Freed { id: u8, location: ObjectLocation, reclaimed: bool },
    Watched { segment: SegmentId, offsets: Vec<u64> },
    Pull { id: u8, location: ObjectLocation },
    Released { id: u8 },
    EarlyLookEnded { segment: SegmentId, offset_bytes: u64 },
}

/// What the daemon says to a process.
#[derive(Debug, Clone)]
pub(super) enum Heard {
    Effect(Effect),
    Found { id: u8, location: ObjectLocation, look: Look },
}

#[derive(Debug, Default)]
pub(super) struct Process {
    pub(super) pool: WriterPool,
    pub(super) mapped: BTreeSet<SegmentId>,
    pub(super) watched: BTreeSet<SegmentId>,
    /// Objects that are looked at, and where.
    pub(super) pins: BTreeMap<u8, ObjectLocation>,
    pub(super) early: BTreeSet<(SegmentId, u64)>,
    pub(super) inbox: VecDeque<Heard>,
    pub(super) outbox: VecDeque<Said>,
}

impl Process {
    /// Whether it looks at the object, or is about to: then it has a reference.
    fn needs(&self, wanted: u8) -> bool {
        let asks = self.outbox.iter().any(|said| matches!(said, Said::Pull { id, .. } if *id == wanted));
        let is_told = self.inbox.iter().any(|heard| matches!(heard, Heard::Found { id, .. } if *id == wanted));
        asks || is_told || self.pins.contains_key(&wanted)
    }
}

#[derive(Debug, Clone, Copy)]
pub(super) struct Known {
    pub(super) id: u8,
    pub(super) writer: u8,
    pub(super) owner: u8,
    pub(super) location: ObjectLocation,
}

pub(super) struct World {
    pub(super) table: StoreTable,
    pub(super) now_ms: u64,
    pub(super) processes: BTreeMap<u8, Process>,
    pub(super) objects: Vec<Known>,
    /// What lies in memory, by its first byte: as the writers left it.
    memory: BTreeMap<(SegmentId, u64), u8>,
    files: BTreeMap<u64, Vec<(u64, u8)>>,
    pub(super) writing: BTreeMap<u64, Vec<WritePart>>,
    next_id: u8,
    pub(super) restored: usize,
    pub(super) refused: usize,
}

impl World {
    pub(super) fn new(capacity_bytes: u64, limits: SpillLimits, processes: u8) -> Self {
        Self {
            table: Env::table_of(capacity_bytes, limits),
            now_ms: 0,
            processes: (1..=processes).map(|who| (who, Process::default())).collect(),
            objects: Vec::new(),
            memory: BTreeMap::new(),
            files: BTreeMap::new(),
            writing: BTreeMap::new(),
            next_id: 0,
            restored: 0,
            refused: 0,
        }
    }

    fn process(&mut self, who: u8) -> &mut Process {
        self.processes.get_mut(&who).expect("alive")
    }

    /// Hands on what was decided.
    fn after(&mut self, effects: Vec<Effect>) {
        let mut queue = VecDeque::from(effects);
        while let Some(effect) = queue.pop_front() {
            match effect {
                Effect::Create { segment, .. } => {
                    let mut more = Vec::new();
                    self.table.on_created(segment, &mut more);
                    queue.extend(more);
                }
                Effect::Grant { to, .. } | Effect::Reclaim { to, .. } | Effect::Watch { to, .. } => {
                    if let Effect::Reclaim { range, .. } = effect {
                        let parts = self.writing.values().flatten();
                        let mut read = parts.filter(|part| part.source == PartSource::Memory);
                        assert!(!read.any(|part| part.location == range), "SPILL-STORE-2: {range:?} is being written");
                    }
                    if let Some(process) = self.processes.get_mut(&to.as_bytes()[0]) {
                        process.inbox.push_back(Heard::Effect(effect));
                    }
                }
                Effect::Refuse { .. } => self.refused += 1,
                Effect::Write { file, parts } => {
                    assert!(self.writing.insert(file, parts).is_none(), "file {file} is written twice");
                }
                Effect::DeleteFile { file } => assert!(self.files.remove(&file).is_some(), "no file {file}"),
                Effect::Release { segment, .. } => self.memory.retain(|(held, _), _| *held != segment),
                Effect::Trim { segment, ranges } => self.memory.retain(|(held, offset), _| {
                    *held != segment || !ranges.iter().any(|(start, len)| offset >= start && *offset < start + len)
                }),
                Effect::Map { .. } => {}
            }
        }
        self.check();
    }

    /// STORE-2, SPILL-STORE-2: what somebody looks at is where it was.
    fn check(&self) {
        self.table.sanity_check().expect("the invariants hold");
        for (who, process) in &self.processes {
            for (id, location) in &process.pins {
                let there = self.memory.get(&(location.segment, location.offset_bytes));
                assert_eq!(there, Some(id), "{who} looks at {id} in {location:?}");
            }
        }
    }

    /// The daemon handles what a process said, or the process what the daemon said; oldest first.
    pub(super) fn deliver(&mut self, who: u8, to_daemon: bool) {
        let Some(process) = self.processes.get_mut(&who) else { return };
        if to_daemon {
            if let Some(said) = process.outbox.pop_front() {
                self.hear(who, said);
            }
        } else if let Some(heard) = process.inbox.pop_front() {
            self.tell(who, heard);
        }
        self.check();
    }

    fn hear(&mut self, who: u8, said: Said) {
        let (from, now_ms, mut effects) = (worker(who), self.now_ms, Vec::new());
        match said {
            Said::Request { least_bytes } => {
                self.table.on_segment_request(from, 0, least_bytes, now_ms, &mut effects);
            }
            Said::Sealed { id, location, owner } => {
                let sealed = self.table.on_sealed(from, object(id), location, worker(owner), &mut effects);
                sealed.expect("the pool gives what is free");
            }
            Said::Freed { id, location, reclaimed } => {
                self.table.on_freed(from, object(id), location, reclaimed, now_ms, &mut effects);
            }
            Said::Watched { segment, offsets } => {
                self.table.on_watched(from, segment, &offsets, now_ms, &mut effects);
            }
            Said::Pull { id, location } => {
                let look = self.table.on_look(from, &object(id), &location, &mut effects);
                self.process(who).inbox.push_back(Heard::Found { id, location, look });
            }
            Said::Released { id } => self.table.on_look_ended(from, &object(id), now_ms, &mut effects),
            Said::EarlyLookEnded { segment, offset_bytes } => {
                self.table.on_early_look_ended(from, segment, offset_bytes, now_ms, &mut effects);
            }
        }
        self.after(effects);
    }

    fn tell(&mut self, who: u8, heard: Heard) {
        let now_ms = self.now_ms;
        let process = self.process(who);
        match heard {
            Heard::Effect(Effect::Grant { segment, size_bytes, .. }) => {
                assert!(process.pool.add_segment(segment, size_bytes, now_ms));
            }
            Heard::Effect(Effect::Reclaim { range, .. }) => {
                assert!(process.pool.free(range.segment, range.offset_bytes, range.size_bytes, now_ms), "{range:?}");
                let pins = process.pins.values();
                assert!(!pins.into_iter().any(|pin| *pin == range), "{who} looks at what it gets back");
            }
            Heard::Effect(Effect::Watch { segment, .. }) => {
                process.watched.insert(segment);
                let pinned = process.pins.values().filter(|pin| pin.segment == segment);
                let offsets: Vec<u64> = pinned.map(|pin| pin.offset_bytes).collect();
                process.early.extend(offsets.iter().map(|offset| (segment, *offset)));
                process.outbox.push_back(Said::Watched { segment, offsets });
            }
            Heard::Found { id, location, look } => {
                let is_known = self.objects.iter().any(|known| known.id == id && known.location == location);
                match look {
                    Look::Here if is_known => {
                        self.process(who).pins.insert(id, location);
                    }
                    Look::Here => self.process(who).outbox.push_back(Said::Released { id }),
                    // Whether it was freed meanwhile is the owner's matter.
                    Look::InFile(part) if is_known && self.is_in_file(&object(id), &location) => {
                        let now_in = self.table.in_file(&object(id), &location).unwrap_or(part);
                        assert_eq!(self.content(now_in), Some(id), "{id} is not in its file");
                        self.restored += 1;
                    }
                    Look::InFile(_) => {}
                    Look::Gone | Look::Unreadable => assert!(!is_known, "{id} is nowhere"),
                }
            }
            Heard::Effect(other) => panic!("{other:?}"),
        }
    }

    fn is_in_file(&self, id: &trygon_ids::ObjectId, location: &ObjectLocation) -> bool {
        self.table.in_file(id, location).is_some()
    }

    fn content(&self, part: FilePart) -> Option<u8> {
        let file = self.files.get(&part.file)?;
        file.iter().find(|(offset, _)| *offset == part.offset_bytes).map(|(_, id)| *id)
    }

    pub(super) fn put(&mut self, writer: u8, owner: u8, len: u64) {
        let Some(process) = self.processes.get_mut(&writer) else { return };
        match process.pool.reserve(len) {
            Reserved::NeedSegment { size_bytes } => {
                process.outbox.push_back(Said::Request { least_bytes: size_bytes });
            }
            Reserved::Range { segment, offset_bytes } => {
                self.next_id = self.next_id.wrapping_add(1).max(1);
                let (id, location) = (self.next_id, at(segment.0, offset_bytes, len));
                self.objects.retain(|known| known.id != id || known.location == location);
                self.memory.insert((segment, offset_bytes), id);
                self.objects.push(Known { id, writer, owner, location });
                self.process(writer).outbox.push_back(Said::Sealed { id, location, owner });
            }
        }
    }

    /// The owner needs it no more, and nobody looks at it.
    pub(super) fn free(&mut self, index: usize) {
        let known = self.objects[index];
        if self.processes.values().any(|process| process.needs(known.id)) {
            return;
        }
        self.objects.swap_remove(index);
        let now_ms = self.now_ms;
        let Some(owner) = self.processes.get_mut(&known.owner) else { return };
        let ObjectLocation { segment, offset_bytes, size_bytes } = known.location;
        let takes = known.owner == known.writer && !owner.watched.contains(&segment);
        let reclaimed = takes && owner.pool.free(segment, offset_bytes, size_bytes, now_ms);
        owner.outbox.push_back(Said::Freed { id: known.id, location: known.location, reclaimed });
    }

    /// A process looks at an object: at once where it may, else it asks.
    pub(super) fn look(&mut self, who: u8, index: usize) {
        let Known { id, writer, location, .. } = self.objects[index];
        let segment = location.segment;
        // The reference came after the daemon knew of the object (OWN-8).
        while self.processes.get(&writer).is_some_and(|process| !process.outbox.is_empty()) {
            self.deliver(writer, true);
        }
        let process = self.process(who);
        if process.needs(id) {
            return;
        }
        if !process.mapped.contains(&segment) && who != writer {
            while !self.process(who).outbox.is_empty() {
                self.deliver(who, true);
            }
            let mut effects = Vec::new();
            self.table.on_segment_map(worker(who), segment, &mut effects);
            let Some(Effect::Map { size_bytes, watched, .. }) = effects.pop() else { panic!("no answer") };
            while !self.process(who).inbox.is_empty() {
                self.deliver(who, false);
            }
            let process = self.process(who);
            process.mapped.insert(segment);
            if watched || size_bytes == 0 {
                process.watched.insert(segment);
            }
        }
        let process = self.process(who);
        if process.watched.contains(&segment) {
            process.outbox.push_back(Said::Pull { id, location });
        } else {
            process.pins.insert(id, location);
        }
        self.check();
    }

    /// A process looks no more.
    pub(super) fn look_away(&mut self, who: u8, id: u8) {
        let Some(process) = self.processes.get_mut(&who) else { return };
        let Some(location) = process.pins.remove(&id) else { return };
        if process.early.remove(&(location.segment, location.offset_bytes)) {
            let ObjectLocation { segment, offset_bytes, .. } = location;
            process.outbox.push_back(Said::EarlyLookEnded { segment, offset_bytes });
        }
        process.outbox.push_back(Said::Released { id });
    }

    /// The oldest file is complete, or could not be written.
    pub(super) fn end_write(&mut self, is_written: bool) {
        let Some((file, parts)) = self.writing.pop_first() else { return };
        let mut effects = Vec::new();
        if is_written {
            let mut offset = 0;
            let mut content = Vec::new();
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
            self.table.on_written(file, self.now_ms, &mut effects);
        } else {
            self.table.on_write_failed(file, self.now_ms, &mut effects);
        }
        self.after(effects);
    }

    /// Empty segments go back, as they do when somebody waits for memory.
    pub(super) fn give_back(&mut self, who: u8) {
        let now_ms = self.now_ms;
        let Some(process) = self.processes.get_mut(&who) else { return };
        let idle = process.pool.idle_segments(now_ms + 10, 0);
        while !self.process(who).outbox.is_empty() {
            self.deliver(who, true);
        }
        for segment in idle {
            let mut effects = Vec::new();
            self.table.on_segment_return(worker(who), segment, now_ms, &mut effects);
            self.after(effects);
        }
    }

    pub(super) fn tick(&mut self) {
        let mut effects = Vec::new();
        self.table.on_tick(self.now_ms, &mut effects);
        self.after(effects);
    }

    /// Everything that is on its way arrives, for as long as anything is.
    pub(super) fn settle(&mut self) {
        for _ in 0..200 {
            self.now_ms += 20;
            for who in self.processes.keys().copied().collect::<Vec<u8>>() {
                while !self.process(who).outbox.is_empty() || !self.process(who).inbox.is_empty() {
                    self.deliver(who, true);
                    self.deliver(who, false);
                }
                if self.table.has_waiting() {
                    self.give_back(who);
                }
            }
            self.end_write(true);
            self.tick();
            let is_quiet = |process: &Process| process.inbox.is_empty() && process.outbox.is_empty();
            if self.writing.is_empty() && !self.table.has_waiting() && self.processes.values().all(is_quiet) {
                return;
            }
        }
    }
}
