//! Requests that wait, by owner; owners take turns.

use crate::abroad::{Abroad, Home};
use crate::hold::{FIRST_HOLD_MS, patient_until_ms};
use crate::lease::Purpose;
use crate::{EnvironmentId, PLAIN};
use std::collections::{BTreeMap, VecDeque};
use trygon_ids::{ActorId, JobId, NodeId, PlacementGroupId, WorkerId};
use trygon_placement::Demand;

/// A request that waits.
#[derive(Debug)]
pub(crate) struct Waiting {
    /// The job whose it is.
    pub(crate) job: JobId,
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
    /// When it came.
    pub(crate) since_ms: u64,
    /// The node that asks for one of its owners; `None` for what was asked here.
    pub(crate) home: Option<Home>,
    /// What of it was asked of other nodes.
    pub(crate) abroad: Abroad,
}

impl Waiting {
    /// A request that begins to wait, of nobody in particular.
    pub(crate) fn new(job: JobId, purpose: Purpose, demand: Demand, left: u32, now_ms: u64) -> Self {
        Self {
            job,
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
            since_ms: now_ms,
            home: None,
            abroad: Abroad::default(),
        }
    }

    /// Leases that are wanted of this node.
    pub(crate) fn here(&self) -> u32 {
        self.left.saturating_sub(self.abroad.count())
    }

    /// Whether it is declined when it does not fit.
    pub(crate) fn is_passing(&self) -> bool {
        self.home.is_some_and(|home| !home.may_wait)
    }

