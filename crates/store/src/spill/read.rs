//! Reading an object back into memory.

use crate::client::RangeWriter;
use crate::spill::BLOCK_BYTES;
use crate::spill::catalogue::Catalogue;
use crate::spill::events::SpillEvent;
use std::time::Instant;
use trygon_ids::ObjectId;
use trygon_store_core::{FilePart, ObjectLocation};

/// An object to be read, and where it goes.
#[derive(Debug)]
pub(crate) struct Restore {
    pub(crate) object: ObjectId,
    pub(crate) attempt: u64,
    /// Where it was, by which it is known.
    pub(crate) location: ObjectLocation,
    pub(crate) part: FilePart,
    pub(crate) writer: RangeWriter,
}

impl Restore {
    pub(crate) fn run(self, catalogue: &Catalogue) -> SpillEvent {
        let began = Instant::now();
        let read = self.read(catalogue).map(|()| began.elapsed());
        let Self { object, attempt, location, part, .. } = self;
        SpillEvent::Restored { object, attempt, location, part, read }
    }

    fn read(&self, catalogue: &Catalogue) -> Result<(), String> {
        let opened = catalogue.open(self.part, self.location.size_bytes)?;
        for start in (0..opened.size_bytes).step_by(BLOCK_BYTES as usize) {
            let len = BLOCK_BYTES.min(opened.size_bytes - start);
            let filled = self.writer.fill(start, len, |bytes| opened.read_block(start, bytes));
            filled.ok_or("the room for it is too small")??;
        }
        Ok(())
    }
}
