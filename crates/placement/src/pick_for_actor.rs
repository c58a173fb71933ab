//! Where an actor goes.

use crate::{Demand, Pick, Seat, View};
use trygon_ids::NodeId;

/// The choice for an actor.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ActorPlace {
    /// There is room on this node.
    On(NodeId),
    /// It waits for its turn on this node.
    WaitsOn(NodeId),
    /// No node could hold it: it waits until one joins. Why, for people.
    Waits(String),
    /// It is bound to a node that cannot hold it: it will never be placed. Why, for people.
    Never(String),
}

impl View {
    /// The node for an actor: its creator's while that is less than half full, else as for anything. `turn` is where SPREAD goes on.
    pub fn pick_for_actor(&self, demand: &Demand, creator: Option<NodeId>, turn: &mut u32, salt: u64) -> ActorPlace {
        let named = demand.named_amounts();
        let pick = Pick { demand, named: &named, salt, skip: &|_| false };
        if let Some(wanted) = &demand.node {
            return self.bound(wanted, &pick);
        }
        let could = |seat: &&Seat| !seat.state.is_draining && seat.whole_room(&named, 1) > 0;
        if let Some(seat) = demand.wishes.soft_node.and_then(|node| self.get(node)).filter(could) {
            let node = seat.node();
            return if self.fits(seat, &pick) { ActorPlace::On(node) } else { ActorPlace::WaitsOn(node) };
        }
        if demand.wishes.is_spread {
            let next = self.pick_in_turn(&pick, *turn).or_else(|| self.pick_in_turn(&pick, 0));
            if let Some((place, seat)) = next {
                *turn = place + 1;
                return ActorPlace::On(seat.node());
            }
        }
        let is_plain = demand.wishes.is_empty() && !demand.labels.as_ref().is_some_and(|labels| labels.contains('|'));
        let at_home = creator.filter(|_| is_plain).and_then(|node| self.get(node));
        if let Some(seat) = at_home.filter(|seat| seat.is_calm() && self.fits(seat, &pick)) {
            return ActorPlace::On(seat.node());
        }
        if let Some(seat) = self.pick(&pick) {
            return ActorPlace::On(seat.node());
        }
        match self.pick_feasible(&pick) {
            Some(seat) => ActorPlace::WaitsOn(seat.node()),
            None => ActorPlace::Waits(self.explain(demand, &[])),
        }
    }

    fn bound(&self, wanted: &str, pick: &Pick<'_>) -> ActorPlace {
        let seat = crate::node_id(wanted).and_then(|node| self.get(node));
        let Some(seat) = seat.filter(|seat| !seat.state.is_draining) else {
            return ActorPlace::Never(format!("node {wanted}, which it is bound to (soft=False), does not exist"));
        };
        let is_right = seat.has_labels(pick.demand.labels.as_deref());
        if !is_right || seat.whole_room(pick.named, 1) == 0 {
            let total = crate::describe(&seat.state.total);
            return ActorPlace::Never(format!(
                "it needs {}, more than the node has that it is bound to (soft=False): {total}",
                pick.demand.describe()
            ));
        }
        if self.fits(seat, pick) { ActorPlace::On(seat.node()) } else { ActorPlace::WaitsOn(seat.node()) }
    }
}
