//! Links with the nodes whose processes are connected with processes here. A call may be under way for hours without a word from either
//! side; the link between the two daemons asks for a sign of life every second, as long as it is in use. So it is kept in use, and what is
//! cut is noticed whoever waits.

use crate::service::Service;
use std::collections::BTreeSet;
use trygon_ids::NodeId;
use trygon_proto::v1::OwnersGone;
use trygon_proto::v1::node_to_node::Body;

/// A link is used again after this: well before the network closes one that is not.
const AGAIN_MS: u64 = 60_000;

impl Service {
    /// A process here is connected with one of that node.
    pub(crate) fn watch_link(&mut self, node: NodeId) {
        let again_ms = self.now_ms() + AGAIN_MS;
        let Some(cluster) = &mut self.cluster else {
            return;
        };
        if let std::collections::btree_map::Entry::Vacant(entry) = cluster.watched.entry(node) {
            entry.insert(again_ms);
            self.use_link(node);
        }
    }

    /// Says nothing that matters.
    fn use_link(&mut self, node: NodeId) {
        self.tell_node(node, Body::OwnersGone(OwnersGone::default()));
    }

    /// Uses the links again whose time has come, as far as there still are connections.
    pub(crate) fn on_watch_deadline(&mut self) {
        let now_ms = self.now_ms();
        let Some(cluster) = &mut self.cluster else {
            return;
        };
        if cluster.watched.values().all(|at_ms| *at_ms > now_ms) {
            return;
        }
        let others = self.processes.values().flat_map(|process| process.remote_peers.keys());
        let connected: BTreeSet<NodeId> = others.filter_map(|other| cluster.nodes.of_worker(*other)).collect();
        cluster.watched.retain(|node, _| connected.contains(node));
        let mut due = Vec::new();
        for (node, at_ms) in cluster.watched.iter_mut().filter(|(_, at_ms)| **at_ms <= now_ms) {
            *at_ms = now_ms + AGAIN_MS;
            due.push(*node);
        }
        for node in due {
            self.use_link(node);
        }
    }
}
