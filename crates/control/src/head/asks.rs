//! What was asked of nodes and is not in their reports yet: it counts as taken (VIEW-1), so that nothing is given away twice.
//!
//! An amount is *asked* from the message that asks for it until the node's answer. If the node holds it then, it *settles*: the next
//! report has it. A node whose amounts are as before when it is time to report says nothing, so that settling ends by itself.

use crate::head::Head;
use crate::head::node_table::{Settled, Settling};
use trygon_ids::{ActorId, NodeId, WorkerId};
use trygon_placement::Demand;
use trygon_resources::{Amount, ResourceSet};

/// Longer than a report takes to come after its reason.
const SETTLE_US: u64 = 100_000;
/// What changes shortly after one another is looked at once.
const LOOK_US: u64 = 3_000;

impl Head {
    /// What was asked is in use: it counts until a report has it.
    pub(super) fn settle(&mut self, node: NodeId, amounts: ResourceSet, what: Settled) {
        let until_us = self.now_us + SETTLE_US;
        if let Some(entry) = self.nodes.by_id.get_mut(&node) {
            entry.settling.push(Settling { until_us, amounts, what });
            self.settling.push_back((until_us, node));
        }
    }

    /// A node said no, and what it has free: the difference is not counted on for a while, after which its report is believed again.
    pub(super) fn distrust(&mut self, node: NodeId, free: &ResourceSet, asked: &ResourceSet) {
        let Some(seat) = self.view.get(node) else {
            return;
        };
        let over = |(name, _): (&str, Amount)| (name.to_owned(), seat.available().get(name) - free.get(name));
        let mut missing: ResourceSet = asked.iter().map(over).filter(|(_, amount)| *amount > Amount::ZERO).collect();
        // It said nothing, or no for another reason than its room.
        if free.is_empty() || missing.is_empty() {
            missing = asked.clone();
        }
        self.view.ask(node, &missing, 1);
        self.settle(node, missing, Settled::Doubt);
    }

    /// A report came: it has everything that settled.
    pub(super) fn settle_all(&mut self, node: NodeId) {
        let Some(entry) = self.nodes.by_id.get_mut(&node) else {
            return;
        };
        entry.loads += 1;
        for settled in std::mem::take(&mut entry.settling) {
            self.view.answered(node, &settled.amounts, 1);
        }
    }

    /// A constructor is done before a report had what it needed: the actor keeps less.
    pub(super) fn unsettle_actor(&mut self, worker: WorkerId, actor: ActorId) {
        let Some(node) = self.nodes.of_worker(worker).filter(|_| !self.nodes.is_alone()) else {
            return;
        };
        if self.unsettle(node, Settled::Actor(actor)) {
            let kept = self.actors.get(actor).map(|entry| Demand::parse(&entry.spec.lifetime).named_amounts());
            if let Some(kept) = kept.filter(|kept| !kept.is_empty()) {
                self.view.ask(node, &kept, 1);
                self.settle(node, kept, Settled::Actor(actor));
            }
        }
    }

    /// Something is given back before a report had it.
    pub(super) fn unsettle(&mut self, node: NodeId, what: Settled) -> bool {
        let Some(entry) = self.nodes.by_id.get_mut(&node) else {
            return false;
        };
        let mut is_any = false;
        for settled in entry.settling.extract_if(.., |settling| settling.what == what) {
            self.view.answered(node, &settled.amounts, 1);
            is_any = true;
        }
        if is_any {
            self.look_soon();
        }
        is_any
    }

    /// No report came: the amounts are as the last one said.
    pub(super) fn settle_due(&mut self) {
        let now_us = self.now_us;
        while self.settling.front().is_some_and(|(until_us, _)| *until_us <= now_us) {
            let Some((_, node)) = self.settling.pop_front() else {
                break;
            };
            let Some(entry) = self.nodes.by_id.get_mut(&node) else {
                continue;
            };
            let mut is_any = false;
            for settled in entry.settling.extract_if(.., |settling| settling.until_us <= now_us) {
                self.view.answered(node, &settled.amounts, 1);
                is_any = true;
            }
            if is_any {
                self.look_soon();
            }
        }
    }

    /// There may be room for what waits.
    pub(super) fn look_soon(&mut self) {
        self.look_at(self.now_us + LOOK_US);
    }

    /// What waits is looked at then, if not before.
    pub(super) fn look_at(&mut self, at_us: u64) {
        let waits = !self.waiting_groups.is_empty() || !self.waiting.is_empty() || !self.homeless.is_empty();
        if waits {
            self.look_us = Some(self.look_us.map_or(at_us, |other| other.min(at_us)));
        }
    }
}
