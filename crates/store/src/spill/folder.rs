//! Files in a folder of the file system.
//!
//! ```text
//! DIRECTORY/trygon-spill-<uid>-<random>/    0700, locked by the daemon as long as it lives
//!     lock
//!     <number>.objects                      0600
//!     <number>.incoming                     until it is complete
//! ```

use crate::spill::storage::{Incoming, Storage, Stored};
use parking_lot::Mutex;
use rustix::fs::FlockOperation;
use std::fs::{DirBuilder, File, OpenOptions};
use std::io::{self, BufWriter, Write};
use std::ops::Range;
use std::os::unix::fs::{DirBuilderExt, FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

/// Small objects are collected to writes of this size.
const BUFFER_BYTES: usize = 1 << 20;
/// What a session's folder is called, before the user's number.
pub(crate) const PREFIX: &str = "trygon-spill-";
/// The file in it that its daemon holds locked.
pub(crate) const LOCK: &str = "lock";

/// A folder of this session in a directory that was given. It is made with the first file.
#[derive(Debug)]
pub(crate) struct Folder {
    directory: PathBuf,
    name: String,
    disk_share: f64,
    /// The folder and its locked file, which stays open.
    made: OnceLock<(PathBuf, File)>,
    /// Held by the thread that makes it.
    making: Mutex<()>,
}

impl Folder {
    pub(crate) fn new(directory: &str, disk_share: f64) -> io::Result<Self> {
        let mut random = [0; 8];
        io::Read::read_exact(&mut File::open("/dev/urandom")?, &mut random)?;
        let random: String = random.iter().map(|byte| format!("{byte:02x}")).collect();
        let name = format!("{PREFIX}{}-{random}", rustix::process::getuid().as_raw());
        Ok(Self {
            directory: PathBuf::from(directory),
            name,
            disk_share,
            made: OnceLock::new(),
            making: Mutex::new(()),
        })
    }

    /// The folder; made if need be. Others find it only when it is locked.
    fn path(&self) -> io::Result<&Path> {
        if let Some((path, _)) = self.made.get() {
            return Ok(path);
        }
        let _making = self.making.lock();
        if let Some((path, _)) = self.made.get() {
            return Ok(path);
        }
        std::fs::create_dir_all(&self.directory)?;
        let (path, incoming) = (self.directory.join(&self.name), self.directory.join(format!(".{}", self.name)));
        match DirBuilder::new().mode(0o700).create(&incoming) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => return Err(error),
            _ => {}
        }
        let lock = OpenOptions::new().write(true).create(true).truncate(false).mode(0o600).open(incoming.join(LOCK))?;
        rustix::fs::flock(&lock, FlockOperation::NonBlockingLockExclusive)?;
        std::fs::rename(&incoming, &path)?;
        Ok(&self.made.get_or_init(|| (path, lock)).0)
    }

    fn file(&self, file: u64, ending: &str) -> io::Result<PathBuf> {
        Ok(self.path()?.join(format!("{file}.{ending}")))
    }
}

impl Storage for Folder {
    fn name(&self) -> String {
        self.directory.display().to_string()
    }

    fn room(&self) -> Option<(u64, u64)> {
        let found = rustix::fs::statvfs(&self.directory).ok()?;
        Some((found.f_bavail.saturating_mul(found.f_frsize), found.f_blocks.saturating_mul(found.f_frsize)))
    }

    fn create(&self, file: u64, size_bytes: u64) -> io::Result<Box<dyn Incoming>> {
        let path = self.file(file, "incoming")?;
        if let Some((free, total)) = self.room() {
            let kept = (total as f64 * (1.0 - self.disk_share)) as u64;
            if free.saturating_sub(size_bytes) < kept || free < size_bytes {
                let message = format!(
                    "{:.1} MB more would fill more than {:.0} % of the disk",
                    size_bytes as f64 / 1e6,
                    self.disk_share * 100.0
                );
                return Err(io::Error::new(io::ErrorKind::StorageFull, message));
            }
        }
        let opened = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path)?;
        let writer = BufWriter::with_capacity(BUFFER_BYTES, opened);
        let target = self.file(file, "objects")?;
        Ok(Box::new(IncomingFile { writer: Some(writer), path, target }))
    }

    fn open(&self, file: u64, _bytes: Range<u64>) -> io::Result<Box<dyn Stored>> {
        Ok(Box::new(StoredFile(File::open(self.file(file, "objects")?)?)))
    }

    fn delete(&self, file: u64) -> io::Result<()> {
        std::fs::remove_file(self.file(file, "objects")?)
    }

    fn clear(&self) {
        if let Some((path, _)) = self.made.get() {
            // What cannot be removed now is removed by the next daemon that uses the directory.
            let _ = std::fs::remove_dir_all(path);
        }
    }
}

struct IncomingFile {
    /// `None` once it is finished.
    writer: Option<BufWriter<File>>,
    path: PathBuf,
    target: PathBuf,
}

impl Incoming for IncomingFile {
    fn append(&mut self, bytes: &[u8]) -> io::Result<()> {
        match &mut self.writer {
            Some(writer) => writer.write_all(bytes),
            None => Err(io::ErrorKind::BrokenPipe.into()),
        }
    }

    fn finish(mut self: Box<Self>, _progress: &mut dyn FnMut()) -> io::Result<()> {
        if let Some(mut writer) = self.writer.take() {
            let flushed = writer.flush().and_then(|()| std::fs::rename(&self.path, &self.target));
            if flushed.is_err() {
                let _ = std::fs::remove_file(&self.path);
            }
            // What could not be written is not tried again.
            let _ = writer.into_parts();
            return flushed;
        }
        Ok(())
    }
}

impl Drop for IncomingFile {
    fn drop(&mut self) {
        if let Some(writer) = self.writer.take() {
            let _ = writer.into_parts();
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

#[derive(Debug)]
struct StoredFile(File);

impl Stored for StoredFile {
    fn read_at(&self, bytes: &mut [u8], offset_bytes: u64) -> io::Result<()> {
        self.0.read_exact_at(bytes, offset_bytes).map_err(|error| match error.kind() {
            io::ErrorKind::UnexpectedEof => io::Error::new(error.kind(), "the file is shorter than it was"),
            _ => error,
        })
    }
}
