//! What must be when everything has come to rest; and what must be at any time among the nodes.

use crate::control::ids::node;
use crate::control::machine::{Asker, Machine, Place};
use crate::control::streams::home;
use crate::control::watch::News;
use crate::control::world::World;
use std::collections::{BTreeMap, BTreeSet};
use trygon_control_core::{ActorState, GroupState};
use trygon_ids::{NodeId, WorkerId};

impl World {
    /// GROUP-4: no bundle may be used on two nodes.
    pub(super) fn check_used(&self) -> Result<(), String> {
        let mut used: BTreeSet<&Place> = BTreeSet::new();
        for machine in self.machines.values().filter(|machine| !machine.is_suspect) {
            for (place, _) in machine.held.iter().filter(|(_, (_, is_committed))| *is_committed) {
                if !used.insert(place) {
                    return Err(format!("GROUP-4: {place:?} may be used on two nodes"));
                }
            }
        }
        Ok(())
    }

    /// The head, the nodes and everybody who watches agree, and nothing waits that has room.
    pub(super) fn check_rest(&mut self) -> Result<(), String> {
        self.machines.values_mut().for_each(|machine| machine.is_suspect = false);
        self.check_used()?;
        self.head.sanity_check()?;
        if !self.is_alone {
            self.check_asked()?;
            self.check_bundles()?;
        }
        self.check_workers()?;
        self.check_answers()?;
        self.check_watchers()?;
        self.check_jobs()?;
        self.check_waiting()
    }

    fn check_bundles(&self) -> Result<(), String> {
        let mut believed: BTreeMap<NodeId, BTreeSet<Place>> = BTreeMap::new();
        for (group, _) in self.head.group_table().iter() {
            for (index, node) in self.head.held_bundles(*group) {
                believed.entry(node).or_default().insert((*group, index as u32));
            }
        }
        for (number, machine) in &self.machines {
            let believed = believed.remove(&node(*number)).unwrap_or_default();
            if let Some((place, _)) = machine.held.iter().find(|(place, _)| !believed.contains(place)) {
                return Err(format!("BACK-1, GROUP-5: node {number} holds {place:?}, of which the head knows nothing"));
            }
            for place in &believed {
                match machine.held.get(place) {
                    None => return Err(format!("GROUP-4: node {number} does not hold {place:?}, which is in use")),
                    Some((_, false)) => {
                        return Err(format!("BACK-2: node {number} was not told that {place:?} may be used"));
                    }
                    Some(_) => {}
                }
            }
        }
        Ok(())
    }

    fn check_workers(&self) -> Result<(), String> {
        let mut count = 0;
        for (number, machine) in &self.machines {
            let is_seated = |asker: &&Asker| {
                asker
                    .actor
                    .is_none_or(|actor| machine.works.get(&actor).is_some_and(|work| work.worker == asker.process))
            };
            if let Some(lost) = machine.askers.values().find(|asker| !is_seated(asker)) {
                return Err(format!("SEAT-1: worker {} of node {number} has no actor and lives", lost.process));
            }
            for (actor, work) in &machine.works {
                let entry = self.head.actor_table().get(*actor);
                let is_its = |entry: &&trygon_control_core::Actor| {
                    (entry.worker(), entry.incarnation) == (Some(work.worker), work.life)
                };
                let Some(entry) = entry.filter(is_its) else {
                    return Err(format!("SEAT-1: {actor} has a second worker on node {number}: {work:?}"));
                };
                if !work.is_running || !matches!(entry.state, ActorState::Alive { .. }) {
                    let state = entry.state_name();
                    return Err(format!("BACK-2: node {number} says {work:?} of {actor}, the head that it is {state}"));
                }
                count += 1;
            }
        }
        let live = self.head.actor_table().iter().filter(|(_, actor)| actor.worker().is_some()).count();
        if count == live { Ok(()) } else { Err("BACK-1: the head believes in workers that are gone".to_owned()) }
    }

    fn lives(&self, process: WorkerId) -> bool {
        self.machines.get(&home(process)).is_some_and(|machine| machine.askers.contains_key(&process))
    }

    /// HEAR-1: everybody who asked was answered.
    fn check_answers(&self) -> Result<(), String> {
        if let Some(((from, _), asked)) = self.watch.asked.iter().find(|((from, _), _)| self.lives(*from)) {
            return Err(format!("HEAR-1: {from} waits for an answer: {asked:?}"));
        }
        let waits = self.machines.values().find(|machine| !machine.drivers.is_empty());
        waits.map_or(Ok(()), |machine| Err(format!("HEAR-1: a driver of node {} waits for its job", machine.number)))
    }

