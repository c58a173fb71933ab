//! Keeps the journal in a folder: what a head does unless told otherwise.
//!
//! ```text
//! FOLDER/holder                  whose the folder is: locked, with a number that grows whenever it is taken over
//! FOLDER/journal-<base>          events behind the event <base>, a frame for each append (`frame.rs`)
//! FOLDER/snapshot-<through>      the state after the event <through>
//! FOLDER/blobs/<sha-256>         large values, each once, whatever refers to them
//! FOLDER/damaged-<file>-<byte>   what was cut off a journal, for whoever wants to look at it
//! ```
//!
//! One append is one write and one sync. With a snapshot a new journal begins; the snapshot before it and the events since are kept
//! until the next one, so that a snapshot that cannot be read loses nothing.

mod blobs;
mod errors;
mod faults;
mod folder;
mod frame;
mod held;
mod load;
mod open_journal;
mod snapshot;

use crate::storage::{Large, Loaded, Record, Storage, StorageError};
use errors::{place, translate};
use faults::Faults;
use held::Held;
use std::io;
use std::path::PathBuf;

/// The journal in a folder.
#[derive(Debug)]
pub struct FileStorage {
    folder: PathBuf,
    faults: Faults,
    /// `None` before `load`.
    held: Option<Held>,
}

impl FileStorage {
    /// The journal in this folder, which is made at the first use, readable by nobody else.
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        Self { folder: folder.into(), faults: Faults::default(), held: None }
    }

    fn translate(&self, error: &io::Error) -> StorageError {
        translate(&self.folder, error)
    }

    /// The same, ending the process at chosen moments: for tests.
    pub(crate) fn with_faults(self, words: &str) -> Self {
        Self { faults: Faults::read(words), ..self }
    }

    /// What is held, if it is still this process that holds it.
    fn held(&mut self) -> Result<&mut Held, StorageError> {
        let folder = &self.folder;
        let Some(held) = &mut self.held else {
            let message = "nothing was read from it yet".to_owned();
            return Err(StorageError::Refused { place: place(folder), message });
        };
        held.holder.check(folder)?;
        Ok(held)
    }
}

impl Storage for FileStorage {
    fn place(&self) -> String {
        place(&self.folder)
    }

    fn load(&mut self) -> Result<Loaded, StorageError> {
        let (held, loaded) = load::load(&self.folder)?;
        self.held = Some(held);
        Ok(loaded)
    }

    fn append(&mut self, records: &[Record]) -> Result<(), StorageError> {
        let Some(last) = records.last() else { return Ok(()) };
        let mut faults = std::mem::take(&mut self.faults);
        let result = self.held().map(|held| {
            let large = records.iter().filter_map(|record| Some((record.index, record.large.as_ref()?)));
            let kept = large.map(|(index, large)| (index, large.digest, large.bytes.as_slice()));
            held.blobs.keep(kept).and_then(|()| {
                held.journal.append(&frame::encode(held.journal.marker, records), &mut faults)?;
                held.last_index = last.index;
                Ok(())
            })
        });
        self.faults = faults;
        result?.map_err(|error| self.translate(&error))
    }

    fn snapshot(&mut self, through: u64, state: &[u8], large: &[Large<'_>]) -> Result<(), StorageError> {
        let (folder, mut faults) = (self.folder.clone(), std::mem::take(&mut self.faults));
        let result = self.held().map(|held| held.snapshot(&folder, through, state, large, &mut faults));
        self.faults = faults;
        result?.map_err(|error| self.translate(&error))
    }
}
