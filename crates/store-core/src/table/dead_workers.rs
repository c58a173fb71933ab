//! Who died, for messages about them that come late. Bounded: after so many later deaths no message is still on its way.

use std::collections::{BTreeSet, VecDeque};
use trygon_ids::WorkerId;

const KEPT: usize = 10_000;

#[derive(Debug, Default)]
pub(crate) struct DeadWorkers {
    ids: BTreeSet<WorkerId>,
    order: VecDeque<WorkerId>,
}

impl DeadWorkers {
    pub(crate) fn add(&mut self, worker: WorkerId) {
        if !self.ids.insert(worker) {
            return;
        }
        self.order.push_back(worker);
        if self.order.len() > KEPT
            && let Some(oldest) = self.order.pop_front()
        {
            self.ids.remove(&oldest);
        }
    }

    pub(crate) fn contains(&self, worker: WorkerId) -> bool {
        self.ids.contains(&worker)
    }
}
