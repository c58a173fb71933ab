//! Bundles to be placed, and where they may go.

use crate::{Seat, ViewDefects};
use trygon_ids::NodeId;
use trygon_resources::ResourceSet;

/// How the bundles of a group lie.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Strategy {
    /// On as few nodes as possible.
    Pack,
    /// On as many nodes as possible.
    Spread,
    /// On one node.
    StrictPack,
    /// Each on a node of its own.
    StrictSpread,
}

/// Bundles to be placed.
#[derive(Debug, Clone, Copy)]
pub struct PackRequest<'a> {
    /// What each holds.
    pub bundles: &'a [ResourceSet],
    /// How they lie.
    pub strategy: Strategy,
    /// Selectors of labels that a bundle's node must have: one for each bundle, or one for all, or none.
    pub labels: &'a [Option<String>],
    /// Nodes that hold other bundles of the group.
    pub taken: &'a [NodeId],
    /// The node that is best if it will do.
    pub target: Option<NodeId>,
}

/// A node that bundles may go on, as the search goes.
#[derive(Debug, Clone)]
pub(crate) struct Candidate<'a> {
    pub(crate) seat: &'a Seat,
    /// What is left of it.
    pub(crate) room: ResourceSet,
    /// Bundles of the group that it holds.
    pub(crate) bundles: u32,
}

/// What has to be placed, and where it may go.
pub(crate) struct Problem<'a> {
    pub(crate) request: PackRequest<'a>,
    pub(crate) candidates: Vec<Candidate<'a>>,
    /// The bundles, the largest first.
    pub(crate) order: Vec<usize>,
    pub(crate) defects: ViewDefects,
}

impl Problem<'_> {
    /// Whether a bundle fits on a candidate as it is now.
    pub(crate) fn fits(&self, bundle: usize, candidate: usize) -> bool {
        let candidate = &self.candidates[candidate];
        candidate.room.covers(&self.request.bundles[bundle])
            && candidate.seat.has_labels(self.request.selectors(bundle))
    }
}

impl PackRequest<'_> {
    /// The labels that the node of a bundle must have.
    pub(crate) fn selectors(&self, bundle: usize) -> Option<&str> {
        let one = if self.labels.len() == 1 { self.labels.first() } else { self.labels.get(bundle) };
        one.and_then(Option::as_deref)
    }
}
