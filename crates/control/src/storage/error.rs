//! Why something could not be kept or read.

/// Why something could not be kept or read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum StorageError {
    /// There is no room.
    Full {
        /// What is full.
        place: String,
        /// What the system says.
        message: String,
    },
    /// Another process holds it.
    InUse {
        /// What is held.
        place: String,
    },
    /// Another process has taken over; this one may not write any more.
    Superseded {
        /// What was taken over.
        place: String,
    },
    /// What is there cannot be what was written.
    Corrupt {
        /// What is damaged.
        place: String,
        /// Which part, and how that is known.
        message: String,
    },
    /// It does not answer, or reading and writing fail at the moment.
    Unavailable {
        /// What does not answer.
        place: String,
        /// What the system says.
        message: String,
    },
    /// It cannot be used like this: an address that makes no sense, a wrong password, a format of another version.
    Refused {
        /// What refuses.
        place: String,
        /// Why.
        message: String,
    },
}

impl StorageError {
    /// Whether the same call may succeed later without anybody changing the cluster.
    pub fn is_temporary(&self) -> bool {
        matches!(self, Self::Full { .. } | Self::Unavailable { .. })
    }
}

impl std::fmt::Display for StorageError {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Full { place, message } => write!(
                formatter,
                "{place} has no room for the control service's journal ({message}); nothing was changed, free some space and it goes on"
            ),
            Self::InUse { place } => write!(
                formatter,
                "{place} is in use by another control service; stop that one (`trygon stop`) or give this one a place of its own"
            ),
            Self::Superseded { place } => write!(
                formatter,
                "another control service has taken over {place}; this one ends, so that no two decide for one cluster"
            ),
            Self::Corrupt { place, message } => write!(
                formatter,
                "{place} is damaged: {message}; put a backup in its place, or move it away to begin with an empty cluster"
            ),
            Self::Unavailable { place, message } => write!(
                formatter,
                "{place} cannot be used at the moment ({message}); the control service tries again and changes nothing meanwhile"
            ),
            Self::Refused { place, message } => write!(formatter, "{place} cannot be used: {message}"),
        }
    }
}

impl std::error::Error for StorageError {}
