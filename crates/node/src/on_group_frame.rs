//! Frames about placement groups, and what their lives ask for.

use crate::early_group_use::{EarlyGroupUse, GroupUse};
use crate::json::{array, hex, object, string};
use crate::service::Service;
use crate::state_query::resources_json;
use crate::translate::{group_id, group_spec, resource_set};
use trygon_control_core::{Group, GroupCreated, GroupEffect, GroupState, Strategy};
use trygon_ids::{ActorId, PlacementGroupId, WorkerId};
use trygon_node_core::{Event, GroupRequest, Refusal, group_of};
use trygon_wire::control::{self, LeaseRefused, PlacementGroupReply, PlacementGroupUpdate};
use trygon_wire::{FrameError, Kind, decode};

/// A creation that was sent before its group was handed on is here long before this is over.
const EARLY_MS: u64 = 500;

impl Service {
    /// Handles one.
    pub(crate) fn on_group_frame(
        &mut self,
        from: u64,
        worker: WorkerId,
        kind: Kind,
        body: &[u8],
    ) -> Result<(), FrameError> {
        match kind {
            Kind::CreatePlacementGroup => self.on_create_group(from, worker, decode(body)?),
            Kind::RemovePlacementGroup => {
                let control::RemovePlacementGroup { group_id: id } = decode(body)?;
                let mut effects = Vec::new();
                self.groups.on_remove(group_id(&id), Some(worker), &mut effects);
                self.perform_group_effects(effects);
            }
            _ => {
                let control::WatchPlacementGroup { group_id: id } = decode(body)?;
                self.use_group(group_id(&id), GroupUse::Watch { from });
            }
        }
        Ok(())
    }

    fn on_create_group(&mut self, from: u64, worker: WorkerId, message: control::CreatePlacementGroup) {
        let request_id = message.request_id;
        let mut effects = Vec::new();
        let actor = ActorId::from_bytes(&message.creator_actor).ok();
        let is_detached = |actor: &ActorId| self.actors.get(*actor).is_some_and(|actor| actor.spec.detached);
        let spec = group_spec(worker, message, actor.filter(is_detached));
        let (group, name) = (spec.group, spec.name.clone());
        let error = match self.groups.on_create(spec, self.now_us(), &mut effects) {
            GroupCreated::Registered => String::new(),
            GroupCreated::Duplicate => "a placement group with this id exists".to_owned(),
            GroupCreated::NameTaken(other) => {
                format!("the name {name:?} is taken by placement group {other}; choose another, or remove that one")
            }
        };
        if request_id != 0 {
            self.send(from, Kind::PlacementGroupReply, &PlacementGroupReply { request_id, error });
        }
        self.perform_group_effects(effects);
        let (early, others) =
            std::mem::take(&mut self.early_groups).into_iter().partition(|early| early.group == group);
        self.early_groups = others;
        let early: Vec<EarlyGroupUse> = early;
        early.into_iter().for_each(|early| self.use_group(group, early.use_));
    }

    /// A lease in a placement group: true when it was taken over here, because the group is not known or not there any more.
    pub(crate) fn is_lease_of_absent_group(&mut self, from: u64, request: &control::LeaseRequest) -> bool {
        // Only names with this in them are of groups: the others are not looked at.
        if !request.resources.keys().any(|name| name.contains("_group_")) {
            return false;
        }
        let group = group_of(&resource_set(&request.resources));
        match group.filter(|group| !self.is_group_there(*group)) {
            Some(group) => {
                self.use_group(group, GroupUse::Lease { from, request: request.clone() });
                true
            }
            None => false,
        }
    }

    /// As [`Service::is_lease_of_absent_group`], for an actor that needs a worker.
    pub(crate) fn is_actor_of_absent_group(&mut self, actor: ActorId) -> bool {
        let group = self.actors.get(actor).and_then(|entry| group_of(&entry.spec.placement));
        match group.filter(|group| !self.is_group_there(*group)) {
            Some(group) => {
                self.use_group(group, GroupUse::Actor(actor));
                true
            }
            None => false,
        }
    }

    fn is_group_there(&self, group: PlacementGroupId) -> bool {
        self.groups.get(group).is_some_and(|group| group.state != GroupState::Removed)
    }

    fn use_group(&mut self, group: PlacementGroupId, use_: GroupUse) {
        let state = self.groups.get(group).map(|group| group.state.clone());
        match (state, use_) {
            (None, use_) => {
                let until_ms = self.now_ms() + EARLY_MS;
                self.early_groups.push(EarlyGroupUse { group, use_, until_ms });
            }
            (Some(_), GroupUse::Watch { from }) => {
                let mut effects = Vec::new();
                self.groups.on_watch(self.node.worker_id(from), group, &mut effects);
                self.perform_group_effects(effects);
            }
            (Some(GroupState::Removed), use_) => self.refuse_group_use(group, use_),
            (Some(_), GroupUse::Lease { from, request }) => self.on_lease_request(from, request),
            (Some(_), GroupUse::Actor(actor)) => self.place_actor(actor),
        }
    }

