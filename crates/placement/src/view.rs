//! The nodes of a cluster: what they have, what is free, and what was asked of them.

use crate::index::Index;
use crate::{NodeState, Seat, ViewDefects};
use std::collections::{BTreeMap, BTreeSet};
use trygon_ids::NodeId;
use trygon_resources::ResourceSet;

/// How many nodes that are gone are remembered.
const REMEMBERED: usize = 4096;

/// What changed among the nodes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Delta {
    /// `nodes` are all there are: others are gone.
    pub is_whole: bool,
    /// New nodes, and nodes of which something is different.
    pub nodes: Vec<NodeState>,
    /// Nodes that are gone.
    pub gone: Vec<NodeId>,
}

/// Everything known of the nodes. Kept and read again, it chooses as it would have chosen.
#[derive(Debug, Default, serde::Serialize, serde::Deserialize)]
pub struct View {
    pub(crate) seats: Vec<Option<Seat>>,
    vacant: Vec<u32>,
    by_node: BTreeMap<NodeId, u32>,
    by_number: BTreeMap<u32, NodeId>,
    pub(crate) index: Index,
    /// Nodes that were here and are gone.
    gone: BTreeSet<NodeId>,
    changes: u64,
    /// Rules that a test takes away.
    #[serde(skip)]
    pub(crate) defects: ViewDefects,
}

impl View {
    /// Plants defects.
    #[doc(hidden)]
    pub fn set_defects(&mut self, defects: ViewDefects) {
        self.defects = defects;
    }

    /// Takes over what changed; returns the nodes that are gone by it. What `keep` refuses is left out (for a node, itself).
    pub fn apply(&mut self, delta: Delta, keep: impl Fn(NodeId) -> bool) -> Vec<NodeId> {
        let mut gone = delta.gone;
        if delta.is_whole && !self.defects.absent_kept {
            let here: BTreeSet<NodeId> = delta.nodes.iter().map(|state| state.node).collect();
            gone.extend(self.by_node.keys().filter(|node| !here.contains(node)));
        }
        gone.retain(|node| self.remove(*node));
        for state in delta.nodes.into_iter().filter(|state| keep(state.node)) {
            self.put(state);
        }
        gone
    }

    /// A node, new or changed.
    pub fn put(&mut self, state: NodeState) {
        self.changes += 1;
        let node = state.node;
        if let Some(place) = self.by_node.get(&node).copied() {
            let Some(seat) = self.seats.get_mut(place as usize).and_then(Option::as_mut) else {
                return;
            };
            let is_same_kind = seat.state.total == state.total
                && seat.state.labels == state.labels
                && seat.state.is_draining == state.is_draining;
            if self.by_number.get(&seat.state.number) == Some(&node) {
                self.by_number.remove(&seat.state.number);
            }
            self.by_number.insert(state.number, node);
            let before = seat.clone();
            // VIEW-1
            let pending = if self.defects.asks_forgotten { ResourceSet::new() } else { before.pending.clone() };
            *seat = Seat::new(state, pending);
            if before.state.is_draining {
                if !seat.state.is_draining {
                    self.index.insert(place, seat);
                }
            } else if is_same_kind {
                self.index.change_free(place, (&before.available, before.is_calm()), seat);
            } else {
                self.index.remove(place, &before);
                if !seat.state.is_draining || self.defects.drains_ignored {
                    self.index.insert(place, seat);
                }
            }
            return;
        }
        self.gone.remove(&node);
        let place = self.vacant.pop().unwrap_or_else(|| {
            self.seats.push(None);
            self.seats.len() as u32 - 1
        });
        self.by_node.insert(node, place);
        self.by_number.insert(state.number, node);
        let seat = Seat::new(state, ResourceSet::new());
        if !seat.state.is_draining {
            self.index.insert(place, &seat);
        }
        self.seats[place as usize] = Some(seat);
    }

    /// VIEW-2: a node is gone. False when it was not known.
    pub fn remove(&mut self, node: NodeId) -> bool {
        let Some(place) = self.by_node.remove(&node) else {
            return false;
        };
        self.changes += 1;
        let Some(seat) = self.seats.get_mut(place as usize).and_then(Option::take) else {
            return false;
        };
        if !seat.state.is_draining {
            self.index.remove(place, &seat);
        }
        if self.by_number.get(&seat.state.number) == Some(&node) {
            self.by_number.remove(&seat.state.number);
        }
        self.vacant.push(place);
        if self.gone.len() >= REMEMBERED {
            self.gone.pop_first();
        }
        self.gone.insert(node);
        true
    }

    /// A node said what it has free.
    pub fn set_free(&mut self, node: NodeId, free: ResourceSet) {
        self.change(node, |seat| seat.state.free = free);
    }

    /// VIEW-1: so much was asked of a node.
    pub fn ask(&mut self, node: NodeId, named: &ResourceSet, count: u32) {
        self.change(node, |seat| seat.pending.add_times(named, count));
    }

    /// So much of what was asked is answered, and was not granted.
    pub fn answered(&mut self, node: NodeId, named: &ResourceSet, count: u32) {
        self.change(node, |seat| seat.pending.subtract_times(named, count));
    }

    /// So much of what was asked was granted: it is gone from what is free, though the node has not said so yet.
    pub fn granted(&mut self, node: NodeId, named: &ResourceSet) {
        let is_free = self.defects.grants_free;
        self.change(node, |seat| {
            seat.pending.subtract(named);
            if !is_free {
                seat.state.free.subtract(named);
            }
        });
    }

    /// Everything that was asked of a node is void.
    pub fn forget_asks(&mut self, node: NodeId) {
        self.change(node, |seat| seat.pending = ResourceSet::new());
    }

    fn change(&mut self, node: NodeId, change: impl FnOnce(&mut Seat)) {
        let Some(place) = self.by_node.get(&node).copied() else {
            return;
        };
        let Some(seat) = self.seats.get_mut(place as usize).and_then(Option::as_mut) else {
            return;
        };
        self.changes += 1;
        let (available, is_calm) = (std::mem::take(&mut seat.available), seat.is_calm());
        change(seat);
        seat.recount();
        if !seat.state.is_draining {
            self.index.change_free(place, (&available, is_calm), seat);
        }
    }

    /// Grows with everything that could change a choice.
    pub fn changes(&self) -> u64 {
        self.changes
    }

    /// How many nodes there are.
    pub fn len(&self) -> usize {
        self.by_node.len()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.by_node.is_empty()
    }

    /// One node.
    pub fn get(&self, node: NodeId) -> Option<&Seat> {
        self.by_node.get(&node).and_then(|place| self.at(*place))
    }

    /// The node with a number.
    pub fn by_number(&self, number: u32) -> Option<NodeId> {
        self.by_number.get(&number).copied()
    }

    /// Whether the node was here and is gone.
    pub fn is_gone(&self, node: NodeId) -> bool {
        self.gone.contains(&node)
    }

    /// Every node.
    pub fn iter(&self) -> impl Iterator<Item = &Seat> {
        self.by_node.values().filter_map(|place| self.at(*place))
    }

    pub(crate) fn at(&self, place: u32) -> Option<&Seat> {
        self.seats.get(place as usize).and_then(Option::as_ref)
    }
}
