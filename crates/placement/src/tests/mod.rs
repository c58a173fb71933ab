//! One file for each subject.

mod demand;
mod labels;
mod pack;
mod pick;
mod view;

use crate::{Labels, NodeState, View};
use trygon_ids::NodeId;
use trygon_resources::{Amount, ResourceSet};

pub(crate) fn set(entries: &[(&str, f64)]) -> ResourceSet {
    let amount = |value: f64| Amount::from_f64(value).expect("an amount");
    entries.iter().map(|(name, value)| ((*name).to_owned(), amount(*value))).collect()
}

pub(crate) fn id(number: u32) -> NodeId {
    let mut bytes = [7; NodeId::LEN];
    bytes[..4].copy_from_slice(&number.to_be_bytes());
    NodeId::new(bytes)
}

pub(crate) fn node(number: u32, total: &[(&str, f64)], free: &[(&str, f64)]) -> NodeState {
    let labels = Labels::from([("zone".to_owned(), ["a", "b", "c"][number as usize % 3].to_owned())]);
    NodeState { node: id(number), number, total: set(total), free: set(free), labels, is_draining: false, queued: 0 }
}

/// Nodes with so many CPUs of ten free each.
pub(crate) fn with_free_cpus(free: &[f64]) -> View {
    let mut view = View::default();
    for (number, cpus) in free.iter().enumerate() {
        view.put(node(number as u32, &[("CPU", 10.0)], &[("CPU", *cpus)]));
    }
    view
}

/// Splitmix: the same seed gives the same story.
pub(crate) struct Dice(pub(crate) u64);

impl Dice {
    pub(crate) fn below(&mut self, limit: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        crate::pick::mix(self.0) % limit
    }
}
