//! What waits and why, for people who ask.

use crate::Node;
use trygon_ids::WorkerId;

/// A request that waits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WaitingView {
    /// Who asked.
    pub owner: WorkerId,
    /// What is to run.
    pub name: String,
    /// How many of it.
    pub count: u32,
    /// What one of it needs, as people read it.
    pub needs: String,
    /// Why it waits.
    pub why: &'static str,
}

impl Node {
    /// Every request that waits.
    pub fn waiting_views(&self) -> Vec<WaitingView> {
        let view = |owner: WorkerId, waiting: &crate::queue::Waiting| {
            let why = if waiting.demand.part.is_some() {
                "its placement group has no room for it now"
            } else if !self.is_feasible(&waiting.demand) {
                "no node has so much"
            } else if !self.prepared.contains(&waiting.environment) {
                "its runtime environment is being prepared"
            } else {
                "others use what it needs"
            };
            let (name, needs) = (waiting.name.clone(), waiting.demand.describe());
            WaitingView { owner, name, count: waiting.left, needs, why }
        };
        self.queue.iter().map(|(place, waiting)| view(place.owner, waiting)).collect()
    }
}
