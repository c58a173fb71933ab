//! Where actors go. Among several nodes the head chooses (`trygon-placement`), and the node has the last word.
//!
//! - **SEAT-1** one node looks for a worker for a life of an actor; a worker that another one found is ended.
//! - **SEAT-2** an actor that waits on a node moves when another node has room and it has waited for a while.

use crate::head::actors::place_message;
use crate::head::placing::Placing;
use crate::head::waiters::shape;
use crate::head::{Head, Out};
use trygon_ids::{ActorId, JobId, NodeId, PlacementGroupId};
use trygon_placement::{ActorPlace, Demand, GroupPart, MARKER};
use trygon_proto::v1::head_to_node::Body;
use trygon_proto::v1::{ActorRefused, UnplaceActor};
use trygon_resources::{Amount, ResourceSet};

/// An actor stays for so long where it waits, whatever others have free: its turn may be about to come.
const PATIENCE_US: u64 = 100_000;
/// Actors of one shape that are looked at in one go.
const MOST_MOVES: usize = 1_000;

impl Head {
    /// Finds a node for an actor's present life.
    pub(super) fn place(&mut self, actor: ActorId, out: &mut Out) {
        let Some(entry) = self.actors.get(actor).filter(|entry| !entry.is_dead() && entry.worker().is_none()) else {
            return;
        };
        let has_group = entry.spec.placement.iter().any(|(name, _)| name.contains("_group_"));
        if has_group
            && let Some(group) = trygon_placement::group_of(&entry.spec.placement)
            && !self.is_group_there(group)
        {
            return self.place_in_absent_group(actor, group, out);
        }
        if self.nodes.is_alone() {
            return match self.nodes.own() {
                Some(node) => self.place_on(actor, node, ResourceSet::new(), out),
                None => self.homeless.insert(&ResourceSet::new(), actor),
            };
        }
        let shape = shape(&entry.spec);
        let demand = Demand::parse(&shape);
        if let Some(part) = demand.part {
            return self.place_in_group(actor, part, &demand, out);
        }
        match self.choose(actor, &demand) {
            ActorPlace::On(node) | ActorPlace::WaitsOn(node) => {
                self.place_on(actor, node, demand.named_amounts(), out);
                self.waiting.insert(&shape, actor);
            }
            ActorPlace::Waits(why) => {
                self.actors.note_waits(actor, why);
                self.homeless.insert(&shape, actor);
            }
            ActorPlace::Never(why) => {
                let name = self.actors.get(actor).map_or("", |entry| entry.spec.class_name.as_str());
                let message = format!("{name} cannot be scheduled: {why}");
                self.end_unplaced(actor, "unschedulable", message, out);
            }
        }
    }

    fn choose(&mut self, actor: ActorId, demand: &Demand) -> ActorPlace {
        let creator = self.actors.get(actor).and_then(|entry| self.nodes.of_worker(entry.spec.creator));
        self.view.pick_for_actor(demand, creator, &mut self.turn, salt(actor))
    }

    /// Where the bundle is; while there is none, the actor waits for it.
    fn place_in_group(&mut self, actor: ActorId, part: GroupPart, demand: &Demand, out: &mut Out) {
        let named = demand.named_amounts();
        match self.bundle_for(&part, demand, &named, salt(actor)) {
            Ok(node) => self.place_on(actor, node, named, out),
            Err(why) => {
                self.actors.note_waits(actor, why);
                self.awaiting_group.entry(part.group).or_default().insert(actor);
            }
        }
    }

