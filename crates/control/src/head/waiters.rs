//! Actors that wait, by what they need: of those that need the same, one stands for all.

use std::collections::BTreeMap;
use trygon_control_core::ActorSpec;
use trygon_ids::ActorId;
use trygon_resources::ResourceSet;

/// Actors in the order in which they came, for each shape.
#[derive(Debug, Default, serde::Serialize, serde::Deserialize)]
pub(super) struct Waiters {
    by_shape: BTreeMap<ResourceSet, BTreeMap<u64, ActorId>>,
    turns: BTreeMap<ActorId, u64>,
    next: u64,
}

impl Waiters {
    pub(super) fn insert(&mut self, shape: &ResourceSet, actor: ActorId) {
        if self.turns.contains_key(&actor) {
            return;
        }
        self.next += 1;
        self.turns.insert(actor, self.next);
        match self.by_shape.get_mut(shape) {
            Some(line) => _ = line.insert(self.next, actor),
            None => _ = self.by_shape.insert(shape.clone(), BTreeMap::from([(self.next, actor)])),
        }
    }

    pub(super) fn remove(&mut self, shape: &ResourceSet, actor: ActorId) {
        let Some(turn) = self.turns.remove(&actor) else {
            return;
        };
        if let Some(line) = self.by_shape.get_mut(shape) {
            line.remove(&turn);
            if line.is_empty() {
                self.by_shape.remove(shape);
            }
        }
    }

    pub(super) fn contains(&self, actor: ActorId) -> bool {
        self.turns.contains_key(&actor)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.turns.is_empty()
    }

    /// What is needed, by how many.
    pub(super) fn shapes(&self) -> impl Iterator<Item = (&ResourceSet, usize)> {
        self.by_shape.iter().map(|(shape, line)| (shape, line.len()))
    }

    /// Those that need this, the first first.
    pub(super) fn of(&self, shape: &ResourceSet) -> impl Iterator<Item = ActorId> {
        self.by_shape.get(shape).into_iter().flat_map(|line| line.values().copied())
    }
}

/// What an actor needs at any time, by name: as the node will see it.
pub(super) fn shape(spec: &ActorSpec) -> ResourceSet {
    let mut shape = spec.placement.clone();
    for (name, amount) in spec.lifetime.iter() {
        if amount > shape.get(name) {
            shape.set(name, amount);
        }
    }
    shape
}
