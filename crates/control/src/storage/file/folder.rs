//! The folder's files: made so that nobody finds half of one, and held by one process.

use crate::storage::StorageError;
use crate::storage::file::errors::{place, translate};
use rustix::fs::{FlockOperation, flock};
use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, ErrorKind, Write as _};
use std::os::unix::fs::{DirBuilderExt, FileExt, MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

const HOLDER: &str = "holder";
const NEW: &str = ".new";
/// Where large values are.
pub(super) const BLOBS: &str = "blobs";

/// That the folder is this process's.
#[derive(Debug)]
pub(super) struct Holder {
    /// Locked as long as it is open.
    file: File,
    number: u64,
}

impl Holder {
    /// Takes the folder over. The lock keeps others out; the number ends a holder whose lock was lost, as some network file systems do.
    pub(super) fn take(folder: &Path) -> Result<Self, StorageError> {
        let failed = |error: io::Error| translate(folder, &error);
        make_private(folder).map_err(failed)?;
        make_private(&folder.join(BLOBS)).map_err(failed)?;
        let mut options = OpenOptions::new();
        let path = folder.join(HOLDER);
        let file =
            options.read(true).write(true).create(true).truncate(false).mode(0o600).open(path).map_err(failed)?;
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => {}
            Err(rustix::io::Errno::WOULDBLOCK) => return Err(StorageError::InUse { place: place(folder) }),
            Err(error) => return Err(failed(error.into())),
        }
        let number = read_number(&file, 0).map_err(failed)?.wrapping_add(1);
        file.write_all_at(&number.to_le_bytes(), 0).and_then(|()| file.sync_data()).map_err(failed)?;
        Ok(Self { file, number })
    }

    /// The last journal that was begun is that of events behind `base`.
    pub(super) fn note_journal(&self, base: u64) -> io::Result<()> {
        self.file.write_all_at(&base.to_le_bytes(), 8)?;
        self.file.sync_data()
    }

    /// What `note_journal` was told last; 0 at the beginning.
    pub(super) fn last_journal(&self) -> io::Result<u64> {
        read_number(&self.file, 8)
    }

    /// Whether the folder is still there and still this process's; asked before each write.
    pub(super) fn check(&self, folder: &Path) -> Result<(), StorageError> {
        let failed = |error: io::Error| translate(folder, &error);
        let there = match std::fs::metadata(folder.join(HOLDER)) {
            Ok(there) => there,
            Err(error) if error.kind() == ErrorKind::NotFound => {
                let message = "it was removed while the control service used it".to_owned();
                return Err(StorageError::Corrupt { place: place(folder), message });
            }
            Err(error) => return Err(failed(error)),
        };
        let own = self.file.metadata().map_err(failed)?;
        let is_ours = (there.dev(), there.ino()) == (own.dev(), own.ino());
        if is_ours && read_number(&self.file, 0).map_err(failed)? == self.number {
            return Ok(());
        }
        Err(StorageError::Superseded { place: place(folder) })
    }
}

/// 0 in a new file.
fn read_number(file: &File, place: u64) -> io::Result<u64> {
    let mut bytes = [0; 8];
    match file.read_exact_at(&mut bytes, place) {
        Ok(()) => Ok(u64::from_le_bytes(bytes)),
        Err(error) if error.kind() == ErrorKind::UnexpectedEof => Ok(0),
        Err(error) => Err(error),
    }
}

/// Makes the folder if it is not there; nobody else may read what programs keep in the cluster.
fn make_private(folder: &Path) -> io::Result<()> {
    match DirBuilder::new().mode(0o700).create(folder) {
        Ok(()) => {
            if let Some(parent) = folder.parent().filter(|parent| !parent.as_os_str().is_empty()) {
                sync_folder(parent)?;
            }
            return Ok(());
        }
        Err(error) if error.kind() != ErrorKind::AlreadyExists => return Err(error),
        Err(_) => {}
    }
    let found = std::fs::metadata(folder)?;
    if !found.is_dir() {
        return Err(io::Error::new(ErrorKind::NotADirectory, "it is a file, and the journal is kept in a folder"));
    }
    if found.permissions().mode() & 0o077 != 0 {
        std::fs::set_permissions(folder, std::fs::Permissions::from_mode(0o700))?;
    }
    Ok(())
}

/// Makes a file with this content, or replaces it; on return it is on the disk. Nobody ever finds half of it.
pub(super) fn write(folder: &Path, name: &str, parts: &[&[u8]], before_it_counts: impl FnOnce()) -> io::Result<File> {
    let incoming = folder.join(format!("{name}{NEW}"));
    let written = write_parts(&incoming, parts);
    let file = written.inspect_err(|_| {
        // Room for others.
        let _ = std::fs::remove_file(&incoming);
    })?;
    before_it_counts();
    std::fs::rename(&incoming, folder.join(name))?;
    sync_folder(folder)?;
    Ok(file)
}

fn write_parts(path: &Path, parts: &[&[u8]]) -> io::Result<File> {
    let mut options = OpenOptions::new();
    let mut file = options.read(true).write(true).create(true).truncate(true).mode(0o600).open(path)?;
    for part in parts {
        file.write_all(part)?;
    }
    file.sync_all()?;
    Ok(file)
}

pub(super) fn sync_folder(folder: &Path) -> io::Result<()> {
    File::open(folder)?.sync_all()
}

/// The files whose names begin so, with the number that follows, the lowest first.
pub(super) fn numbered(folder: &Path, prefix: &str) -> io::Result<Vec<(u64, PathBuf)>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name();
        let number = name.to_str().and_then(|name| name.strip_prefix(prefix)?.parse().ok());
        found.extend(number.map(|number| (number, entry.path())));
    }
    found.sort();
    Ok(found)
}

/// Removes what a process left that ended while it wrote.
pub(super) fn sweep(folder: &Path) -> io::Result<()> {
    for folder in [folder.to_path_buf(), folder.join(BLOBS)] {
        for entry in std::fs::read_dir(folder)? {
            let path = entry?.path();
            if path.to_string_lossy().ends_with(NEW) {
                std::fs::remove_file(path)?;
            }
        }
    }
    Ok(())
}

/// The name of a file with a number.
pub(super) fn name(prefix: &str, number: u64) -> String {
    format!("{prefix}{number:020}")
}