    fn bundle_for(&self, part: &GroupPart, demand: &Demand, named: &ResourceSet, salt: u64) -> Result<NodeId, String> {
        let waits = || format!("waits for placement group {}, which is not reserved yet", part.group);
        let (Some(plan), Some(group)) = (self.plans.get(&part.group), self.groups.get(part.group)) else {
            return Err(waits());
        };
        let mut wanted = demand.amounts.clone();
        wanted.set(MARKER, Amount::ZERO);
        let is_meant = |index: usize| part.bundle.is_none_or(|bundle| bundle as usize == index);
        if !group.spec.bundles.iter().enumerate().any(|(index, bundle)| is_meant(index) && bundle.covers(&wanted)) {
            return Err(self.view.explain(demand, &[]));
        }
        let held = plan.held().filter(|(index, _)| is_meant(*index) && group.spec.bundles[*index].covers(&wanted));
        let nodes: Vec<NodeId> = held.map(|(_, node)| node).collect();
        let has_room = |node: &&NodeId| {
            let free = self.nodes.by_id.get(*node).map(|entry| &entry.free);
            free.is_some_and(|free| free.covers(named))
        };
        let turn = salt as usize % nodes.len().max(1);
        nodes.iter().find(has_room).or_else(|| nodes.get(turn)).copied().ok_or_else(waits)
    }

    fn place_on(&mut self, actor: ActorId, node: NodeId, named: ResourceSet, out: &mut Out) {
        if !named.is_empty() && !self.defects.asked_free {
            self.view.ask(node, &named, 1);
        }
        self.placing.insert(actor, Placing { node, named, since_us: self.now_us });
        self.tell_place(actor, node, out);
    }

    pub(super) fn tell_place(&self, actor: ActorId, node: NodeId, out: &mut Out) {
        if let Some(entry) = self.actors.get(actor) {
            let message = place_message(entry, self.job_of_actor.get(&actor).copied().unwrap_or(JobId::nil()));
            Self::tell(node, Body::PlaceActor(message), out);
        }
    }

    /// An actor is not looked after any more; returns the node that looks for a worker for it.
    pub(super) fn forget_place(&mut self, actor: ActorId) -> Option<Placing> {
        self.resting.remove(actor);
        let waits = self.waiting.contains(actor) || self.homeless.contains(actor);
        if let Some(entry) = self.actors.get(actor).filter(|_| waits || !self.awaiting_group.is_empty()) {
            let shape = if self.nodes.is_alone() { ResourceSet::new() } else { shape(&entry.spec) };
            self.waiting.remove(&shape, actor);
            self.homeless.remove(&shape, actor);
            if let Some(group) = trygon_placement::group_of(&entry.spec.placement)
                && let Some(actors) = self.awaiting_group.get_mut(&group)
            {
                actors.remove(&actor);
                if actors.is_empty() {
                    self.awaiting_group.remove(&group);
                }
            }
        }
        self.placing.remove(&actor)
    }

    pub(super) fn unplace(&mut self, actor: ActorId, out: &mut Out) {
        if let Some(placing) = self.forget_place(actor) {
            if !self.defects.unasked_counts {
                self.view.answered(placing.node, &placing.named, 1);
            }
            let unplace = UnplaceActor { actor_id: actor.as_bytes().to_vec() };
            Self::tell(placing.node, Body::UnplaceActor(unplace), out);
            self.look_soon();
        }
    }

    /// A node will not find a worker.
    pub(super) fn on_actor_refused(&mut self, node: NodeId, refused: ActorRefused, out: &mut Out) {
        let actor = crate::translate::actor_id(&refused.actor_id);
        if self.nodes.is_alone() {
            self.forget_place(actor);
            return self.end_unplaced(actor, &refused.kind, refused.message, out);
        }
        let is_present = self.actors.get(actor).is_some_and(|entry| entry.incarnation == refused.incarnation);
        if !is_present || self.placing.get(&actor).is_none_or(|placing| placing.node != node) {
            return;
        }
        if let Some(placing) = self.forget_place(actor) {
            self.view.answered(node, &placing.named, 1);
        }
        let Some(entry) = self.actors.get(actor) else {
            return;
        };
        let demand = Demand::parse(&shape(&entry.spec));
        let goes_elsewhere = match (refused.kind.as_str(), demand.part) {
            // The bundle may have moved, or be about to.
            ("placement_group_removed" | "unschedulable", Some(part)) => {
                let named = demand.named_amounts();
                self.is_group_there(part.group) && self.bundle_for(&part, &demand, &named, salt(actor)) != Ok(node)
            }
            ("unschedulable", None) => {
                !matches!(self.choose(actor, &demand), ActorPlace::On(at) | ActorPlace::WaitsOn(at) if at == node)
            }
            _ => false,
        };
        if goes_elsewhere {
            self.place(actor, out);
        } else {
            self.end_unplaced(actor, &refused.kind, refused.message, out);
        }
    }

