//! Requests that wait, by owner; owners take turns.

use crate::EnvironmentId;
use crate::lease::Purpose;
use std::collections::{BTreeMap, VecDeque};
use trygon_ids::{ActorId, WorkerId};
use trygon_resources::ResourceSet;

/// A request that waits.
#[derive(Debug)]
pub(crate) struct Waiting {
    pub(crate) purpose: Purpose,
    pub(crate) resources: ResourceSet,
    pub(crate) left: u32,
    pub(crate) depth: u32,
    pub(crate) name: String,
    pub(crate) environment: EnvironmentId,
    /// Whether its owner knows why it waits.
    pub(crate) told: bool,
    /// Leases that workers are being started for, in the present pass.
    pub(crate) planned: u32,
}

/// Where a request is: its owner and its place in that owner's line. Valid until the queue changes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Place {
    pub(crate) owner: WorkerId,
    pub(crate) index: usize,
}

/// All requests that wait.
#[derive(Debug, Default)]
pub(crate) struct Queue {
    lines: BTreeMap<WorkerId, VecDeque<Waiting>>,
    /// Owners with a line; the one whose turn it is comes first.
    turns: VecDeque<WorkerId>,
}

impl Queue {
    /// Adds a request at the end of its owner's line.
    pub(crate) fn push(&mut self, owner: WorkerId, waiting: Waiting) {
        let line = self.lines.entry(owner).or_default();
        if line.is_empty() {
            self.turns.push_back(owner);
        }
        line.push_back(waiting);
    }

    /// Whether nothing waits.
    pub(crate) fn is_empty(&self) -> bool {
        self.lines.is_empty()
    }

    /// Every request, owners in the order of their turns.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (Place, &Waiting)> {
        self.turns.iter().flat_map(|owner| {
            let line = self.lines.get(owner).into_iter().flatten().enumerate();
            line.map(|(index, waiting)| (Place { owner: *owner, index }, waiting))
        })
    }

    /// The request at a place.
    pub(crate) fn at(&mut self, place: Place) -> Option<&mut Waiting> {
        self.lines.get_mut(&place.owner)?.get_mut(place.index)
    }

    /// One lease of the request was granted; the owner goes to the end of the turns.
    pub(crate) fn granted(&mut self, place: Place) {
        if let Some(waiting) = self.at(place) {
            waiting.left = waiting.left.saturating_sub(1);
        }
        self.turns.retain(|owner| *owner != place.owner);
        self.turns.push_back(place.owner);
        self.retain(place.owner, |waiting| waiting.left > 0);
    }

    /// Takes a request for tasks away.
    pub(crate) fn cancel_tasks(&mut self, owner: WorkerId, request_id: u64) {
        self.retain(
            owner,
            |waiting| !matches!(waiting.purpose, Purpose::Tasks { request_id: other } if other == request_id),
        );
    }

    /// Takes an actor's request away.
    pub(crate) fn cancel_actor(&mut self, actor: ActorId) {
        for owner in self.turns.clone() {
            self.retain(
                owner,
                |waiting| !matches!(waiting.purpose, Purpose::Actor { actor: other, .. } if other == actor),
            );
        }
    }

    /// Takes what a dead owner wanted for tasks away. Its actors are the control service's to decide about.
    pub(crate) fn cancel_owner(&mut self, owner: WorkerId) {
        self.retain(owner, |waiting| matches!(waiting.purpose, Purpose::Actor { .. }));
    }

    /// Takes everything away that waits for an environment; returns who asked for what.
    pub(crate) fn take_environment(&mut self, environment: EnvironmentId) -> Vec<(WorkerId, Purpose)> {
        let mut taken = Vec::new();
        for owner in self.turns.clone() {
            let line = self.lines.get(&owner).into_iter().flatten();
            let theirs = line.filter(|waiting| waiting.environment == environment);
            taken.extend(theirs.map(|waiting| (owner, waiting.purpose.clone())));
            self.retain(owner, |waiting| waiting.environment != environment);
        }
        taken
    }

    /// Forgets what the last pass planned.
    pub(crate) fn clear_plans(&mut self) {
        self.lines.values_mut().flatten().for_each(|waiting| waiting.planned = 0);
    }

    fn retain(&mut self, owner: WorkerId, keep: impl Fn(&Waiting) -> bool) {
        let Some(line) = self.lines.get_mut(&owner) else {
            return;
        };
        line.retain(keep);
        if line.is_empty() {
            self.lines.remove(&owner);
            self.turns.retain(|other| *other != owner);
        }
    }

    /// Whether lines and turns name the same owners.
    pub(crate) fn is_consistent(&self) -> bool {
        self.turns.len() == self.lines.len()
            && self.turns.iter().all(|owner| self.lines.get(owner).is_some_and(|line| !line.is_empty()))
            && self.lines.values().flatten().all(|waiting| waiting.left > 0 && waiting.planned == 0)
    }
}
