//! Large values: each once, in a file with the name of its content, removed when nothing refers to it any more.

use crate::storage::file::folder::{BLOBS, write};
use crate::storage::large::{Digest, Known, digest_of, from_hex, hex};
use std::io;
use std::path::{Path, PathBuf};

/// The values in the folder.
#[derive(Debug)]
pub(super) struct Blobs {
    folder: PathBuf,
    pub(super) known: Known,
}

impl Blobs {
    /// Those that are there.
    pub(super) fn open(folder: &Path) -> io::Result<Self> {
        let folder = folder.join(BLOBS);
        let mut found = Vec::new();
        for entry in std::fs::read_dir(&folder)? {
            found.extend(entry?.file_name().to_str().and_then(from_hex));
        }
        Ok(Self { folder, known: Known::found(found.into_iter()) })
    }

    /// A value; an error that names its file when it is not there as it was written.
    pub(super) fn read(&self, digest: &Digest) -> Result<Vec<u8>, String> {
        let path = self.folder.join(hex(digest));
        let bytes = std::fs::read(&path).map_err(|error| format!("{}: {error}", path.display()))?;
        if digest_of(&bytes) == *digest {
            Ok(bytes)
        } else {
            Err(format!("{} has {} bytes that are not those that were written", path.display(), bytes.len()))
        }
    }

    /// Keeps values to which these events refer, or 0 for those of a snapshot; on return they are on the disk.
    pub(super) fn keep<'a>(&mut self, values: impl Iterator<Item = (u64, Digest, &'a [u8])>) -> io::Result<()> {
        for (index, digest, bytes) in values {
            if !self.known.has(&digest) {
                write(&self.folder, &hex(&digest), &[bytes], || {})?;
            }
            self.known.note(digest, index);
        }
        Ok(())
    }

    /// Removes what no snapshot that is kept refers to, and no event behind `through`.
    pub(super) fn collect(&mut self, through: u64) {
        for digest in self.known.take_unused(through) {
            // A file that stays takes room until the next start, nothing else.
            let _ = std::fs::remove_file(self.folder.join(hex(&digest)));
        }
    }
}