    /// An actor ends before it had a worker.
    pub(super) fn end_unplaced(&mut self, actor: ActorId, kind: &str, message: String, out: &mut Out) {
        let mut effects = Vec::new();
        self.actors.on_refused(actor, kind, message, &mut effects);
        self.perform_actors(effects, out);
    }

    /// There are other nodes, or they have other resources: what no node could hold may have a place now.
    pub(super) fn house_the_homeless(&mut self, out: &mut Out) {
        let shapes: Vec<ResourceSet> = self.homeless.shapes().map(|(shape, _)| shape.clone()).collect();
        for shape in shapes {
            loop {
                let first = self.homeless.of(&shape).next();
                let Some(actor) = first else {
                    break;
                };
                self.homeless.remove(&shape, actor);
                self.place(actor, out);
                if self.homeless.contains(actor) {
                    break;
                }
            }
        }
    }

    /// A group's bundles are reserved, or it is gone: what waited for it goes on.
    pub(super) fn place_awaiting(&mut self, group: PlacementGroupId, out: &mut Out) {
        for actor in self.awaiting_group.remove(&group).unwrap_or_default() {
            self.place(actor, out);
        }
    }

    /// A node is gone, or takes nothing new: actors that wait there go elsewhere.
    pub(super) fn leave(&mut self, node: NodeId, out: &mut Out) {
        let there: Vec<ActorId> =
            self.placing.iter().filter(|(_, placing)| placing.node == node).map(|(actor, _)| *actor).collect();
        for actor in there {
            self.unplace(actor, out);
            self.place(actor, out);
        }
    }

    /// SEAT-2: looks again at those that wait where there is no room.
    pub(super) fn move_waiting(&mut self, out: &mut Out) {
        let shapes: Vec<ResourceSet> = self.waiting.shapes().map(|(shape, _)| shape.clone()).collect();
        for shape in shapes {
            let demand = Demand::parse(&shape);
            let line: Vec<ActorId> = self.waiting.of(&shape).take(MOST_MOVES).collect();
            for actor in line {
                let Some(placing) = self.placing.get(&actor) else {
                    self.waiting.remove(&shape, actor);
                    continue;
                };
                let (old, due_us) = (placing.node, placing.since_us + PATIENCE_US);
                if !self.is_overcommitted(old, &placing.named) {
                    continue;
                }
                if due_us > self.now_us {
                    self.look_at(due_us);
                    break;
                }
                match self.choose(actor, &demand) {
                    ActorPlace::On(node) if node != old && !self.defects.never_moves => {
                        self.unplace(actor, out);
                        self.place_on(actor, node, demand.named_amounts(), out);
                        self.waiting.insert(&shape, actor);
                    }
                    // Its own node has room by now, and will say so.
                    ActorPlace::On(_) => {}
                    _ => break,
                }
            }
        }
    }
}

impl Head {
    /// Whether a node was asked for more than it has free: then something waits there, and does not only start.
    fn is_overcommitted(&self, node: NodeId, named: &ResourceSet) -> bool {
        let is_short =
            |seat: &trygon_placement::Seat| named.iter().any(|(name, _)| seat.available().get(name) < Amount::ZERO);
        self.view.get(node).is_some_and(is_short)
    }
}

impl Head {
    /// ACTOR-6: the next life of the actor is placed so much later.
    pub(super) fn rest(&mut self, actor: ActorId, rest_us: u64) {
        self.resting.insert(actor, self.now_us + rest_us);
    }

    /// Those that have rested are placed.
    pub(super) fn wake_rested(&mut self, out: &mut Out) {
        while let Some(actor) = self.resting.take_due(self.now_us) {
            self.actors.note_waits(actor, String::new());
            self.place(actor, out);
        }
    }
}

/// Tells actors apart where one node is as good as another.
fn salt(actor: ActorId) -> u64 {
    actor
        .as_bytes()
        .iter()
        .fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(*byte)).wrapping_mul(0x100_0000_01b3))
}
