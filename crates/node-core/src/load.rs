//! What the head is told of this node: when it has changed, and not more often than every few milliseconds.

use crate::lease::Purpose;
use crate::{Effect, Node, QueuedDemand};
use std::collections::BTreeMap;
use trygon_placement::Demand;

/// Between two reports.
const REPORT_MS: u64 = 10;
/// Kinds of waiting demand in a report.
const MOST_KINDS: usize = 64;

impl Node {
    /// Tells the head what is different, if it is time to.
    pub(crate) fn report_load(&mut self, now_ms: u64, effects: &mut Vec<Effect>) {
        if self.cluster.number.is_none() {
            return;
        }
        self.cluster.report.may_differ = true;
        if now_ms < self.cluster.report.next_ms {
            return;
        }
        let (total, free, queued) = (self.total_by_name(), self.free_by_name(), self.queued_demand());
        let report = &mut self.cluster.report;
        report.may_differ = false;
        let is_same = report.was_told && report.total == total && report.free == free && report.queued == queued;
        if is_same {
            return;
        }
        report.was_told = true;
        report.next_ms = now_ms + REPORT_MS;
        (report.total, report.free, report.queued) = (total.clone(), free.clone(), queued.clone());
        effects.push(Effect::LoadChanged { total, free, queued });
    }

    /// What waits here, or is asked elsewhere and waits there, by kind. What other nodes asked for counts at home.
    fn queued_demand(&self) -> Vec<QueuedDemand> {
        let mut kinds: BTreeMap<&Demand, usize> = BTreeMap::new();
        let mut queued: Vec<QueuedDemand> = Vec::new();
        for (_, waiting) in self.queue.iter().filter(|(_, waiting)| waiting.home.is_none()) {
            if matches!(waiting.purpose, Purpose::Group { .. }) {
                continue;
            }
            match kinds.get(&waiting.demand) {
                Some(place) => {
                    let count = &mut queued[*place].count;
                    *count = count.saturating_add(waiting.left);
                }
                None if queued.len() < MOST_KINDS => {
                    kinds.insert(&waiting.demand, queued.len());
                    queued.push(QueuedDemand {
                        resources: waiting.demand.named(),
                        count: waiting.left,
                        name: waiting.name.clone(),
                        message: waiting.abroad.why.clone(),
                    });
                }
                None => {}
            }
        }
        queued
    }
}
