//! Who started the node and waits for it.

use crate::connection::Connection;
use std::time::Duration;

/// A node that is not registered after this was not started.
pub(crate) const START_LIMIT: Duration = Duration::from_secs(30);

/// The command that started the node and waits for it.
#[derive(Debug)]
pub(crate) struct Starter {
    pub(crate) connection: Connection,
    pub(crate) until_ms: u64,
    /// What went wrong last.
    pub(crate) trouble: String,
}

impl Starter {
    /// It waits from now on.
    pub(crate) fn new(connection: Connection, now_ms: u64) -> Self {
        let limit_ms = u64::try_from(START_LIMIT.as_millis()).unwrap_or(u64::MAX);
        Self { connection, until_ms: now_ms + limit_ms, trouble: "it does not answer".to_owned() }
    }
}
