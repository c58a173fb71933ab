//! Why a file could not be written, for people.

use std::io;

/// One place where it was tried.
#[derive(Debug, Clone)]
pub(crate) struct DiskFailure {
    /// The folder.
    pub(crate) place: String,
    /// Free and total bytes there, where that is known.
    pub(crate) room: Option<(u64, u64)>,
    /// What the system said, or which limit was reached.
    pub(crate) reason: String,
}

impl DiskFailure {
    pub(crate) fn new(place: String, room: Option<(u64, u64)>, error: &io::Error) -> Self {
        Self { place, room, reason: error.to_string() }
    }
}

impl std::fmt::Display for DiskFailure {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.room {
            Some((free, total)) => write!(
                formatter,
                "{} ({:.1} MB free of {:.1} MB: {})",
                self.place,
                free as f64 / 1e6,
                total as f64 / 1e6,
                self.reason
            ),
            None => write!(formatter, "{} ({})", self.place, self.reason),
        }
    }
}
