//! Other nodes that drain: the processes here move what they own there to this node, while it is to be had.

use crate::process::Part;
use crate::service::Service;
use std::collections::BTreeMap;
use trygon_ids::NodeId;
use trygon_wire::Kind;
use trygon_wire::control::NodeDrains;

/// Processes are told again so often: what was made there since is moved too.
const AGAIN_MS: u64 = 1_000;
/// A node that drains for longer has no deadline, and little that is new.
const BUSY_MS: u64 = 60_000;
const LATER_MS: u64 = 10_000;

/// The nodes that drain, and since when.
#[derive(Debug, Default)]
pub(crate) struct Leaving {
    since_ms: BTreeMap<NodeId, u64>,
    again_ms: u64,
}

impl Leaving {
    /// How a node is.
    pub(crate) fn note(&mut self, node: NodeId, drains: bool, now_ms: u64) {
        if !drains {
            self.since_ms.remove(&node);
        } else if !self.since_ms.contains_key(&node) {
            self.since_ms.insert(node, now_ms);
            self.again_ms = now_ms;
        }
    }

    /// When processes are to be told.
    pub(crate) fn deadline_ms(&self) -> Option<u64> {
        Some(self.again_ms).filter(|_| !self.since_ms.is_empty())
    }
}

impl Service {
    /// Tells the processes here of the nodes that drain. Those of a node that drains itself have no place to move anything to.
    pub(crate) fn on_leaving_deadline(&mut self) {
        let now_ms = self.now_ms();
        let Some(cluster) = &mut self.cluster else {
            return;
        };
        if cluster.leaving.deadline_ms().is_none_or(|at_ms| at_ms > now_ms) {
            return;
        }
        let is_new = cluster.leaving.since_ms.values().any(|since_ms| now_ms < since_ms + BUSY_MS);
        cluster.leaving.again_ms = now_ms + if is_new { AGAIN_MS } else { LATER_MS };
        if cluster.draining.is_some() {
            return;
        }
        let numbers = cluster.leaving.since_ms.keys().filter_map(|node| cluster.nodes.get(*node));
        let numbers: Vec<u32> = numbers.map(|known| known.number).collect();
        let owners = self.processes.iter().filter(|(_, process)| process.part != Part::Tool);
        let owners: Vec<u64> = owners.map(|(number, _)| *number).collect();
        for owner in owners {
            for node_number in &numbers {
                self.send(owner, Kind::NodeDrains, &NodeDrains { node_number: *node_number });
            }
        }
    }
}
