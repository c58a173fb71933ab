//! What does not fit here is asked of other nodes, and what others asked and does not fit is declined.
//!
//! Each pass over the queue ends with this: what the pass could neither grant nor start a worker for is divided among the nodes that have
//! room, by what each has free. A node that was asked grants or declines at once; it never asks others in turn. What it declines comes back
//! to the queue with news of what it has free, and it rests a while before this request comes to it again. So two nodes that both think
//! the other has room do not send requests to and fro for ever. Only what this node can never hold waits elsewhere, in the other's queue,
//! and no more of it than that node could hold at once.

use crate::lease::{Purpose, Refusal};
use crate::queue::{Place, Waiting};
use crate::{Effect, Node};
use trygon_ids::NodeId;
use trygon_placement::{Demand, Pick, Seat};
use trygon_resources::{Amount, ResourceSet};

/// What waits at a node goes to another that has room after this.
const MOVE_AFTER_MS: u64 = 1_000;
/// So many leases are spread in one go; there may be billions of those that need nothing.
const MOST_SPREAD: u32 = 10_000;
/// A request that is bound to a node nobody knows waits so long for it to be known.
const UNKNOWN_NODE_MS: u64 = 1_000;

/// One request, as it is looked at.
pub(crate) struct Look {
    pub(crate) place: Place,
    pub(crate) demand: Demand,
    pub(crate) named: ResourceSet,
    pub(crate) salt: u64,
}

impl Node {
    /// Before what is here is granted: requests that would rather be elsewhere.
    pub(crate) fn hear_wishes(&mut self, now_ms: u64, effects: &mut Vec<Effect>) {
        if !self.cluster.has_others() {
            return;
        }
        for place in self.places(|waiting| !waiting.abroad.is_heard) {
            let Some(look) = self.look(place) else {
                continue;
            };
            if look.demand.wishes.is_spread {
                self.spread(now_ms, &look, effects);
            } else if let Some(node) = self.better_node(now_ms, &look) {
                self.ask(now_ms, &look, node, u32::MAX, false, effects);
            }
            if let Some(waiting) = self.queue.at(place) {
                waiting.abroad.is_heard = true;
            }
        }
    }

    /// After the pass: what is left of each request goes where there is room.
    pub(crate) fn spill(&mut self, now_ms: u64, effects: &mut Vec<Effect>) {
        if self.cluster.number.is_none() {
            return;
        }
        let mut hopeless: Vec<(Place, Demand)> = Vec::new();
        let changes = self.cluster.view.changes();
        let is_due = |waiting: &Waiting| self.try_again_ms(waiting).is_some_and(|at_ms| at_ms <= now_ms);
        for place in self.places(|waiting| waiting.abroad.looked_at != Some(changes) || is_due(waiting)) {
            let Some(look) = self.look(place) else {
                continue;
            };
            self.move_what_waits(now_ms, &look, effects);
            if !self.spill_one(now_ms, &look, effects) {
                hopeless.push((place, look.demand));
            }
        }
        // From the last to the first, so that places before stay what they are.
        for (place, demand) in hopeless.into_iter().rev() {
            self.give_up(now_ms, place, &demand, effects);
        }
    }

    /// False when no node could ever take it.
    fn spill_one(&mut self, now_ms: u64, look: &Look, effects: &mut Vec<Effect>) -> bool {
        if let Some(waiting) = self.queue.at(look.place) {
            waiting.abroad.forget_look();
            waiting.abroad.hopeless_until_ms = None;
        }
        let Some(mut left) = self.excess(look).filter(|left| *left > 0) else {
            return true;
        };
        while left > 0 {
            let Some((node, room)) = self.pick_with_room(now_ms, look, left) else {
                break;
            };
            left -= room;
            self.ask(now_ms, look, node, room, false, effects);
        }
        if left == 0 {
            return true;
        }
        let could = self.could_stay(&look.demand);
        if could {
            left -= self.ask_the_full(now_ms, look, left, effects);
        }
        let found = if could { true } else { self.wait_elsewhere(now_ms, look, left, effects) };
        let (changes, reach_ms) = (self.cluster.view.changes(), self.cluster.next_reach_ms(now_ms));
        let full_ms = self.next_full_ms(now_ms, look.place);
        if let Some(waiting) = self.queue.at(look.place) {
            waiting.abroad.note_look(now_ms, changes, reach_ms.into_iter().chain(full_ms).min());
        }
        found
    }

