//! What was said of the nodes, without an index.

use std::collections::BTreeMap;
use trygon_ids::NodeId;
use trygon_placement::{NodeState, View};
use trygon_resources::ResourceSet;

/// One node.
#[derive(Debug, Clone)]
pub(super) struct Known {
    pub(super) state: NodeState,
    pub(super) pending: ResourceSet,
}

impl Known {
    /// What can be asked of it.
    pub(super) fn available(&self) -> ResourceSet {
        let mut available = self.state.free.clone();
        available.subtract(&self.pending);
        available
    }
}

/// All nodes.
pub(super) type Model = BTreeMap<NodeId, Known>;

/// VIEW-1, VIEW-2: the view has the nodes that there are, with what they have less what was asked of them.
pub(super) fn check(view: &View, model: &Model) -> Result<(), String> {
    for seat in view.iter() {
        let node = seat.node();
        let Some(known) = model.get(&node) else {
            return Err(format!("VIEW-2: node {node} is gone, and in the view"));
        };
        if *seat.available() != known.available() {
            let (has, free, pending) = (seat.available(), &known.state.free, &known.pending);
            return Err(format!(
                "VIEW-1: node {node} counts with {has:?}, it has {free:?} and was asked for {pending:?}"
            ));
        }
    }
    if view.len() == model.len() { Ok(()) } else { Err("VIEW-2: a node that is there is not in the view".to_owned()) }
}
