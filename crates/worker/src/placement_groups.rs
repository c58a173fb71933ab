//! Placement groups as this process knows them: made and removed without waiting, watched by whoever waits.

use crate::answer::Answer;
use crate::engine::Engine;
use crate::known_group::{GroupState, KnownGroup, Promised};
use crate::requests::RequestError;
use crate::runtime::Runtime;
use trygon_ids::PlacementGroupId;
use trygon_wire::{FrameError, Kind, control};
use trygon_worker_core::{SmallBytes, SystemError, Value};

impl Engine {
    /// The daemon said how a group is. Nothing is kept of those that are gone, but for whoever waits.
    pub(crate) fn on_group_update(&mut self, message: &control::PlacementGroupUpdate) -> Result<(), FrameError> {
        let group = PlacementGroupId::from_bytes(&message.group_id).map_err(|_| FrameError::Malformed("group id"))?;
        let state = match message.state.as_str() {
            "PENDING" => GroupState::Pending,
            "CREATED" => GroupState::Created,
            "REMOVED" => GroupState::Removed,
            _ => GroupState::Unknown,
        };
        self.set_group_state(group, state);
        Ok(())
    }

    fn set_group_state(&mut self, group: PlacementGroupId, state: GroupState) {
        let Some(known) = self.groups.get_mut(&group) else {
            return;
        };
        known.state = state;
        if state == GroupState::Pending {
            return;
        }
        let promised = std::mem::take(&mut known.promised);
        if state != GroupState::Created && known.waiters == 0 {
            self.groups.remove(&group);
        }
        for Promised { slot, generation, value } in promised {
            let value = if state == GroupState::Created { Value::Inline(value) } else { removed(group) };
            self.core.fulfil(slot, generation, value, &mut self.links);
        }
    }

    /// What is known of a group, which is watched from now on.
    fn watched_group(&mut self, group: PlacementGroupId) -> &mut KnownGroup {
        self.groups.entry(group).or_insert_with(|| {
            let message = control::WatchPlacementGroup { group_id: bytes(group) };
            self.control.send(Kind::WatchPlacementGroup, &message);
            KnownGroup::new()
        })
    }
}

impl Runtime {
    /// Creates a group without waiting, unless it has a name, which may be taken.
    pub fn create_placement_group(&self, message: control::CreatePlacementGroup) -> Result<(), RequestError> {
        let group = PlacementGroupId::from_bytes(&message.group_id).unwrap_or(PlacementGroupId::nil());
        self.lock().groups.insert(group, KnownGroup::new());
        if message.name.is_empty() {
            let mut engine = self.lock();
            engine.control.send(Kind::CreatePlacementGroup, &message);
            engine.control.flush();
            return Ok(());
        }
        let build = |request_id| control::CreatePlacementGroup { request_id, ..message };
        match self.ask(Kind::CreatePlacementGroup, build)? {
            Answer::GroupCreated(reply) if reply.error.is_empty() && reply.out_of_disk.is_empty() => Ok(()),
            Answer::GroupCreated(reply) => {
                self.lock().groups.remove(&group);
                let is_full = !reply.out_of_disk.is_empty();
                Err(if is_full {
                    RequestError::OutOfDisk(reply.out_of_disk)
                } else {
                    RequestError::Refused(reply.error)
                })
            }
            _ => Err(RequestError::Closed),
        }
    }

    /// Removes a group without waiting. Leases in it that are idle here go back first: their workers need not end.
    pub fn remove_placement_group(&self, group: PlacementGroupId) {
        let mut engine = self.lock();
        engine.core.return_leases_of_group(&group.hex());
        engine.perform();
        engine.control.send(Kind::RemovePlacementGroup, &control::RemovePlacementGroup { group_id: bytes(group) });
        engine.set_group_state(group, GroupState::Removed);
        engine.settle_and_flush();
        drop(engine);
        self.changed.notify_all();
    }

    /// Begins to wait for a group: it is watched from now on. To be followed by `stop_waiting_for_group`.
    pub fn wait_for_group(&self, group: PlacementGroupId) {
        self.lock().watched_group(group).waiters += 1;
    }

    /// A new object that gets this value when the group is reserved, and an error when it is removed before. The caller holds one
    /// reference to it.
    pub fn promise_of_group(&self, group: PlacementGroupId, value: SmallBytes) -> (u32, u32) {
        let mut engine = self.lock();
        let (slot, generation) = engine.core.reserve();
        let known = engine.watched_group(group);
        known.promised.push(Promised { slot, generation, value });
        let state = known.state;
        engine.set_group_state(group, state);
        engine.settle_and_flush();
        (slot, generation)
    }

    /// Ends what `wait_for_group` began; returns the state.
    pub fn stop_waiting_for_group(&self, group: PlacementGroupId) -> GroupState {
        let mut engine = self.lock();
        let Some(known) = engine.groups.get_mut(&group) else {
            return GroupState::Unknown;
        };
        known.waiters = known.waiters.saturating_sub(1);
        let state = known.state;
        engine.set_group_state(group, state);
        state
    }
}

impl Engine {
    /// What is known of a group.
    pub fn group_state(&self, group: PlacementGroupId) -> GroupState {
        self.groups.get(&group).map_or(GroupState::Unknown, |known| known.state)
    }
}

fn removed(group: PlacementGroupId) -> Value {
    let message = format!("placement group {group} was removed, or never was");
    Value::Error(SystemError::new("task_placement_group_removed").with("message", message).encode())
}

fn bytes(group: PlacementGroupId) -> Vec<u8> {
    group.as_bytes().to_vec()
}