    /// What cannot be here waits where it can. False when that is nowhere.
    fn wait_elsewhere(&mut self, now_ms: u64, look: &Look, left: u32, effects: &mut Vec<Effect>) -> bool {
        let mut left = left;
        let mut found = self.queue.at(look.place).is_some_and(|waiting| waiting.abroad.count() > 0);
        while left > 0 {
            let asks = self.queue.at(look.place).map(|waiting| waiting.abroad.clone()).unwrap_or_default();
            let skip = |seat: &Seat| {
                let (node, is_reached) = (seat.node(), self.cluster.is_reached(seat.node(), now_ms));
                !is_reached || !asks.may_ask(node, now_ms) || asks.asked_of(node) > 0
            };
            let pick = Pick { demand: &look.demand, named: &look.named, salt: look.salt, skip: &skip };
            let seat = match self.bound_elsewhere(&look.demand) {
                Some(node) => self.cluster.view.get(node).filter(|seat| !skip(seat)),
                None => self.cluster.view.pick_feasible(&pick),
            };
            let Some((node, room)) = seat.map(|seat| (seat.node(), seat.whole_room(&look.named, left))) else {
                break;
            };
            if room == 0 {
                break;
            }
            found = true;
            left -= room;
            self.ask(now_ms, look, node, room, true, effects);
        }
        found || self.cluster.view.is_feasible(&look.demand, &look.named)
    }

    /// What waits at one node goes to one that has room now.
    fn move_what_waits(&mut self, now_ms: u64, look: &Look, effects: &mut Vec<Effect>) {
        let Some(waiting) = self.queue.at(look.place) else {
            return;
        };
        let Purpose::Tasks { request_id } = waiting.purpose else {
            return;
        };
        let is_long = |since_ms: u64| now_ms >= since_ms + MOVE_AFTER_MS;
        let long: Vec<(NodeId, u32)> = waiting
            .abroad
            .open()
            .filter(|(_, ask)| ask.may_wait && is_long(ask.since_ms))
            .map(|(node, ask)| (node, ask.count))
            .collect();
        for (node, count) in long {
            if self.pick_with_room(now_ms, look, 1).is_none() {
                return;
            }
            if let Some(waiting) = self.queue.at(look.place) {
                waiting.abroad.forget(node);
            }
            self.cluster.view.answered(node, &look.named, count);
            effects.push(Effect::CancelAsk { node, owner: look.place.owner, request_id });
        }
    }

    /// A node with room for some of a request, and for how many.
    fn pick_with_room(&mut self, now_ms: u64, look: &Look, most: u32) -> Option<(NodeId, u32)> {
        let asks = self.queue.at(look.place).map(|waiting| waiting.abroad.clone())?;
        let skip = |seat: &Seat| !asks.may_ask(seat.node(), now_ms) || !self.cluster.is_reached(seat.node(), now_ms);
        let pick = Pick { demand: &look.demand, named: &look.named, salt: look.salt, skip: &skip };
        let seat = match self.bound_elsewhere(&look.demand) {
            Some(node) => self.cluster.view.get(node).filter(|seat| self.cluster.view.fits(seat, &pick)),
            None if look.demand.node.is_some() => None,
            None => self.cluster.view.pick(&pick),
        };
        seat.map(|seat| (seat.node(), seat.room(&look.named, most).max(1).min(most)))
    }

    /// The only node on which the demand may be, if that is another one.
    pub(crate) fn bound_elsewhere(&self, demand: &Demand) -> Option<NodeId> {
        let view = &self.cluster.view;
        if let Some(wanted) = &demand.node {
            return view.bound_to(demand).filter(|_| *wanted != self.options.node_id);
        }
        let seat = demand.wishes.soft_node.and_then(|node| view.get(node))?;
        let could = !seat.state.is_draining && seat.whole_room(&demand.named_amounts(), 1) > 0;
        could.then(|| seat.node())
    }

