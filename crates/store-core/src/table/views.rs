//! Where an object lies, for people who ask.

use crate::table::location::ObjectLocation;
use crate::table::spill_state::FilePart;
use crate::table::state::{Life, StoreTable};
use trygon_ids::ObjectId;

/// An object on this node. Two attempts of a task may both have sealed its result.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ObjectView {
    /// The object.
    pub object: ObjectId,
    /// Where it lies, or lay, in memory.
    pub location: ObjectLocation,
    /// Whether it is in memory.
    pub is_in_memory: bool,
    /// The daemon made it: a copy of another node's.
    pub is_copy: bool,
    /// Its place in a file, when it is in one only.
    pub part: Option<FilePart>,
    /// Processes that have its memory mapped, without its writer.
    pub readers: usize,
    /// Its owner is dead.
    pub is_held_for_readers: bool,
    /// Somebody looks at it.
    pub is_looked_at: bool,
}

impl StoreTable {
    /// Where an object lies. Looks through all objects: for people, not for programs.
    pub fn find(&self, wanted: &ObjectId) -> Vec<ObjectView> {
        let mut found = Vec::new();
        for (segment, entry) in &self.segments {
            for (offset_bytes, object) in entry.objects.iter().filter(|(_, object)| object.id == *wanted) {
                let location =
                    ObjectLocation { segment: *segment, offset_bytes: *offset_bytes, size_bytes: object.size_bytes };
                found.push(ObjectView {
                    object: object.id,
                    location,
                    is_in_memory: true,
                    is_copy: entry.writer == Some(self.limits.own),
                    part: None,
                    readers: entry.readers.len(),
                    is_held_for_readers: object.life == Life::HeldForReaders,
                    is_looked_at: entry.watch.as_ref().is_some_and(|watch| watch.is_looked_at(*offset_bytes)),
                });
            }
        }
        let spilled = self.spill.spilled.iter().filter(|((_, _, object), _)| object == wanted);
        found.extend(spilled.map(|(&(segment, offset_bytes, object), spilled)| ObjectView {
            object,
            location: ObjectLocation { segment, offset_bytes, size_bytes: spilled.size_bytes },
            is_in_memory: false,
            is_copy: false,
            part: spilled.part,
            readers: 0,
            is_held_for_readers: false,
            is_looked_at: false,
        }));
        found
    }
}
