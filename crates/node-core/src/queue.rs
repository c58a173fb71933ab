//! Requests that wait, by owner; owners take turns.

use crate::demand::Demand;
use crate::hold::{FIRST_HOLD_MS, patient_until_ms};
use crate::lease::Purpose;
use crate::{EnvironmentId, PLAIN};
use std::collections::{BTreeMap, VecDeque};
use trygon_ids::{ActorId, PlacementGroupId, WorkerId};

/// A request that waits.
#[derive(Debug)]
pub(crate) struct Waiting {
    pub(crate) purpose: Purpose,
    pub(crate) demand: Demand,
    pub(crate) left: u32,
    pub(crate) depth: u32,
    pub(crate) name: String,
    pub(crate) environment: EnvironmentId,
    /// Whether its owner knows why it waits.
    pub(crate) told: bool,
    /// Leases that workers are being started for, in the present pass.
    pub(crate) planned: u32,
    /// Requests are numbered in the order in which they came.
    pub(crate) ticket: u64,
    /// From then on resources may be held for it (FAIR-1).
    pub(crate) patient_until_ms: u64,
    pub(crate) is_aged: bool,
    /// How long the next hold lasts.
    pub(crate) hold_ms: u64,
}

impl Waiting {
    /// A request that begins to wait, of nobody in particular.
    pub(crate) fn new(purpose: Purpose, demand: Demand, left: u32, now_ms: u64) -> Self {
        Self {
            purpose,
            demand,
            left,
            depth: 0,
            name: String::new(),
            environment: PLAIN,
            told: false,
            planned: 0,
            ticket: 0,
            patient_until_ms: patient_until_ms(now_ms),
            is_aged: false,
            hold_ms: FIRST_HOLD_MS,
        }
    }

    /// Whether it needs a worker in this environment.
    fn is_of(&self, environment: EnvironmentId) -> bool {
        self.environment == environment && !matches!(self.purpose, Purpose::Group { .. })
    }

    /// The same, of something nested so deep, of this name, in this environment.
    #[must_use]
    pub(crate) fn of(self, depth: u32, name: String, environment: EnvironmentId) -> Self {
        Self { depth, name, environment, ..self }
    }
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
    next_ticket: u64,
}

impl Queue {
    /// Adds a request at the end of its owner's line.
    pub(crate) fn push(&mut self, owner: WorkerId, mut waiting: Waiting) {
        waiting.ticket = self.next_ticket;
        self.next_ticket += 1;
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

    /// Every request, to be changed, with its owner.
    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = (WorkerId, &mut Waiting)> {
        self.lines.iter_mut().flat_map(|(owner, line)| line.iter_mut().map(|waiting| (*owner, waiting)))
    }

    /// The request with a number.
    pub(crate) fn with_ticket(&mut self, ticket: u64) -> Option<&mut Waiting> {
        self.lines.values_mut().flatten().find(|waiting| waiting.ticket == ticket)
    }

    /// The request at a place.
    pub(crate) fn at(&mut self, place: Place) -> Option<&mut Waiting> {
        self.lines.get_mut(&place.owner)?.get_mut(place.index)
    }

    /// One lease of the request was granted; the owner goes to the end of the turns.
    pub(crate) fn granted(&mut self, place: Place, now_ms: u64) {
        if let Some(waiting) = self.at(place) {
            waiting.left = waiting.left.saturating_sub(1);
            waiting.patient_until_ms = patient_until_ms(now_ms);
            waiting.is_aged = false;
            waiting.hold_ms = FIRST_HOLD_MS;
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

    /// Takes a placement group's request away.
    pub(crate) fn cancel_group(&mut self, group: PlacementGroupId) {
        for owner in self.turns.clone() {
            self.retain(
                owner,
                |waiting| !matches!(waiting.purpose, Purpose::Group { group: other, .. } if other == group),
            );
        }
    }

    /// Takes everything away that waits to run in a placement group.
    pub(crate) fn take_of_group(&mut self, group: PlacementGroupId) -> Vec<(WorkerId, Waiting)> {
        let mut taken = Vec::new();
        let is_inside = |waiting: &Waiting| waiting.demand.part.as_ref().is_some_and(|part| part.group == group);
        for owner in self.turns.clone() {
            let Some(line) = self.lines.get_mut(&owner).filter(|line| line.iter().any(is_inside)) else {
                continue;
            };
            let (inside, outside): (VecDeque<_>, VecDeque<_>) = std::mem::take(line).into_iter().partition(is_inside);
            *line = outside;
            taken.extend(inside.into_iter().map(|waiting| (owner, waiting)));
            self.retain(owner, |_| true);
        }
        taken
    }

    /// Takes what a dead owner wanted for tasks away. Its actors and groups are the control service's to decide about.
    pub(crate) fn cancel_owner(&mut self, owner: WorkerId) {
        self.retain(owner, |waiting| !matches!(waiting.purpose, Purpose::Tasks { .. }));
    }

    /// Takes everything away that waits for an environment; returns who asked for what.
    pub(crate) fn take_environment(&mut self, environment: EnvironmentId) -> Vec<(WorkerId, Purpose)> {
        let mut taken = Vec::new();
        for owner in self.turns.clone() {
            let line = self.lines.get(&owner).into_iter().flatten();
            let theirs = line.filter(|waiting| waiting.is_of(environment));
            taken.extend(theirs.map(|waiting| (owner, waiting.purpose.clone())));
            self.retain(owner, |waiting| !waiting.is_of(environment));
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
