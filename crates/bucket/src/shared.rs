//! What the parts of a place share.

use object_store::ObjectStore;
use object_store::path::Path;
use parking_lot::{Condvar, Mutex};
use std::sync::Arc;
use std::time::Duration;
use tokio::runtime::Handle;

/// What a session's keys begin with, behind the prefix that was given.
pub(crate) const SESSION: &str = "trygon-spill-";

/// How patient a place is.
#[derive(Debug, Clone, Copy)]
pub struct Limits {
    /// How long it is tried to read what a server does not give.
    pub read_patience: Duration,
}

/// What uploads, downloads and the place itself share.
#[derive(Debug)]
pub(crate) struct Shared {
    pub(crate) store: Arc<dyn ObjectStore>,
    pub(crate) driver: Handle,
    /// What this session's keys begin with.
    pub(crate) session: Path,
    pub(crate) limits: Limits,
    pub(crate) uploads: Uploads,
}

/// How many uploads there are, and whether there may be more.
#[derive(Debug, Default)]
pub(crate) struct Uploads {
    /// A lock: threads begin and end them. Held for moments.
    state: Mutex<(usize, bool)>,
    ended: Condvar,
}

impl Uploads {
    /// Counts one more; false at the end.
    pub(crate) fn begin(&self) -> bool {
        let mut state = self.state.lock();
        state.0 += usize::from(!state.1);
        !state.1
    }

    pub(crate) fn end(&self) {
        self.state.lock().0 -= 1;
        self.ended.notify_all();
    }

    pub(crate) fn is_closed(&self) -> bool {
        self.state.lock().1
    }

    /// No more of them; waits for those that there are.
    pub(crate) fn close(&self, limit: Duration) {
        let mut state = self.state.lock();
        state.1 = true;
        self.ended.wait_while_for(&mut state, |(count, _)| *count > 0, limit);
    }
}

impl Shared {
    pub(crate) fn key(&self, file: u64) -> Path {
        self.session.clone().join(format!("{file}.objects"))
    }
}
