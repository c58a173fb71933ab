//! What the head says of the nodes.

use crate::cluster::nodes::KnownNode;
use crate::service::Service;
use crate::translate::resource_set;
use trygon_cluster::Outgoing;
use trygon_ids::NodeId;
use trygon_node_core::Event;
use trygon_placement::{Delta, NodeState};
use trygon_proto::v1::{NodeView, View};

impl Service {
    /// Nodes came, went, or have other amounts free.
    pub(crate) fn on_view(&mut self, view: View) {
        let now_ms = self.now_ms();
        let Some(cluster) = &mut self.cluster else {
            return;
        };
        let mut delta = Delta { is_whole: view.is_whole, ..Delta::default() };
        let mut dead: Vec<(NodeId, String)> = Vec::new();
        let mut is_moved = false;
        let mut named = Vec::new();
        for node in view.nodes {
            let Ok(id) = NodeId::from_bytes(&node.node_id) else {
                continue;
            };
            named.push(id);
            let drains = node.state == "draining" && id != self.identity.node_id;
            cluster.leaving.note(id, drains, now_ms);
            if node.state == "dead" {
                dead.push((id, node.message));
                continue;
            }
            let known = KnownNode { number: node.node_number, address: node.address.clone() };
            if cluster.nodes.get(id) != Some(&known) {
                cluster.nodes.put(id, known);
                is_moved = true;
            }
            delta.nodes.push(state(id, node));
        }
        if view.is_whole {
            let forgotten = cluster.nodes.ids().into_iter().filter(|node| !named.contains(node));
            dead.extend(forgotten.map(|node| (node, "the head does not know it any more".to_owned())));
        }
        dead.retain(|(node, _)| *node != self.identity.node_id && cluster.nodes.get(*node).is_some());
        delta.gone = dead.iter().map(|(node, _)| *node).collect();
        for (node, reason) in &dead {
            self.on_node_dead(*node, reason);
        }
        if is_moved || !dead.is_empty() {
            self.tell_addresses();
        }
        self.node_step(Event::ClusterChanged(delta));
        if is_moved {
            self.begin_connections();
        }
    }

    fn tell_addresses(&self) {
        if let Some(cluster) = &self.cluster {
            let mut addresses = cluster.nodes.addresses();
            addresses.remove(&self.identity.node_id);
            cluster.network.send(Outgoing::Addresses(addresses));
        }
    }
}

fn state(node: NodeId, view: NodeView) -> NodeState {
    NodeState {
        node,
        number: view.node_number,
        total: resource_set(&view.total),
        free: resource_set(&view.free),
        labels: view.labels.into_iter().collect(),
        is_draining: view.state == "draining",
        queued: u64::from(view.waiting),
    }
}
