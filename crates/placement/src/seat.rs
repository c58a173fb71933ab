//! One node, as others see it.

use crate::demand::is_of_group;
use crate::{Demand, NodeState, labels};
use trygon_ids::NodeId;
use trygon_resources::{Amount, ResourceSet};

/// From this load on a node is filled last: in thousandths.
const CALM_BELOW: u16 = 500;

/// One node of the view.
#[derive(Debug, Clone, serde::Serialize, serde::Deserialize)]
pub struct Seat {
    /// What it reported.
    pub state: NodeState,
    /// What was asked of it and not answered yet.
    pub(crate) pending: ResourceSet,
    /// What it reported as free, less what is pending.
    pub(crate) available: ResourceSet,
    /// How full it is, in thousandths: the resource that is fullest.
    pub(crate) load: u16,
    /// Whether it has accelerators: what needs none rather goes elsewhere.
    pub(crate) has_devices: bool,
}

impl Seat {
    pub(crate) fn new(state: NodeState, pending: ResourceSet) -> Self {
        let has_devices = is_wanted_device(&state.total);
        let mut seat = Self { available: ResourceSet::new(), load: 0, has_devices, state, pending };
        seat.recount();
        seat
    }

    /// After what is free or pending has changed.
    pub(crate) fn recount(&mut self) {
        self.available = self.state.free.clone();
        self.available.subtract(&self.pending);
        self.load = load(&self.state.total, &self.available);
    }

    /// The node.
    pub fn node(&self) -> NodeId {
        self.state.node
    }

    /// What can be asked of it now.
    pub fn available(&self) -> &ResourceSet {
        &self.available
    }

    /// What was asked of it and not answered.
    pub fn pending(&self) -> &ResourceSet {
        &self.pending
    }

    /// How full it is, in thousandths.
    pub fn load(&self) -> u16 {
        self.load
    }

    pub(crate) fn is_calm(&self) -> bool {
        self.load < CALM_BELOW
    }

    /// Whether the node has the labels that are wanted.
    pub fn has_labels(&self, selectors: Option<&str>) -> bool {
        selectors.is_none_or(|selectors| labels::is_met(selectors, &self.state.labels))
    }

    /// Whether only another node will do.
    pub(crate) fn is_other_than(&self, demand: &Demand) -> bool {
        demand.node.as_ref().is_some_and(|wanted| *wanted != self.state.node.hex())
    }

    /// How many times the amounts fit now; no more than `most`.
    pub fn room(&self, named: &ResourceSet, most: u32) -> u32 {
        times(&self.available, named, most)
    }

    /// How many times the amounts would fit if nothing else ran there; no more than `most`.
    pub fn whole_room(&self, named: &ResourceSet, most: u32) -> u32 {
        times(&self.state.total, named, most)
    }
}

/// Accelerators that others would miss.
const DEVICES: [&str; 4] = ["GPU", "TPU", "NPU", "HPU"];

/// Whether there are accelerators among the amounts.
pub(crate) fn is_wanted_device(amounts: &ResourceSet) -> bool {
    DEVICES.iter().any(|name| !amounts.get(name).is_zero())
}

fn times(have: &ResourceSet, named: &ResourceSet, most: u32) -> u32 {
    let mut room = u64::from(most);
    for (name, amount) in named.iter().filter(|(_, amount)| *amount > Amount::ZERO) {
        let free = u64::try_from(have.get(name).units()).unwrap_or(0);
        room = room.min(free / amount.units().unsigned_abs());
    }
    room as u32
}

fn load(total: &ResourceSet, available: &ResourceSet) -> u16 {
    let mut load = 0;
    for (name, whole) in total.iter().filter(|(name, whole)| *whole > Amount::ZERO && !is_of_group(name)) {
        let used = (whole - available.get(name)).units().clamp(0, whole.units());
        load = load.max(used.saturating_mul(1000) / whole.units());
    }
    load as u16
}
