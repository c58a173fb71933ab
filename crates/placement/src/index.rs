//! Nodes in the order of what they have free, for each resource: so that a choice looks at few of many.

use crate::Seat;
use std::collections::{BTreeMap, BTreeSet};
use trygon_resources::{Amount, ResourceSet};

/// Every node has as much of this as what needs nothing asks for.
pub(crate) const NOTHING: &str = "";

/// The nodes that have one resource, by amount.
#[derive(Debug, Default, serde::Serialize, serde::Deserialize)]
pub(crate) struct Line {
    /// Less than half full.
    pub(crate) calm: BTreeSet<(Amount, u32)>,
    /// Fuller.
    pub(crate) busy: BTreeSet<(Amount, u32)>,
    /// By what they have in all.
    pub(crate) whole: BTreeSet<(Amount, u32)>,
}

/// All resources, and labels.
#[derive(Debug, Default, serde::Serialize, serde::Deserialize)]
pub(crate) struct Index {
    lines: BTreeMap<String, Line>,
    /// By key, then by value.
    labels: BTreeMap<String, BTreeMap<String, BTreeSet<u32>>>,
}

impl Index {
    /// A node can be picked.
    pub(crate) fn insert(&mut self, place: u32, seat: &Seat) {
        for name in names(&seat.state.total) {
            let line = self.lines.entry(name.to_owned()).or_default();
            let amounts = if seat.is_calm() { &mut line.calm } else { &mut line.busy };
            amounts.insert((seat.available.get(name), place));
            line.whole.insert((seat.state.total.get(name), place));
        }
        for (key, value) in &seat.state.labels {
            self.labels.entry(key.clone()).or_default().entry(value.clone()).or_default().insert(place);
        }
    }

    /// A node cannot be picked any more, or has changed: `seat` is as it was when it was put in.
    pub(crate) fn remove(&mut self, place: u32, seat: &Seat) {
        for name in names(&seat.state.total) {
            let Some(line) = self.lines.get_mut(name) else {
                continue;
            };
            let amounts = if seat.is_calm() { &mut line.calm } else { &mut line.busy };
            amounts.remove(&(seat.available.get(name), place));
            line.whole.remove(&(seat.state.total.get(name), place));
            if line.whole.is_empty() {
                self.lines.remove(name);
            }
        }
        for (key, value) in &seat.state.labels {
            let Some(values) = self.labels.get_mut(key) else {
                continue;
            };
            if let Some(places) = values.get_mut(value) {
                places.remove(&place);
                if places.is_empty() {
                    values.remove(value);
                }
            }
            if values.is_empty() {
                self.labels.remove(key);
            }
        }
    }

    /// What is free of a node has changed, and nothing else. `before` is what was free, and whether the node was calm.
    pub(crate) fn change_free(&mut self, place: u32, before: (&ResourceSet, bool), seat: &Seat) {
        for name in names(&seat.state.total) {
            let (old, new) = ((before.0.get(name), before.1), (seat.available.get(name), seat.is_calm()));
            let Some(line) = self.lines.get_mut(name).filter(|_| old != new) else {
                continue;
            };
            if old.1 { &mut line.calm } else { &mut line.busy }.remove(&(old.0, place));
            if new.1 { &mut line.calm } else { &mut line.busy }.insert((new.0, place));
        }
    }

    /// The line to walk for these amounts: that of the resource that fewest nodes have, and how much of it is wanted. `None` when no node
    /// has one of them.
    pub(crate) fn line(&self, named: &ResourceSet) -> Option<(&Line, Amount)> {
        let mut best: Option<(&Line, Amount)> = None;
        for (name, amount) in named.iter() {
            let line = self.lines.get(name)?;
            if best.is_none_or(|(other, _)| line.whole.len() < other.whole.len()) {
                best = Some((line, amount));
            }
        }
        best.or_else(|| self.lines.get(NOTHING).map(|line| (line, Amount::ZERO)))
    }

    /// The line of one resource.
    pub(crate) fn line_of(&self, name: &str) -> Option<&Line> {
        self.lines.get(name)
    }

    /// The nodes of which one label is so.
    pub(crate) fn labelled(&self, key: &str, value: &str) -> Option<&BTreeSet<u32>> {
        self.labels.get(key)?.get(value)
    }
}

fn names(total: &ResourceSet) -> impl Iterator<Item = &str> {
    total.iter().map(|(name, _)| name).chain(std::iter::once(NOTHING))
}