    /// Whether the demand may be met here, now or later.
    pub(crate) fn could_stay(&self, demand: &Demand) -> bool {
        let is_meant = demand.node.as_ref().is_none_or(|wanted| *wanted == self.options.node_id);
        is_meant
            && self.bound_elsewhere(demand).is_none()
            && self.is_here_or_nowhere(demand)
            && self.is_feasible(demand)
    }

    /// A group whose bundles are on other nodes only has nothing here; one that is not reserved anywhere may still come here.
    fn is_here_or_nowhere(&self, demand: &Demand) -> bool {
        let is_here = demand.part.as_ref().is_none_or(|part| self.groups.contains_key(&part.group));
        (is_here && !self.cluster.is_draining) || !self.cluster.view.is_feasible(demand, &demand.named_amounts())
    }

    /// How much of a request could neither be granted nor has a worker started for it, for want of room.
    fn excess(&mut self, look: &Look) -> Option<u32> {
        let waiting = self.queue.at(look.place)?;
        let (here, planned, ticket, job) = (waiting.here(), waiting.planned, waiting.ticket, waiting.job);
        let left = here.saturating_sub(planned);
        let keeps_back = self.keeps_back(ticket, job, &look.demand);
        let room = if keeps_back || !self.could_stay(&look.demand) { 0 } else { self.room_here(&look.demand, left) };
        Some(left.saturating_sub(room))
    }

    /// How many times a demand fits here now.
    fn room_here(&self, demand: &Demand, most: u32) -> u32 {
        if !self.has_labels(demand) {
            return 0;
        }
        let Some(part) = &demand.part else {
            return times(&self.ledger.free, &demand.amounts, most);
        };
        let bundles = self.groups.get(&part.group).into_iter().flatten();
        let wanted = bundles.filter(|(index, bundle)| {
            bundle.is_committed && part.bundle.is_none_or(|bundle| bundle as usize == **index)
        });
        let fits = wanted.map(|(_, bundle)| times(&bundle.ledger.free, &demand.amounts, most));
        fits.fold(0, u32::saturating_add).min(most)
    }

    /// SPREAD: one lease after the other on the next node that has room; this one has its turn after all others.
    fn spread(&mut self, now_ms: u64, look: &Look, effects: &mut Vec<Effect>) {
        let mut room_here = self.room_here(&look.demand, u32::MAX);
        let mut shares: Vec<(NodeId, u32)> = Vec::new();
        let mut left = self.queue.at(look.place).map_or(0, |waiting| waiting.here()).min(MOST_SPREAD);
        let cluster = &self.cluster;
        let unreached: Vec<NodeId> =
            cluster.down.keys().copied().filter(|node| !cluster.is_reached(*node, now_ms)).collect();
        let nobody = |seat: &Seat| unreached.contains(&seat.node());
        let pick = Pick { demand: &look.demand, named: &look.named, salt: look.salt, skip: &nobody };
        while left > 0 {
            let next = self.cluster.view.pick_in_turn(&pick, self.cluster.turn);
            let next = next.map(|(place, seat)| (place, seat.node()));
            let Some((place, node)) = next else {
                self.cluster.turn = 0;
                let has_room_there = self.cluster.view.pick_in_turn(&pick, 0).is_some();
                if room_here > 0 {
                    room_here -= 1;
                    left -= 1;
                } else if !has_room_there {
                    break;
                }
                continue;
            };
            self.cluster.turn = place + 1;
            self.cluster.view.ask(node, &look.named, 1);
            match shares.iter_mut().find(|(other, _)| *other == node) {
                Some((_, count)) => *count += 1,
                None => shares.push((node, 1)),
            }
            left -= 1;
        }
        for (node, count) in shares {
            self.cluster.view.answered(node, &look.named, count);
            self.ask(now_ms, look, node, count, false, effects);
        }
    }