    fn refuse_group_use(&mut self, group: PlacementGroupId, use_: GroupUse) {
        match use_ {
            GroupUse::Watch { from } => {
                let update = PlacementGroupUpdate { group_id: group.as_bytes().to_vec(), state: "UNKNOWN".to_owned() };
                self.send(from, Kind::PlacementGroupUpdate, &update);
            }
            GroupUse::Lease { from, request } => {
                let message = format!("{} was to run in placement group {group}, which was removed", request.name);
                self.refuse_lease(from, request.request_id, Refusal::GroupRemoved, message);
            }
            GroupUse::Actor(actor) => {
                let message = format!("it was to run in placement group {group}, which was removed");
                self.refuse_actor(actor, Refusal::GroupRemoved, message);
            }
        }
    }

    /// Groups that did not come to be known in time never will be.
    pub(crate) fn on_early_groups_deadline(&mut self) {
        if self.early_groups.is_empty() {
            return;
        }
        let now_ms = self.now_ms();
        let (over, others) =
            std::mem::take(&mut self.early_groups).into_iter().partition(|early| early.until_ms <= now_ms);
        self.early_groups = others;
        let over: Vec<EarlyGroupUse> = over;
        over.into_iter().for_each(|early| self.refuse_group_use(early.group, early.use_));
    }

    /// Tells an owner that its request will never be met.
    pub(crate) fn refuse_lease(&mut self, to: u64, request_id: u64, refusal: Refusal, message: String) {
        let kind = refusal.as_str().to_owned();
        self.send(to, Kind::LeaseRefused, &LeaseRefused { request_id, kind, message });
    }

    /// An actor will never have a worker.
    pub(crate) fn refuse_actor(&mut self, actor: ActorId, refusal: Refusal, message: String) {
        let mut effects = Vec::new();
        self.actors.on_refused(actor, refusal.as_str(), message, &mut effects);
        self.perform_actor_effects(effects);
    }

    /// Does what the lives of groups ask for.
    pub(crate) fn perform_group_effects(&mut self, effects: Vec<GroupEffect>) {
        for effect in effects {
            match effect {
                GroupEffect::Reserve { group } => self.reserve_group(group),
                GroupEffect::Release { group } => self.node_step(Event::GroupRemoved { group }),
                GroupEffect::Notify { watcher, group } => self.notify_of_group(watcher, group),
            }
        }
    }

    fn reserve_group(&mut self, group: PlacementGroupId) {
        let Some(entry) = self.groups.get(group) else {
            return;
        };
        let spec = &entry.spec;
        let name = match spec.name.as_str() {
            "" => format!("The placement group {group}"),
            name => format!("The placement group {name:?}"),
        };
        let request = GroupRequest {
            group,
            owner: spec.creator,
            bundles: spec.bundles.clone(),
            apart: spec.strategy == Strategy::StrictSpread,
            labels: Some(spec.labels.clone()).filter(|labels| !labels.is_empty()),
            name,
        };
        self.node_step(Event::GroupWanted(request));
    }

    fn notify_of_group(&mut self, watcher: WorkerId, group: PlacementGroupId) {
        let Some(state) = self.groups.get(group).map(Group::state_name) else {
            return;
        };
        let update = PlacementGroupUpdate { group_id: group.as_bytes().to_vec(), state: state.to_owned() };
        let watcher = self.number_of(watcher);
        self.send(watcher, Kind::PlacementGroupUpdate, &update);
    }

    /// The node has reserved all bundles of a group.
    pub(crate) fn on_group_reserved(&mut self, group: PlacementGroupId) {
        let mut effects = Vec::new();
        self.groups.on_reserved(group, self.now_us(), &mut effects);
        self.perform_group_effects(effects);
    }

    /// All groups, or the one that the argument names by its id in hexadecimal, or by namespace, line feed and name.
    pub(crate) fn groups_json(&self, argument: &str) -> String {
        if let Some((namespace, name)) = argument.split_once('\n') {
            return array(self.groups.named(namespace, name).map(|group| self.group_json(group)));
        }
        let wanted = |id: &PlacementGroupId| argument.is_empty() || id.hex() == argument;
        array(self.groups.iter().filter(|(id, _)| wanted(id)).map(|(_, group)| self.group_json(group)))
    }

    fn group_json(&self, group: &Group) -> String {
        let is_placed = group.reserved_us > 0;
        let node = if is_placed { hex(self.identity.node_id.as_bytes()) } else { string("") };
        let waited_us = group.reserved_us.saturating_sub(group.asked_us);
        let waits = if let GroupState::Pending { waits } = &group.state { waits.as_str() } else { "" };
        object([
            ("placement_group_id", hex(group.spec.group.as_bytes())),
            ("name", string(&group.spec.name)),
            ("namespace", string(&group.spec.namespace)),
            ("bundles", array(group.spec.bundles.iter().map(resources_json))),
            ("node_id", node),
            ("strategy", string(group.spec.strategy.name())),
            ("state", string(group.state_name())),
            ("scheduling_state", string(group.scheduling_state())),
            ("waits", string(waits)),
            ("is_placed", is_placed.to_string()),
            ("latency_us", waited_us.to_string()),
            ("is_detached", group.spec.detached.to_string()),
        ])
    }
}
