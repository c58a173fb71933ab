//! Actors whose processes died in their constructors again and again: each rests before its next life is placed, longer each time.

use std::collections::{BTreeMap, BTreeSet};
use trygon_ids::ActorId;

/// Who rests until when.
#[derive(Debug, Default, serde::Serialize, serde::Deserialize)]
pub(super) struct Resting {
    by_actor: BTreeMap<ActorId, u64>,
    by_time: BTreeSet<(u64, ActorId)>,
}

impl Resting {
    pub(super) fn contains(&self, actor: ActorId) -> bool {
        self.by_actor.contains_key(&actor)
    }

    pub(super) fn actors(&self) -> impl Iterator<Item = ActorId> {
        self.by_actor.keys().copied()
    }

    /// When the first of them has rested.
    pub(super) fn first_us(&self) -> Option<u64> {
        self.by_time.first().map(|(until_us, _)| *until_us)
    }

    /// It does not rest any more.
    pub(super) fn remove(&mut self, actor: ActorId) {
        if let Some(until_us) = self.by_actor.remove(&actor) {
            self.by_time.remove(&(until_us, actor));
        }
    }

    pub(super) fn insert(&mut self, actor: ActorId, until_us: u64) {
        self.remove(actor);
        self.by_actor.insert(actor, until_us);
        self.by_time.insert((until_us, actor));
    }

    pub(super) fn take_due(&mut self, now_us: u64) -> Option<ActorId> {
        let (until_us, actor) = self.by_time.first().copied().filter(|(until_us, _)| *until_us <= now_us)?;
        self.by_time.remove(&(until_us, actor));
        self.by_actor.remove(&actor);
        Some(actor)
    }
}