    /// A node that has room and is more to the request's liking than this one.
    fn better_node(&self, now_ms: u64, look: &Look) -> Option<NodeId> {
        let view = &self.cluster.view;
        let nobody = |seat: &Seat| !self.cluster.is_reached(seat.node(), now_ms);
        let pick = Pick { demand: &look.demand, named: &look.named, salt: look.salt, skip: &nobody };
        let wishes = &look.demand.wishes;
        if look.demand.node.is_some() || self.bound_elsewhere(&look.demand).is_some() {
            return None;
        }
        if let Some(seat) = wishes.near.and_then(|node| view.get(node)).filter(|seat| view.fits(seat, &pick)) {
            return Some(seat.node());
        }
        let own = &self.options.labels;
        if let Some(soft) = wishes.soft_labels.as_deref().filter(|soft| !trygon_placement::is_met(soft, own)) {
            return view.pick_labelled(&pick, Some(soft)).map(Seat::node);
        }
        // Alternatives of labels: a better one than this node has.
        let alternatives = look.demand.labels.as_deref().filter(|labels| labels.contains('|'))?;
        let better: Vec<&str> =
            alternatives.split('|').take_while(|wanted| !trygon_placement::is_met(wanted, own)).collect();
        let better = Demand { labels: Some(better.join("|")), ..look.demand.clone() };
        let pick = Pick { demand: &better, ..pick };
        better.labels.as_ref().filter(|labels| !labels.is_empty())?;
        view.pick_labelled(&pick, None).map(Seat::node)
    }

    fn ask(&mut self, now_ms: u64, look: &Look, node: NodeId, most: u32, may_wait: bool, effects: &mut Vec<Effect>) {
        let Some(seat) = self.cluster.view.get(node) else {
            return;
        };
        let room = if may_wait { most } else { seat.room(&look.named, most) };
        self.ask_for(now_ms, look, node, room, may_wait, effects);
    }

    /// Asks a node for so many leases, whatever it has free.
    pub(crate) fn ask_for(
        &mut self,
        now_ms: u64,
        look: &Look,
        node: NodeId,
        room: u32,
        may_wait: bool,
        effects: &mut Vec<Effect>,
    ) {
        let Some(waiting) = self.queue.at(look.place) else {
            return;
        };
        let Purpose::Tasks { request_id } = waiting.purpose else {
            return;
        };
        let count = room.min(waiting.here());
        if count == 0 {
            return;
        }
        waiting.abroad.ask(node, count, may_wait, now_ms);
        effects.push(Effect::AskNode {
            node,
            owner: look.place.owner,
            job: waiting.job,
            request_id,
            resources: look.demand.named(),
            count,
            depth: waiting.depth,
            name: waiting.name.clone(),
            environment: waiting.environment,
            may_wait,
        });
        self.cluster.view.ask(node, &look.named, count);
    }

    /// No node could ever take it: it waits and says why, or is refused if it is bound to one that is no more.
    fn give_up(&mut self, now_ms: u64, place: Place, demand: &Demand, effects: &mut Vec<Effect>) {
        if demand.node.is_none() {
            // What bundles a group has, and where, is heard a little later than that it is there.
            let until_ms = waiting_since(self.queue.at(place)) + UNKNOWN_NODE_MS;
            match self.queue.at(place).filter(|_| demand.part.is_some() && now_ms < until_ms) {
                Some(waiting) => waiting.abroad.hopeless_until_ms = Some(until_ms),
                None => self.tell_infeasible(place, effects),
            }
            return;
        }
        if self.refusal(demand).is_none() && now_ms < waiting_since(self.queue.at(place)) + UNKNOWN_NODE_MS {
            return;
        }
        let why = self.refusal(demand).unwrap_or_else(|| no_such_node(demand));
        for waiting in self.queue.take_at(place) {
            let message = format!("{} cannot be scheduled: {why}", waiting.name);
            self.refuse(place.owner, &waiting, Refusal::Unschedulable, message, effects);
        }
    }

