//! Which file lies where, and the checksums of what is in it.

use crate::spill::BLOCK_BYTES;
use crate::spill::events::{SpillEvent, SpillReporter};
use crate::spill::storage::{Storage, Stored};
use parking_lot::Mutex;
use std::collections::HashMap;
use std::sync::Arc;
use trygon_ids::ObjectId;
use trygon_store_core::{FilePart, ObjectLocation};
use xxhash_rust::xxh3::xxh3_64;

/// A file that is complete.
#[derive(Debug)]
struct Known {
    place: usize,
    /// Of each object, by its offset: the checksums of its blocks.
    checksums: HashMap<u64, Arc<[u64]>>,
}

/// All files. Shared by the loop and the threads.
#[derive(Debug)]
pub(crate) struct Catalogue {
    pub(crate) places: Vec<Arc<dyn Storage>>,
    /// A lock, because files are finished, read and deleted by different threads. Held for look-ups only.
    known: Mutex<HashMap<u64, Known>>,
}

impl Catalogue {
    pub(crate) fn new(places: Vec<Arc<dyn Storage>>) -> Self {
        Self { places, known: Mutex::new(HashMap::new()) }
    }

    pub(crate) fn add(&self, file: u64, place: usize, checksums: HashMap<u64, Arc<[u64]>>) {
        self.known.lock().insert(file, Known { place, checksums });
    }

    pub(crate) fn delete(&self, file: u64) {
        let known = self.known.lock().remove(&file);
        if let Some(place) = known.and_then(|known| self.places.get(known.place)) {
            // What somebody else has removed need not be; what cannot be removed goes with the session.
            let _ = place.delete(file);
        }
    }

    /// Opens an object's file.
    pub(crate) fn open(&self, part: FilePart, size_bytes: u64) -> Result<OpenPart, String> {
        let known = self.known.lock();
        let found = known.get(&part.file).and_then(|file| Some((file.place, file.checksums.get(&part.offset_bytes)?)));
        let (place, checksums) = found.map(|(place, sums)| (place, sums.clone())).ok_or("its file was deleted")?;
        drop(known);
        let storage = self.places.get(place).ok_or("its folder is not known")?;
        let stored = storage.open(part.file, part.offset_bytes..part.offset_bytes.saturating_add(size_bytes));
        let stored = stored.map_err(|error| format!("its file {} in {}: {error}", part.file, storage.name()))?;
        Ok(OpenPart {
            stored,
            checksums,
            offset_bytes: part.offset_bytes,
            size_bytes,
            place: storage.name(),
            file: part.file,
        })
    }
}

/// An object in a file that was opened.
#[derive(Debug)]
pub(crate) struct OpenPart {
    stored: Box<dyn Stored>,
    checksums: Arc<[u64]>,
    offset_bytes: u64,
    pub(crate) size_bytes: u64,
    place: String,
    file: u64,
}

impl OpenPart {
    /// Reads one block, which begins at a multiple of the block's size.
    pub(crate) fn read_block(&self, start_bytes: u64, bytes: &mut [u8]) -> Result<(), String> {
        let read = self.stored.read_at(bytes, self.offset_bytes + start_bytes);
        read.map_err(|error| format!("its file {} in {}: {error}", self.file, self.place))?;
        let expected = self.checksums.get((start_bytes / BLOCK_BYTES) as usize);
        if expected != Some(&xxh3_64(bytes)) {
            return Err(format!("its file {} in {} was changed", self.file, self.place));
        }
        Ok(())
    }
}

/// An object in a file, to be sent to another node from there.
#[derive(Debug)]
pub(crate) struct SpilledBytes {
    pub(crate) object: ObjectId,
    pub(crate) location: ObjectLocation,
    pub(crate) part: FilePart,
    pub(crate) catalogue: Arc<Catalogue>,
    pub(crate) reporter: SpillReporter,
}

impl SpilledBytes {
    /// Opens the file, or says to the loop why not.
    pub(crate) fn open(&self) -> Option<OpenPart> {
        self.told(self.catalogue.open(self.part, self.location.size_bytes))
    }

    /// A block of the object; `None` when it cannot be read, which the loop is told.
    pub(crate) fn block(&self, opened: &OpenPart, start_bytes: u64, bytes: &mut [u8]) -> Option<()> {
        self.told(opened.read_block(start_bytes, bytes))
    }

    fn told<T>(&self, read: Result<T, String>) -> Option<T> {
        read.inspect_err(|reason| {
            let Self { object, location, part, .. } = *self;
            self.reporter.report(SpillEvent::Unreadable { object, location, part, reason: reason.clone() });
        })
        .ok()
    }
}
