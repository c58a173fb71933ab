//! Where files are kept: what every kind of place can do.

use std::io;

/// A place for files, which threads use side by side.
pub(crate) trait Storage: Send + Sync + std::fmt::Debug {
    /// The place's name, for people.
    fn name(&self) -> String;

    /// Free and total bytes, where that is known.
    fn room(&self) -> Option<(u64, u64)>;

    /// Begins a file of this size. Nobody finds it before it is finished; dropped before, it is not there.
    fn create(&self, file: u64, size_bytes: u64) -> io::Result<Box<dyn Incoming>>;

    /// Opens a file that was finished.
    fn open(&self, file: u64) -> io::Result<Box<dyn Stored>>;

    /// Deletes a file.
    fn delete(&self, file: u64) -> io::Result<()>;

    /// Removes everything of this session.
    fn clear(&self);
}

/// A file that is being written.
pub(crate) trait Incoming: Send {
    /// Appends all of `bytes`.
    fn append(&mut self, bytes: &[u8]) -> io::Result<()>;

    /// Nothing more comes.
    fn finish(self: Box<Self>) -> io::Result<()>;
}

/// A file that can be read.
pub(crate) trait Stored: Send + Sync + std::fmt::Debug {
    /// Fills `bytes` from the file.
    fn read_at(&self, bytes: &mut [u8], offset_bytes: u64) -> io::Result<()>;
}