    /// What other nodes asked and does not fit now is declined. Called while what starting workers are for is taken.
    pub(crate) fn decline_rest(&mut self, effects: &mut Vec<Effect>) {
        let mut free = self.ledger.free.clone();
        // Nobody waits for a process here while another node may have one.
        let cap = self.options.max_workers;
        let is_full = cap != 0 && self.workers.len() >= cap;
        let places: Vec<Place> = self.queue.iter().map(|(place, _)| place).collect();
        let mut declined: Vec<(Place, u32)> = Vec::new();
        if self.defects.rest_kept || !self.queue.iter().any(|(_, waiting)| waiting.is_passing()) {
            return;
        }
        for place in places {
            let Some(waiting) = self.queue.at(place) else {
                continue;
            };
            if matches!(waiting.purpose, Purpose::Group { .. }) {
                continue;
            }
            let left = waiting.here().saturating_sub(waiting.planned);
            let (demand, is_passing) = (waiting.demand.clone(), waiting.is_passing());
            let (ticket, job) = (waiting.ticket, waiting.job);
            let keeps_back = self.keeps_back(ticket, job, &demand);
            let room = match &demand.part {
                _ if keeps_back || (is_full && is_passing) => 0,
                Some(_) => self.room_here(&demand, left),
                None => times(&free, &demand.amounts, left),
            };
            if demand.part.is_none() && self.has_labels(&demand) {
                free.subtract_times(&demand.amounts, room);
            }
            // What others are giving back for it is worth waiting for (FAIR-2).
            let left = left.saturating_sub(self.claims.promised(ticket));
            if is_passing && room < left {
                declined.push((place, left - room));
            }
        }
        if declined.is_empty() {
            return;
        }
        let free = self.free_by_name();
        for (place, count) in declined {
            let Some(waiting) = self.queue.at(place) else {
                continue;
            };
            let (Some(home), Purpose::Tasks { request_id }) = (waiting.home, &waiting.purpose) else {
                continue;
            };
            let (node, owner, request_id) = (home.node, place.owner, *request_id);
            effects.push(Effect::DeclineAsk { node, owner, request_id, count, free: free.clone() });
            self.queue.lessen(place, count);
        }
    }

    /// When a request is to be looked at again though nothing happens.
    pub(crate) fn try_again_ms(&self, waiting: &Waiting) -> Option<u64> {
        let is_unknown = waiting.demand.node.as_ref().is_some_and(|wanted| *wanted != self.options.node_id)
            && self.cluster.view.bound_to(&waiting.demand).is_none();
        let unknown = is_unknown.then_some(waiting.since_ms + UNKNOWN_NODE_MS);
        waiting.abroad.rests_until_ms().into_iter().chain(unknown).chain(waiting.abroad.hopeless_until_ms).min()
    }

    /// Requests for tasks of owners here, of which something waits.
    fn places(&self, is_it: impl Fn(&Waiting) -> bool) -> Vec<Place> {
        let of_interest = self.queue.iter().filter(|(_, waiting)| {
            waiting.home.is_none() && matches!(waiting.purpose, Purpose::Tasks { .. }) && is_it(waiting)
        });
        of_interest.map(|(place, _)| place).collect()
    }

    fn look(&mut self, place: Place) -> Option<Look> {
        let waiting = self.queue.at(place)?;
        let (demand, ticket) = (waiting.demand.clone(), waiting.ticket);
        let named = demand.named_amounts();
        // Different nodes, and different requests of one, choose different ones among equals.
        let own = self.options.worker_id_prefix.iter().fold(0_u64, |sum, byte| sum.rotate_left(7) ^ u64::from(*byte));
        Some(Look { place, demand, named, salt: own.wrapping_add(ticket) })
    }
}

fn waiting_since(waiting: Option<&mut Waiting>) -> u64 {
    waiting.map_or(0, |waiting| waiting.since_ms)
}

fn no_such_node(demand: &Demand) -> String {
    let wanted = demand.node.as_deref().unwrap_or_default();
    format!("node {wanted}, which it is bound to (soft=False), does not exist")
}

fn times(have: &ResourceSet, wanted: &ResourceSet, most: u32) -> u32 {
    let fits = wanted
        .iter()
        .filter(|(_, amount)| *amount > Amount::ZERO)
        .map(|(name, amount)| u64::try_from(have.get(name).units()).unwrap_or(0) / amount.units().unsigned_abs());
    fits.fold(u64::from(most), u64::min) as u32
}
