//! Asking nodes that have no room: another job may have more than its share there (FAIR-2).
//!
//! Only the node where leases run knows what their jobs are due there. So what has waited for a while is asked of nodes that are full;
//! such a node takes leases back for it and lets it wait for those, or declines, and then rests longer each time.

use crate::queue::Place;
use crate::spill::Look;
use crate::{Effect, Node};
use trygon_placement::{Pick, Seat};

/// A request waits so long before nodes without room are asked: this node makes room before.
const FULL_AFTER_MS: u64 = 200;
/// So many of them are asked at a time.
const MOST_ASKED: usize = 4;

impl Node {
    /// Asks nodes without room for what waits here. Returns for how many leases.
    pub(crate) fn ask_the_full(&mut self, now_ms: u64, look: &Look, left: u32, effects: &mut Vec<Effect>) -> u32 {
        if !self.may_ask_full(look.place) || self.next_full_ms(now_ms, look.place).is_some() {
            return 0;
        }
        let mut asked = 0;
        for _ in 0..MOST_ASKED {
            let Some((abroad, ticket)) =
                self.queue.at(look.place).map(|waiting| (waiting.abroad.clone(), waiting.ticket))
            else {
                break;
            };
            let wanted = (left - asked).saturating_sub(self.claims.promised(ticket));
            let skip = |seat: &Seat| {
                let node = seat.node();
                !self.cluster.is_reached(node, now_ms) || !abroad.may_ask(node, now_ms) || abroad.asked_of(node) > 0
            };
            let pick = Pick { demand: &look.demand, named: &look.named, salt: look.salt, skip: &skip };
            let seat = self.cluster.view.pick_feasible(&pick);
            let found = seat.map(|seat| (seat.node(), seat.whole_room(&look.named, wanted)));
            let Some((node, count)) = found.filter(|(_, count)| *count > 0) else {
                break;
            };
            self.ask_for(now_ms, look, node, count, false, effects);
            asked += count;
        }
        asked
    }

    /// When that may be done first, if it is not time yet.
    pub(crate) fn next_full_ms(&mut self, now_ms: u64, place: Place) -> Option<u64> {
        let since_ms = self.queue.at(place).map(|waiting| waiting.since_ms)?;
        Some(since_ms + FULL_AFTER_MS).filter(|at_ms| self.may_ask_full(place) && *at_ms > now_ms)
    }

    /// Whether others could have more than their share of what the request needs, and any node would do.
    fn may_ask_full(&mut self, place: Place) -> bool {
        let is_shared = self.shares.is_shared() && self.cluster.has_others();
        let waiting = self.queue.at(place).filter(|_| is_shared);
        waiting.is_some_and(|waiting| waiting.demand.node.is_none() && waiting.demand.part.is_none())
    }
}
