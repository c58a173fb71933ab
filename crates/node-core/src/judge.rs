//! What keeps each node from giving what is needed, for people who ask.

use crate::Node;
use trygon_ids::NodeId;
use trygon_placement::{Demand, NodeState};
use trygon_resources::ResourceSet;

impl Node {
    /// Why it waits for what has these names: a sentence when no node has so much, and of each node what it lacks or what is in use. `own` is
    /// this node.
    pub fn judge(&self, own: NodeId, named: &ResourceSet) -> (Option<String>, Vec<(NodeId, String)>) {
        let demand = Demand::parse(named);
        let state = NodeState {
            node: own,
            number: 0,
            total: self.total_by_name(),
            free: self.free_by_name(),
            labels: self.options.labels.clone(),
            is_draining: self.cluster.is_draining,
            queued: 0,
        };
        let never = (!self.is_feasible(&demand))
            .then(|| self.cluster.view.explain(&demand, &[(&self.ledger.total, &self.options.labels)]));
        (never, self.cluster.view.judge(&demand, &[state]))
    }
}
