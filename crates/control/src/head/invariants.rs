//! What must hold between any two messages: checked in tests and in the simulator.

use crate::head::Head;
use crate::head::plan::{Answer, BundlePlace, Plan};
use std::collections::BTreeMap;
use trygon_control_core::GroupState;
use trygon_ids::{NodeId, PlacementGroupId};
use trygon_resources::ResourceSet;

impl Head {
    /// Says which law is broken, if one is.
    pub fn sanity_check(&self) -> Result<(), String> {
        self.actors.sanity_check()?;
        self.groups.sanity_check()?;
        if self.job_of_actor.keys().any(|actor| self.actors.get(*actor).is_none()) {
            return Err("RECORD-1: the job of an actor that is forgotten is remembered".to_owned());
        }
        self.check_groups()?;
        if self.nodes.is_alone() {
            return Ok(());
        }
        if self.nodes.alive().count() != self.nodes.count || self.view.len() != self.nodes.count {
            return Err("VIEW-2: the view has other nodes than those that live".to_owned());
        }
        self.check_actors()?;
        for (id, plan) in &self.plans {
            self.check_plan(*id, plan)?;
        }
        self.check_asked()
    }

    /// PLACE-3: who made a group that is not detached is there.
    fn check_groups(&self) -> Result<(), String> {
        for (id, group) in self.groups.iter() {
            let is_orphan = match group.spec.creator_actor {
                Some(actor) => self.actors.get(actor).is_none_or(trygon_control_core::Actor::is_dead),
                None => self.job_of_group.get(id).is_none_or(|job| self.is_over(*job)),
            };
            if is_orphan && !group.spec.detached && group.state != GroupState::Removed {
                return Err(format!("PLACE-3: group {id} outlives the job or the actor that made it"));
            }
        }
        Ok(())
    }

    /// Every actor without a worker is looked after, and by one only.
    fn check_actors(&self) -> Result<(), String> {
        for (id, entry) in self.actors.iter() {
            let places = [
                self.placing.contains_key(id),
                self.homeless.contains(*id),
                self.resting.contains(*id),
                self.awaiting_group.values().any(|actors| actors.contains(id)),
                self.early.questions.iter().any(|(_, question)| question.is_place_of(*id)),
            ];
            let wanted = usize::from(!entry.is_dead() && entry.worker().is_none());
            let count = places.iter().filter(|is_there| **is_there).count();
            if count != wanted {
                return Err(format!("SEAT-1: an actor that is {} is looked after {count} times", entry.state_name()));
            }
            if self.waiting.contains(*id) && !places[0] {
                return Err("SEAT-2: an actor waits on no node".to_owned());
            }
        }
        Ok(())
    }

    fn check_plan(&self, id: PlacementGroupId, plan: &Plan) -> Result<(), String> {
        let Some(entry) = self.groups.get(id).filter(|entry| entry.state != GroupState::Removed) else {
            return Err("GROUP-5: a group that is gone has bundles".to_owned());
        };
        if let Some(node) = plan.nodes().iter().find(|node| !self.nodes.is_alive(**node)) {
            return Err(format!("GROUP-6: bundles are on node {node}, which is gone"));
        }
        let is_whole = plan.bundles.iter().all(|place| matches!(place, BundlePlace::Held { .. }));
        if is_whole != (entry.state == GroupState::Created) {
            return Err(format!("GROUP-4: a group is {} with bundles {:?}", entry.state_name(), plan.bundles));
        }
        let is_asked = |place: &BundlePlace| matches!(place, BundlePlace::Asked(node) if plan.asked.contains_key(node));
        let asked = plan.bundles.iter().filter(|place| matches!(place, BundlePlace::Asked(_)));
        if asked.clone().any(|place| !is_asked(place)) || (asked.count() == 0) != plan.asked.is_empty() {
            return Err("GROUP-5: an attempt asks others than it says".to_owned());
        }
        let waits = self.waiting_groups.contains(&(entry.asked_us, id));
        let is_open = plan.asked.values().any(|answer| *answer == Answer::Open);
        if !is_whole && !waits && !is_open {
            return Err("FAIL-1: a group is neither reserved nor asked for nor waiting".to_owned());
        }
        Ok(())
    }

    /// VIEW-1: what counts as asked is what was asked.
    fn check_asked(&self) -> Result<(), String> {
        let mut asked: BTreeMap<NodeId, ResourceSet> = BTreeMap::new();
        for placing in self.placing.values() {
            asked.entry(placing.node).or_default().add(&placing.named);
        }
        for (id, plan) in &self.plans {
            for (index, place) in plan.bundles.iter().enumerate() {
                if let (BundlePlace::Asked(node), Some(group)) = (place, self.groups.get(*id)) {
                    asked.entry(*node).or_default().add(&group.spec.bundles[index]);
                }
            }
        }
        for (id, entry) in self.nodes.iter() {
            entry.settling.iter().for_each(|settling| asked.entry(*id).or_default().add(&settling.amounts));
        }
        for seat in self.view.iter() {
            let sum = asked.remove(&seat.node()).unwrap_or_default();
            if *seat.pending() != sum {
                return Err(format!("VIEW-1: {:?} counts as asked, {sum:?} was", seat.pending()));
            }
        }
        asked.retain(|_, sum| !sum.is_empty());
        if asked.is_empty() { Ok(()) } else { Err("VIEW-1: a node that is gone was asked".to_owned()) }
    }
}
