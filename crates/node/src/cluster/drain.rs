//! A node that is to take no new work, and one that leaves.

use crate::cluster::draining::Draining;
use crate::process::Part;
use crate::service::Service;
use trygon_ids::NodeId;
use trygon_proto::v1::node_to_head::Body;
use trygon_proto::v1::{DrainNode, FenceNode, NodeLeaves};
use trygon_wire::Kind;
use trygon_wire::control::{NodeDrains, StateQuery, StateReply};

/// How often a node that drains looks whether anything is left.
const LOOK_MS: u64 = 100;
/// How soon it looks whether what it stopped has ended, and how long that may take.
const LOOK_ENDED_MS: u64 = 20;
const END_MS: u64 = 2_000;

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

    /// A command asks for a node to be fenced, or to be let in again: its argument is JSON with `node_id`, `reason` and `undo`.
    pub(crate) fn on_fence_request(&mut self, from: u64, query: &StateQuery) {
        let asked: serde_json::Value = serde_json::from_str(&query.argument).unwrap_or_default();
        let id = asked["node_id"].as_str().unwrap_or_default();
        let reason = asked["reason"].as_str().unwrap_or_default().to_owned();
        let node_id = hex_bytes(id);
        let is_over = asked["undo"].as_bool().unwrap_or(false);
        let (json, error) = match node_id.len() {
            NodeId::LEN => {
                (trygon_control::json::object([("node_id", trygon_control::json::string(id))]), String::new())
            }
            _ => (String::new(), format!("{id:?} is no node's id")),
        };
        if error.is_empty() {
            self.tell_head(Body::Fence(FenceNode { node_id, reason, is_over }));
        }
        self.send(from, Kind::StateReply, &StateReply { request_id: query.request_id, json, error });
    }

    /// The head says that a node is drained.
    pub(crate) fn on_drain(&mut self, message: DrainNode) {
        let now_ms = self.now_ms();
        let is_this = NodeId::from_bytes(&message.node_id).is_ok_and(|node| node == self.identity.node_id);
        let Some(cluster) = self.cluster.as_mut().filter(|_| is_this) else {
            return;
        };
        let until_ms = Some(now_ms + message.deadline_ms).filter(|_| message.deadline_ms > 0);
        cluster.draining = Some(Draining { until_ms, reason: message.reason.clone(), look_ms: now_ms, ends_ms: None });
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
        let (ends_ms, reason) = (draining.ends_ms, draining.reason.clone());
        let is_idle = self.node.lease_views().is_empty()
            && self.jobs.values().all(|job| job.driver.is_none())
            && self.store.stats().objects == 0;
        let has_workers = self.processes.values().any(|process| process.part == Part::Worker);
        match ends_ms {
            _ if is_idle => self.stop(),
            None if now_ms >= until_ms => self.stop_drained(now_ms, &reason),
            Some(ends_ms) if !has_workers || now_ms >= ends_ms => self.stop(),
            _ => {}
        }
    }

    /// The time is over: what runs is stopped, and whoever waits for it hears that it is to be done elsewhere.
    fn stop_drained(&mut self, now_ms: u64, reason: &str) {
        if let Some(draining) = self.cluster.as_mut().and_then(|cluster| cluster.draining.as_mut()) {
            draining.ends_ms = Some(now_ms + END_MS);
            draining.look_ms = now_ms + LOOK_ENDED_MS;
        }
        let workers = self.processes.values().filter(|process| process.part == Part::Worker);
        let workers: Vec<_> = workers.map(|process| process.id).collect();
        for worker in workers {
            self.kill_worker(worker, "drained", format!("its node was drained: {reason}"));
        }
    }

    /// The node ends: the head and the others need not find out by themselves.
    pub(crate) fn say_farewell(&mut self) {
        let draining = self.cluster.as_ref().and_then(|cluster| cluster.draining.as_ref());
        let message = match (draining, &self.given_up) {
            (_, Some(given_up)) => given_up.reason.clone(),
            (Some(draining), None) => format!("it was drained: {}", draining.reason),
            (None, None) => "it was stopped".to_owned(),
        };
        if self.cluster.as_ref().is_some_and(|cluster| cluster.is_registered) {
            self.tell_head(Body::Leaves(NodeLeaves { message }));
        }
    }
}

impl Service {
    /// Tells the processes here of the nodes that drain. Those of a node that drains itself have no place to move anything to.
    pub(crate) fn on_leaving_deadline(&mut self) {
        let now_ms = self.now_ms();
        let Some(cluster) = &mut self.cluster else {
            return;
        };
        if !cluster.leaving.is_due(now_ms) || cluster.draining.is_some() {
            return;
        }
        let numbers = cluster.leaving.nodes().filter_map(|node| cluster.nodes.get(node));
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

/// The bytes that hexadecimal digits stand for; none if they are none.
pub(crate) fn hex_bytes(digits: &str) -> Vec<u8> {
    let pairs = digits.as_bytes().chunks(2).map(|pair| std::str::from_utf8(pair).ok());
    pairs.map(|pair| u8::from_str_radix(pair?, 16).ok()).collect::<Option<Vec<u8>>>().unwrap_or_default()
}
