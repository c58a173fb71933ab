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
mod faults;
mod folder;
mod frame;
mod load;
mod snapshot;

use crate::storage::{Large, Loaded, Record, Storage, StorageError};
use blobs::Blobs;
use faults::{Faults, Point};
use folder::Holder;
use std::fs::File;
use std::io::{self, ErrorKind};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

/// The journal in a folder.
#[derive(Debug)]
pub struct FileStorage {
    folder: PathBuf,
    faults: Faults,
    /// `None` before `load`.
    held: Option<Held>,
}

/// What is known of the folder while it is held.
#[derive(Debug)]
struct Held {
    holder: Holder,
    journal: OpenJournal,
    /// The last event in the folder.
    last_index: u64,
    /// What the newest snapshot holds, and the one before it; 0 for the beginning, which needs none.
    snapshots: [u64; 2],
    blobs: Blobs,
}

/// The journal that is appended to.
#[derive(Debug)]
struct OpenJournal {
    file: File,
    marker: u64,
    /// Behind the last sound frame.
    end: u64,
    /// There may be something behind `end` of an append that failed.
    is_dirty: bool,
}

impl OpenJournal {
    /// Adds a frame; on return it is on the disk.
    fn append(&mut self, bytes: &[u8], faults: &mut Faults) -> io::Result<()> {
        if self.is_dirty {
            self.file.set_len(self.end)?;
            self.is_dirty = false;
        }
        faults.pass(Point::BeforeWrite);
        self.is_dirty = true;
        if faults.is_due(Point::HalfWrite) {
            self.file.write_all_at(&bytes[..bytes.len() / 2], self.end)?;
            faults.end();
        }
        self.file.write_all_at(bytes, self.end)?;
        faults.pass(Point::BeforeSync);
        self.file.sync_data()?;
        faults.pass(Point::AfterSync);
        self.end += bytes.len() as u64;
        self.is_dirty = false;
        Ok(())
    }
}

impl FileStorage {
    /// The journal in this folder, which is made at the first use, readable by nobody else.
    pub fn new(folder: impl Into<PathBuf>) -> Self {
        Self { folder: folder.into(), faults: Faults::from_environment(), held: None }
    }

    fn translate(&self, error: &io::Error) -> StorageError {
        translate(&self.folder, error)
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

fn place(folder: &Path) -> String {
    format!("the folder {}", folder.display())
}

fn corrupt(folder: &Path, message: String) -> StorageError {
    StorageError::Corrupt { place: place(folder), message }
}

/// What went wrong with the disk.
fn translate(folder: &Path, error: &io::Error) -> StorageError {
    let (place, message) = (place(folder), error.to_string());
    match error.kind() {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded | ErrorKind::FileTooLarge => {
            StorageError::Full { place, message: format!("{message}; {} bytes are free", folder::free_bytes(folder)) }
        }
        ErrorKind::PermissionDenied
        | ErrorKind::NotFound
        | ErrorKind::IsADirectory
        | ErrorKind::NotADirectory
        | ErrorKind::ReadOnlyFilesystem => StorageError::Refused { place, message },
        _ => StorageError::Unavailable { place, message },
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
        let result = self.held().and_then(|held| {
            let large = records.iter().filter_map(|record| Some((record.index, record.large.as_ref()?)));
            let kept = large.map(|(index, large)| (index, large.digest, large.bytes.as_slice()));
            let result = held.blobs.keep(kept).and_then(|()| {
                held.journal.append(&frame::encode(held.journal.marker, records), &mut faults)?;
                held.last_index = last.index;
                Ok(())
            });
            Ok(result)
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