    /// Whether it is this request for tasks.
    fn is_request(&self, request_id: u64) -> bool {
        matches!(self.purpose, Purpose::Tasks { request_id: own } if own == request_id)
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

    /// One lease of the request was granted; the owner goes to the end of the turns, if they `go_on`.
    pub(crate) fn granted(&mut self, place: Place, now_ms: u64, go_on: bool) {
        if let Some(waiting) = self.at(place) {
            waiting.left = waiting.left.saturating_sub(1);
            waiting.patient_until_ms = patient_until_ms(now_ms);
            waiting.is_aged = false;
            waiting.hold_ms = FIRST_HOLD_MS;
        }
        if go_on {
            self.turns.retain(|owner| *owner != place.owner);
            self.turns.push_back(place.owner);
        }
        self.take(place.owner, |waiting| waiting.left == 0);
    }

    /// Takes a request for tasks away.
    pub(crate) fn cancel_tasks(&mut self, owner: WorkerId, request_id: u64) -> Vec<Waiting> {
        self.take(owner, |waiting| waiting.is_request(request_id))
    }

    /// The request of an owner of this node.
    pub(crate) fn request(
        &mut self,
        owner: WorkerId,
        request_id: u64,
        is_it: impl Fn(&Waiting) -> bool,
    ) -> Option<&mut Waiting> {
        let line = self.lines.get_mut(&owner)?;
        line.iter_mut().find(|waiting| waiting.is_request(request_id) && waiting.home.is_none() && is_it(waiting))
    }

    /// One lease of a request was granted by another node.
    pub(crate) fn granted_abroad(&mut self, owner: WorkerId, request_id: u64, node: NodeId) -> bool {
        let Some(waiting) = self.request(owner, request_id, |waiting| waiting.abroad.asked_of(node) > 0) else {
            return false;
        };
        waiting.abroad.granted(node);
        waiting.left = waiting.left.saturating_sub(1);
        self.take(owner, |waiting| waiting.left == 0);
        true
    }

    /// Takes away what a node asked for, or only what `is_it`.
    pub(crate) fn take_from(&mut self, node: NodeId, is_it: impl Fn(&Waiting) -> bool) {
        for owner in self.turns.clone() {
            self.take(owner, |waiting| waiting.home.is_some_and(|home| home.node == node) && is_it(waiting));
        }
    }

    /// Takes away what a node asked for, for one of its owners.
    pub(crate) fn take_from_owner(&mut self, node: NodeId, owner: WorkerId, is_it: impl Fn(&Waiting) -> bool) {
        self.take(owner, |waiting| waiting.home.is_some_and(|home| home.node == node) && is_it(waiting));
    }

    /// So many leases of a request are not waited for any more.
    pub(crate) fn lessen(&mut self, place: Place, count: u32) {
        if let Some(waiting) = self.at(place) {
            waiting.left = waiting.left.saturating_sub(count);
        }
    }

    /// Takes one request away.
    pub(crate) fn take_at(&mut self, place: Place) -> Vec<Waiting> {
        let ticket = self.at(place).map(|waiting| waiting.ticket);
        self.take(place.owner, |waiting| Some(waiting.ticket) == ticket)
    }

    /// Removes requests of which nothing is left.
    pub(crate) fn sweep(&mut self) {
        for owner in self.turns.clone() {
            self.take(owner, |waiting| waiting.left == 0);
        }
    }

    /// Takes an actor's request away.
    pub(crate) fn cancel_actor(&mut self, actor: ActorId) {
        for owner in self.turns.clone() {
            self.take(
                owner,
                |waiting| matches!(waiting.purpose, Purpose::Actor { actor: other, .. } if other == actor),
            );
        }
    }

    /// Takes a placement group's request away.
    pub(crate) fn cancel_group(&mut self, group: PlacementGroupId) {
        for owner in self.turns.clone() {
            self.take(
                owner,
                |waiting| matches!(waiting.purpose, Purpose::Group { group: other, .. } if other == group),
            );
        }
    }

    /// Takes everything away that waits to run in a placement group.
    pub(crate) fn take_of_group(&mut self, group: PlacementGroupId) -> Vec<(WorkerId, Waiting)> {
        self.take_of_all(|waiting| waiting.demand.part.as_ref().is_some_and(|part| part.group == group))
    }

    /// Takes what a dead owner wanted for tasks away. Its actors and groups are the control service's to decide about.
    pub(crate) fn cancel_owner(&mut self, owner: WorkerId) -> Vec<Waiting> {
        self.take(owner, |waiting| matches!(waiting.purpose, Purpose::Tasks { .. }))
    }

    /// Takes everything away that waits for an environment.
    pub(crate) fn take_environment(&mut self, environment: EnvironmentId) -> Vec<(WorkerId, Waiting)> {
        self.take_of_all(|waiting| waiting.is_of(environment))
    }

    /// Takes requests away, whoever made them; returns them in the order of turns.
    pub(crate) fn take_of_all(&mut self, is_it: impl Fn(&Waiting) -> bool) -> Vec<(WorkerId, Waiting)> {
        let mut taken = Vec::new();
        for owner in self.turns.clone() {
            taken.extend(self.take(owner, &is_it).into_iter().map(|waiting| (owner, waiting)));
        }
        taken
    }

    /// Forgets what the last pass planned.
    pub(crate) fn clear_plans(&mut self) {
        self.lines.values_mut().flatten().for_each(|waiting| waiting.planned = 0);
    }

    /// Takes requests of one owner away.
    fn take(&mut self, owner: WorkerId, is_it: impl Fn(&Waiting) -> bool) -> Vec<Waiting> {
        let Some(line) = self.lines.get_mut(&owner) else {
            return Vec::new();
        };
        if !line.iter().any(&is_it) {
            return Vec::new();
        }
        let (taken, kept): (VecDeque<_>, VecDeque<_>) = std::mem::take(line).into_iter().partition(|one| is_it(one));
        if kept.is_empty() {
            self.lines.remove(&owner);
            self.turns.retain(|other| *other != owner);
        } else {
            *line = kept;
        }
        taken.into()
    }

    /// Whether lines and turns name the same owners.
    pub(crate) fn is_consistent(&self) -> bool {
        self.turns.len() == self.lines.len()
            && self.turns.iter().all(|owner| self.lines.get(owner).is_some_and(|line| !line.is_empty()))
            && self.lines.values().flatten().all(|waiting| waiting.left > 0 && waiting.planned == 0)
    }
}