    /// ACTOR-4 and PLACE-2: everybody who watches has heard.
    fn check_watchers(&self) -> Result<(), String> {
        for ((watcher, actor), news) in self.watch.of_actors.iter().filter(|((watcher, _), _)| self.lives(*watcher)) {
            let state = self.head.actor_table().get(*actor).map_or("dead", |entry| entry.state_name());
            let life = self.head.actor_table().get(*actor).map_or(0, |entry| entry.incarnation);
            let is_right = |news: &News| match (state, news.state.as_str()) {
                ("dead", heard) => heard == "dead",
                ("alive", heard) => heard == "alive" && news.life == life,
                _ => true,
            };
            let is_settled = matches!(state, "dead" | "alive");
            if is_settled && news.as_ref().is_none_or(|news| !is_right(news)) {
                return Err(format!("ACTOR-4: {watcher} was told {news:?} of {actor}, which is {state}"));
            }
        }
        for ((watcher, group), news) in self.watch.of_groups.iter().filter(|((watcher, _), _)| self.lives(*watcher)) {
            let is_gone = self.head.group_table().get(*group).is_none_or(|entry| entry.state == GroupState::Removed);
            if is_gone && news.as_ref().is_none_or(|state| state != "REMOVED") {
                return Err(format!("PLACE-2: {watcher} was told {news:?} of {group}, which is removed"));
            }
        }
        Ok(())
    }

    /// BACK-1 and HEAR-1: each job that runs has a driver that lives, and one only.
    fn check_jobs(&self) -> Result<(), String> {
        let here: BTreeSet<[u8; 4]> = self.machines.values().flat_map(|machine| machine.jobs.keys().copied()).collect();
        let believed: BTreeSet<[u8; 4]> = self.head.running_jobs().into_iter().map(|job| *job.as_bytes()).collect();
        if here == believed {
            return Ok(());
        }
        Err(format!("BACK-1, HEAR-1: jobs {believed:?} run as the head believes, {here:?} do"))
    }

    /// BACK-2: who was asked for bundles has answered.
    fn check_asked(&self) -> Result<(), String> {
        for (group, _) in self.head.group_table().iter() {
            if let Some(node) = self.head.asked_for(*group).first() {
                return Err(format!("BACK-2: node {node} has not heard that it is to hold bundles of {group}"));
            }
        }
        Ok(())
    }

    fn check_waiting(&self) -> Result<(), String> {
        let open: BTreeMap<NodeId, &Machine> = self
            .machines
            .iter()
            .map(|(number, machine)| (node(*number), machine))
            .filter(|(node, _)| self.head.takes_work(*node))
            .collect();
        let free: usize = open.values().map(|machine| machine.free()).sum();
        for (actor, entry) in self.head.actor_table().iter() {
            if entry.is_dead() || entry.worker().is_some() || free == 0 {
                continue;
            }
            let Some(looks) = self.head.looks_for(*actor) else {
                return Err(format!("FAIL-1: {actor} waits while {free} CPUs are free"));
            };
            let knows = open.get(&looks).is_some_and(|machine| machine.queue.iter().any(|(other, ..)| other == actor));
            if !knows {
                return Err(format!("BACK-2: {actor} waits on node {looks}, which has not heard of it"));
            }
            return Err(format!("SEAT-2: {actor} waits on node {looks}, while {free} CPUs are free elsewhere"));
        }
        self.check_groups(&open, free)
    }

    fn check_groups(&self, open: &BTreeMap<NodeId, &Machine>, free: usize) -> Result<(), String> {
        for (group, entry) in self.head.group_table().iter() {
            if !matches!(entry.state, GroupState::Pending { .. }) {
                continue;
            }
            let held = self.head.held_bundles(*group);
            let at: BTreeSet<NodeId> = held.iter().map(|(_, node)| *node).collect();
            let missing = entry.spec.bundles.len() - held.len();
            let room = |node: &NodeId| open.get(node).map_or(0, |machine| machine.free());
            let has_room = match entry.spec.strategy.name() {
                _ if self.is_alone => false,
                "STRICT_PACK" if at.is_empty() => open.values().any(|machine| machine.free() >= missing),
                "STRICT_PACK" => at.iter().any(|node| room(node) >= missing),
                "STRICT_SPREAD" => open.keys().filter(|node| !at.contains(node) && room(node) > 0).count() >= missing,
                _ => free >= missing,
            };
            if has_room {
                return Err(format!(
                    "FAIL-1: {group} waits and has room: {held:?} of {} bundles",
                    held.len() + missing
                ));
            }
        }
        Ok(())
    }
}
