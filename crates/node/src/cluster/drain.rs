//! A node that is to take no new work, and one that leaves.

use crate::cluster::draining::Draining;
use crate::service::Service;
use trygon_ids::NodeId;
use trygon_proto::v1::node_to_head::Body;
use trygon_proto::v1::{DrainNode, NodeLeaves};
use trygon_wire::Kind;
use trygon_wire::control::{StateQuery, StateReply};

/// How often a node that drains looks whether anything is left.
const LOOK_MS: u64 = 100;

impl Service {
    /// A command asks for a node to be drained: its argument is JSON with `node_id`, `reason`, `message` and `deadline_s`.
    pub(crate) fn on_drain_request(&mut self, from: u64, query: &StateQuery) {
        let (json, error) = match self.drain_node(&query.argument) {
            Ok(json) => (json, String::new()),
            Err(error) => (String::new(), error),
        };
        self.send(from, Kind::StateReply, &StateReply { request_id: query.request_id, json, error });
    }

    fn drain_node(&mut self, argument: &str) -> Result<String, String> {
        let asked: serde_json::Value =
            serde_json::from_str(argument).map_err(|error| format!("what to drain is not JSON: {error}"))?;
        let id = asked["node_id"].as_str().unwrap_or_default();
        let known = self.cluster.as_ref().map(|cluster| cluster.nodes.ids()).unwrap_or_default();
        let node = known.into_iter().find(|node| node.hex() == id);
        let node = node.ok_or_else(|| format!("no node {id:?} is alive in this cluster"))?;
        let words = ["reason", "message"].map(|name| asked[name].as_str().unwrap_or_default());
        let reason = words.into_iter().filter(|word| !word.is_empty()).collect::<Vec<_>>().join(": ");
        let deadline_ms = asked["deadline_s"].as_f64().map_or(0, |seconds| (seconds * 1000.0).max(1.0) as u64);
        self.tell_head(Body::Drain(DrainNode { node_id: node.as_bytes().to_vec(), reason, deadline_ms }));
        Ok(trygon_control::json::object([
            ("node_id", trygon_control::json::string(id)),
            ("state", trygon_control::json::string("draining")),
        ]))
    }

    /// The head says that a node is drained.
    pub(crate) fn on_drain(&mut self, message: DrainNode) {
        let now_ms = self.now_ms();
        let is_this = NodeId::from_bytes(&message.node_id).is_ok_and(|node| node == self.identity.node_id);
        let Some(cluster) = self.cluster.as_mut().filter(|_| is_this) else {
            return;
        };
        let until_ms = Some(now_ms + message.deadline_ms).filter(|_| message.deadline_ms > 0);
        cluster.draining = Some(Draining { until_ms, reason: message.reason.clone(), look_ms: now_ms });
        self.log(&format!("the node takes no new work: {}", message.reason));
    }

    /// Leaves when nothing is left, or its time is over.
    pub(crate) fn on_drain_deadline(&mut self) {
        let now_ms = self.now_ms();
        let Some(draining) = self.cluster.as_mut().and_then(|cluster| cluster.draining.as_mut()) else {
            return;
        };
        let Some(until_ms) = draining.until_ms.filter(|_| draining.look_ms <= now_ms) else {
            return;
        };
        draining.look_ms = now_ms + LOOK_MS;
        let is_idle = self.node.lease_views().is_empty()
            && self.jobs.values().all(|job| job.driver.is_none())
            && self.store.stats().objects == 0;
        if is_idle || now_ms >= until_ms {
            self.stop();
        }
    }

    /// The node ends: the head and the others need not find out by themselves.
    pub(crate) fn say_farewell(&mut self) {
        let draining = self.cluster.as_ref().and_then(|cluster| cluster.draining.as_ref());
        let message = match draining {
            Some(draining) => format!("it was drained: {}", draining.reason),
            None => "it was stopped".to_owned(),
        };
        if self.cluster.as_ref().is_some_and(|cluster| cluster.is_registered) {
            self.tell_head(Body::Leaves(NodeLeaves { message }));
        }
    }
}
