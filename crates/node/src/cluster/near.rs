//! Owners know nodes by the numbers in segments, the brain by ids.

use crate::service::Service;
use std::collections::BTreeMap;
use trygon_ids::NEAR_NODE_NUMBER;
use trygon_placement::NEAR_NODE;

impl Service {
    /// Puts the id of the node whose number a request names in its place; a node that is not known is no wish.
    pub(crate) fn name_near_node(&self, resources: &mut BTreeMap<String, f64>) {
        let Some(name) = resources.keys().find(|name| name.starts_with(NEAR_NODE_NUMBER)).cloned() else {
            return;
        };
        resources.remove(&name);
        let number = name.strip_prefix(NEAR_NODE_NUMBER).and_then(|number| number.parse::<u32>().ok());
        let nodes = self.cluster.as_ref().map(|cluster| cluster.nodes.numbers());
        let node = nodes.zip(number).and_then(|(nodes, number)| nodes.lock().get(&number).copied());
        if let Some(node) = node {
            resources.insert(format!("{NEAR_NODE}{node}"), 1.0);
        }
    }
}
