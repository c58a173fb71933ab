//! Where files are kept: what every kind of place can do.

use std::io;
use std::ops::Range;

/// A place for files, which threads use side by side.
pub trait Storage: Send + Sync + std::fmt::Debug {
    /// The place's name, for people.
    fn name(&self) -> String;

    /// Free and total bytes, where that is known.
    fn room(&self) -> Option<(u64, u64)>;

    /// Begins a file of this size. Nobody finds it before it is finished; dropped before, it is not there.
    fn create(&self, file: u64, size_bytes: u64) -> io::Result<Box<dyn Incoming>>;

    /// Opens a file that was finished, to read these bytes of it, mostly from the first to the last.
    fn open(&self, file: u64, bytes: Range<u64>) -> io::Result<Box<dyn Stored>>;

    /// Deletes a file; where that takes long it goes on when this has returned.
    fn delete(&self, file: u64) -> io::Result<()>;

    /// The end: removes everything of this session, within seconds. Nothing can be written any more.
    fn clear(&self);
}

/// A file that is being written.
pub trait Incoming: Send {
    /// Appends all of `bytes`.
    fn append(&mut self, bytes: &[u8]) -> io::Result<()>;

    /// Nothing more comes. `progress` is called whenever some of what is left was written.
    fn finish(self: Box<Self>, progress: &mut dyn FnMut()) -> io::Result<()>;
}

/// A file that can be read.
pub trait Stored: Send + Sync + std::fmt::Debug {
    /// Fills `bytes` from the file.
    fn read_at(&self, bytes: &mut [u8], offset_bytes: u64) -> io::Result<()>;
}
