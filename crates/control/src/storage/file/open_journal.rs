//! The journal that is appended to.

use crate::storage::file::faults::{Faults, Point};
use crate::storage::file::folder::{name, write};
use crate::storage::file::frame::{HEADER_BYTES, header};
use rustix::rand::{GetRandomFlags, getrandom};
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::path::Path;

pub(super) const JOURNAL: &str = "journal-";

/// The journal that is appended to.
#[derive(Debug)]
pub(super) struct OpenJournal {
    pub(super) file: File,
    pub(super) marker: u64,
    /// Behind the last sound frame.
    pub(super) end: u64,
    /// There may be something behind `end` of an append that failed.
    pub(super) is_dirty: bool,
}

impl OpenJournal {
    /// Adds a frame; on return it is on the disk.
    pub(super) fn append(&mut self, bytes: &[u8], faults: &mut Faults) -> io::Result<()> {
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

/// A new journal, for events behind `base`.
pub(super) fn begin_journal(folder: &Path, base: u64) -> io::Result<OpenJournal> {
    let mut marker = [0; 8];
    getrandom(&mut marker, GetRandomFlags::empty())?;
    let marker = u64::from_le_bytes(marker);
    let file = write(folder, &name(JOURNAL, base), &[&header(base, marker)], || {})?;
    Ok(OpenJournal { file, marker, end: HEADER_BYTES as u64, is_dirty: false })
}
