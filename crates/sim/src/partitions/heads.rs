//! The head ends, and one begins again on its journal: at the same address, or at another one that nodes find later.

use crate::partitions::machine::HOLDS_MS;
use crate::partitions::world::{Event, World};
use trygon_control_core::{LeaseTerms, Presence};
use trygon_ids::NodeId;

/// How long there is no head, at most.
const LONGEST_MS: u64 = 15_000;
/// A head that begins again gives nodes of its journal so long.
const GRACE_MS: u64 = 12_000;

impl World {
    /// Nobody listens at the head's address; the machine is there and says so.
    pub(super) fn end_head(&mut self) {
        if self.is_headless {
            return;
        }
        self.is_headless = true;
        (0..self.machines.len()).for_each(|machine| self.break_stream(machine, "the head has ended"));
        let (delay_ms, is_elsewhere) = (self.random.below(LONGEST_MS), self.random.percent(40));
        self.at(delay_ms, Event::HeadReturns { is_elsewhere });
    }

    /// NODE-3: a head begins on the journal. It waits for the nodes in it before it gives any of them up, and for those that ask at another
    /// address than its own for as long as they may hold on.
    pub(super) fn begin_head(&mut self, is_elsewhere: bool) {
        self.is_headless = false;
        let terms = LeaseTerms::default();
        let mut presence = Presence::with_defects(terms, self.defects);
        let wait_ms = if is_elsewhere { GRACE_MS.max(terms.wait_elsewhere_ms(HOLDS_MS)) } else { GRACE_MS };
        self.head.members().into_iter().for_each(|node| presence.expect(node, self.now_ms, wait_ms));
        self.head.former().into_iter().for_each(|node| presence.refuse(node));
        self.head.leaseless().into_iter().for_each(|node| presence.refuse(node));
        self.presence = presence;
        for machine in 0..self.machines.len() {
            // Where it was, its machine goes on to say that nobody is there.
            let strays_ms = if is_elsewhere { self.random.below(2 * HOLDS_MS) } else { 0 };
            self.machines[machine].strays_until_ms = self.now_ms + strays_ms;
        }
    }

    /// Whether a head listens where the machine looks for it.
    pub(super) fn finds_head(&self, machine: usize) -> bool {
        !self.is_headless && self.machines[machine].strays_until_ms <= self.now_ms
    }

    /// NODE-3: a machine hears that nobody is there.
    pub(super) fn on_nobody(&mut self, machine: usize, node: NodeId, asked_ms: u64) {
        let now_ms = self.now_ms;
        let it = &mut self.machines[machine];
        if it.is_frozen(now_ms) {
            // It waits in the machine's own buffers.
            let left_ms = it.paused_until_ms - now_ms;
            return self.at(left_ms, Event::Nobody { machine, node, asked_ms });
        }
        if it.is_up && it.node == node {
            let clock_ms = it.clock_ms(now_ms);
            it.lease.found_nobody(asked_ms, clock_ms);
        }
    }
}
