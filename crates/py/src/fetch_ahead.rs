//! Objects of a list that are in files: asked for before they are looked at, and no longer waited for than `get` may take.

use crate::errors;
use crate::reference::ObjectRef;
use crate::session::Session;
use pyo3::prelude::*;
use std::collections::VecDeque;
use std::time::{Duration, Instant};
use trygon_ids::ObjectId;
use trygon_worker::Patience;
use trygon_worker::core::{Location, SmallBytes};

/// Objects that are asked for before the one that is looked at, and their bytes: more would take memory from those that were got already.
const MOST_AHEAD: usize = 8;
const MOST_AHEAD_BYTES: u64 = 64 << 20;

/// A value taken from the engine, to be decoded without its lock.
pub(crate) enum Fetched {
    Inline(SmallBytes),
    Stored(Location),
    Error(Box<[u8]>),
}

/// How long an object is waited for that has to come from a file or another node.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limit {
    /// The limit of the `get`, and when it is over.
    timeout: Option<(f64, Option<Instant>)>,
    /// For a task's argument, rather than for `get`.
    pub(crate) is_argument: bool,
}

impl Limit {
    pub(crate) fn new(timeout: Option<f64>) -> Self {
        let until =
            |seconds: f64| Duration::try_from_secs_f64(seconds).ok().and_then(|left| Instant::now().checked_add(left));
        // What may take no time at all is there, or it is not: a file counts as there.
        let timeout = timeout.filter(|seconds| *seconds > 0.0).map(|seconds| (seconds, until(seconds)));
        Self { timeout, is_argument: false }
    }

    pub(crate) fn of_argument() -> Self {
        Self { timeout: None, is_argument: true }
    }

    pub(crate) fn patience(self) -> Patience {
        match self.timeout {
            Some((_, Some(until))) => Patience::until(until.saturating_duration_since(Instant::now())),
            _ => Patience::for_ever(),
        }
    }

    pub(crate) fn exceeded(self, py: Python<'_>, object: &ObjectId) -> PyErr {
        let seconds = self.timeout.map_or(0.0, |(seconds, _)| seconds).to_string();
        let id = object.hex();
        let message = format!("ObjectRef({id}) is in a file, and was not read back after {seconds} s");
        errors::system(py, "get_timeout", &[("timeout", &seconds), ("message", &message)])
    }
}

/// What of a list is not asked for yet, and how much of what was asked for was not looked at.
pub(crate) struct Ahead {
    /// Of each item: the object, if it lies in a store.
    items: VecDeque<Option<(ObjectId, Location)>>,
    /// Sizes of items that were asked for; 0 for those that need not be.
    asked: VecDeque<u64>,
}

impl Ahead {
    /// Nothing has to be asked for.
    pub(crate) fn nothing() -> Self {
        Self { items: VecDeque::new(), asked: VecDeque::new() }
    }

    pub(crate) fn of(references: &[Bound<'_, ObjectRef>], fetched: &[Fetched]) -> Self {
        let items = references.iter().zip(fetched).map(|(reference, fetched)| match fetched {
            Fetched::Stored(location) => Some((reference.get().reference().object, *location)),
            Fetched::Inline(_) | Fetched::Error(_) => None,
        });
        Self { items: items.collect(), asked: VecDeque::new() }
    }

    /// The next item is about to be looked at: it and some behind it are asked for.
    pub(crate) fn next(&mut self, session: &Session) {
        let mut wanted = Vec::new();
        let mut bytes: u64 = self.asked.iter().sum();
        while self.asked.len() <= MOST_AHEAD && (self.asked.is_empty() || bytes < MOST_AHEAD_BYTES) {
            let Some(item) = self.items.pop_front() else { break };
            let size_bytes = item.map_or(0, |(_, location)| location.size_bytes);
            self.asked.push_back(size_bytes);
            bytes += size_bytes;
            wanted.extend(item);
        }
        self.asked.pop_front();
        if !wanted.is_empty() {
            session.runtime.fetch_ahead(&wanted);
        }
    }
}
