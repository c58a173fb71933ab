//! Tasks go where their arguments are: one whose stored arguments are large says which node holds most of their bytes.
//!
//! The wish is a name among its resources, so that such tasks are a scheduling class of their own with leases of its own. Tasks without
//! large arguments never get here, and on a machine that is alone no segment has a node.

use crate::entry::Value;
use crate::state::Core;
use std::collections::BTreeMap;
use trygon_ids::{NEAR_NODE_NUMBER, WISHES};

/// Less than this in all is brought to wherever there is room.
const LARGE_BYTES: u64 = 1 << 20;

impl Core {
    /// The scheduling class that a task waits in.
    pub(crate) fn class_of_task(&self, slot: u32) -> u32 {
        let entry = self.table.at(slot);
        let near = entry.detail.as_ref().and_then(|detail| detail.near_class);
        near.unwrap_or_else(|| self.functions[entry.function.0].class)
    }

    /// Every argument exists: the task's class says where most of their bytes are.
    pub(crate) fn choose_class(&mut self, slot: u32) {
        let number = self.node_of_arguments(slot);
        if let Some(detail) = self.table.at_mut(slot).detail.as_mut() {
            // It may have been run before, when they were elsewhere.
            detail.near_class = None;
        }
        let Some(number) = number else { return };
        let own = &self.classes[self.functions[self.table.at(slot).function.0].class as usize];
        // Who says where a task is to be knows better.
        if own.resources.keys().any(|name| WISHES.iter().any(|wish| name.starts_with(wish))) {
            return;
        }
        let (mut resources, environment) = (own.resources.clone(), own.environment.clone());
        resources.insert(format!("{NEAR_NODE_NUMBER}{number}"), 1.0);
        let class = self.class(&resources, &environment);
        if let Some(detail) = self.table.at_mut(slot).detail.as_mut() {
            detail.near_class = Some(class);
        }
    }

    /// The number of the node that holds most of a task's large arguments.
    fn node_of_arguments(&self, slot: u32) -> Option<u64> {
        let detail = self.table.at(slot).detail.as_ref()?;
        let mut bytes_of: BTreeMap<u64, u64> = BTreeMap::new();
        for reference in &detail.dependencies {
            if let Some(Value::Stored(location)) = self.value_of(reference) {
                *bytes_of.entry(location.segment.node_number()).or_default() += location.size_bytes;
            }
        }
        // Node number 0 is a machine that is alone.
        bytes_of.remove(&0);
        let (number, bytes) = bytes_of.into_iter().max_by_key(|(_, bytes)| *bytes)?;
        (bytes >= LARGE_BYTES).then_some(number)
    }
}
