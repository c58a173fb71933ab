//! Every placement group, by id and by name, and what happens to them.

use crate::defects::GroupDefects;
use crate::placement_groups::{Group, GroupEffect, GroupSpec, GroupState};
use std::collections::{BTreeMap, BTreeSet, VecDeque};
use trygon_ids::{ActorId, PlacementGroupId, WorkerId};

/// Removed groups that are remembered, so that tables and late users hear of them.
const MAX_REMOVED: usize = 1_000;

/// Whether a group was registered.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum GroupCreated {
    /// It is registered; its creator watches it.
    Registered,
    /// The name is taken by this group.
    NameTaken(PlacementGroupId),
    /// The same group was registered before; nothing changed.
    Duplicate,
}

/// All placement groups.
#[derive(Debug, Default, serde::Serialize, serde::Deserialize)]
pub struct PlacementGroups {
    groups: BTreeMap<PlacementGroupId, Group>,
    names: BTreeMap<(String, String), PlacementGroupId>,
    /// Groups that this process watches.
    by_watcher: BTreeMap<WorkerId, BTreeSet<PlacementGroupId>>,
    /// Removed groups, the oldest first.
    removed: VecDeque<PlacementGroupId>,
    /// How many removed groups are remembered: fewer in the simulator.
    #[serde(skip)]
    most_removed: MostRemoved,
    #[serde(skip)]
    defects: GroupDefects,
}

/// How many removed groups are remembered.
#[derive(Debug, Clone, Copy)]
struct MostRemoved(usize);

impl Default for MostRemoved {
    fn default() -> Self {
        Self(MAX_REMOVED)
    }
}

impl PlacementGroups {
    /// Remembers at most so many removed groups, and has planted defects.
    #[doc(hidden)]
    pub fn plant(&mut self, most_removed: usize, defects: GroupDefects) {
        (self.most_removed, self.defects) = (MostRemoved(most_removed), defects);
    }

    /// A group that lives or is remembered.
    pub fn get(&self, group: PlacementGroupId) -> Option<&Group> {
        self.groups.get(&group)
    }

    /// The group that has this name.
    pub fn named(&self, namespace: &str, name: &str) -> Option<&Group> {
        self.names.get(&(namespace.to_owned(), name.to_owned())).and_then(|group| self.groups.get(group))
    }

    /// Every group.
    pub fn iter(&self) -> impl Iterator<Item = (&PlacementGroupId, &Group)> {
        self.groups.iter()
    }

    /// PLACE-1: registers a group unless its name is taken.
    pub fn on_create(&mut self, spec: GroupSpec, now_us: u64, effects: &mut Vec<GroupEffect>) -> GroupCreated {
        let group = spec.group;
        if self.groups.contains_key(&group) {
            return GroupCreated::Duplicate;
        }
        if !spec.name.is_empty() {
            let key = (spec.namespace.clone(), spec.name.clone());
            if let Some(taken) = self.names.get(&key).filter(|_| !self.defects.name_shared) {
                return GroupCreated::NameTaken(*taken);
            }
            self.names.insert(key, group);
        }
        let watchers = BTreeSet::from([spec.creator]);
        self.by_watcher.entry(spec.creator).or_default().insert(group);
        let state = GroupState::Pending { waits: String::new() };
        self.groups.insert(group, Group { spec, state, asked_us: now_us, reserved_us: 0, watchers });
        effects.push(GroupEffect::Reserve { group });
        GroupCreated::Registered
    }

    /// All bundles are reserved.
    pub fn on_reserved(&mut self, group: PlacementGroupId, now_us: u64, effects: &mut Vec<GroupEffect>) {
        let Some(entry) = self.groups.get_mut(&group) else {
            return;
        };
        if matches!(entry.state, GroupState::Pending { .. }) || self.defects.comes_back {
            entry.state = GroupState::Created;
            entry.reserved_us = now_us;
            self.notify_all(group, None, effects);
        }
    }

    /// The node of its bundles is gone: it waits for another one.
    pub fn on_lost(&mut self, group: PlacementGroupId) {
        if let Some(entry) = self.groups.get_mut(&group).filter(|entry| entry.state == GroupState::Created) {
            entry.state = GroupState::Pending { waits: "the node of its bundles is gone".to_owned() };
        }
    }

    /// Notes why a group waits.
    pub fn note_waits(&mut self, group: PlacementGroupId, message: String) {
        if let Some(Group { state: GroupState::Pending { waits }, .. }) = self.groups.get_mut(&group) {
            *waits = message;
        }
    }

    /// A process wants to hear of a group. False: there is no such group, or it is forgotten.
    pub fn on_watch(&mut self, watcher: WorkerId, group: PlacementGroupId, effects: &mut Vec<GroupEffect>) -> bool {
        let Some(entry) = self.groups.get_mut(&group) else {
            return false;
        };
        if entry.state != GroupState::Removed {
            entry.watchers.insert(watcher);
            self.by_watcher.entry(watcher).or_default().insert(group);
        }
        effects.push(GroupEffect::Notify { watcher, group });
        true
    }

    /// PLACE-2: a removed group stays removed, and every watcher hears it, but for the one that removes it.
    pub fn on_remove(&mut self, group: PlacementGroupId, by: Option<WorkerId>, effects: &mut Vec<GroupEffect>) {
        let Some(entry) = self.groups.get_mut(&group).filter(|entry| entry.state != GroupState::Removed) else {
            return;
        };
        entry.state = GroupState::Removed;
        if !entry.spec.name.is_empty() && !self.defects.name_kept {
            self.names.remove(&(entry.spec.namespace.clone(), entry.spec.name.clone()));
        }
        effects.push(GroupEffect::Release { group });
        if !self.defects.end_unheard {
            self.notify_all(group, by, effects);
        }
        let watchers = self.groups.get_mut(&group).map(|entry| std::mem::take(&mut entry.watchers));
        for watcher in watchers.unwrap_or_default() {
            if let Some(groups) = self.by_watcher.get_mut(&watcher) {
                groups.remove(&group);
                if groups.is_empty() {
                    self.by_watcher.remove(&watcher);
                }
            }
        }
        self.removed.push_back(group);
        while self.removed.len() > self.most_removed.0 && !self.defects.removed_kept {
            // RECORD-1
            if let Some(oldest) = self.removed.pop_front() {
                self.groups.remove(&oldest);
            }
        }
    }

    /// PLACE-3: a group of a detached actor that is not detached itself ends with it.
    pub fn on_actor_dead(&mut self, actor: ActorId, effects: &mut Vec<GroupEffect>) {
        let is_its = |group: &Group| {
            !self.defects.actor_outlived
                && group.spec.creator_actor == Some(actor)
                && !group.spec.detached
                && group.state != GroupState::Removed
        };
        let its: Vec<PlacementGroupId> =
            self.groups.iter().filter(|(_, group)| is_its(group)).map(|(id, _)| *id).collect();
        for group in its {
            self.on_remove(group, None, effects);
        }
    }

    /// A process is gone as a watcher.
    pub fn on_process_died(&mut self, process: WorkerId) {
        for group in self.by_watcher.remove(&process).unwrap_or_default() {
            if let Some(group) = self.groups.get_mut(&group) {
                group.watchers.remove(&process);
            }
        }
    }

    fn notify_all(&self, group: PlacementGroupId, but: Option<WorkerId>, effects: &mut Vec<GroupEffect>) {
        let watchers = self.groups.get(&group).into_iter().flat_map(|entry| &entry.watchers);
        let watchers = watchers.filter(|watcher| Some(**watcher) != but);
        effects.extend(watchers.map(|watcher| GroupEffect::Notify { watcher: *watcher, group }));
    }

    /// Says which law is broken, if one is.
    pub fn sanity_check(&self) -> Result<(), String> {
        let removed = self.groups.values().filter(|group| group.state == GroupState::Removed).count();
        if removed != self.removed.len() {
            return Err(format!("PLACE-2: {removed} groups are removed, {} are listed", self.removed.len()));
        }
        if removed > self.most_removed.0 {
            return Err(format!("RECORD-1: {removed} removed groups are remembered"));
        }
        for ((namespace, name), id) in &self.names {
            let named = self.groups.get(id).is_some_and(|group| {
                group.state != GroupState::Removed && group.spec.name == *name && group.spec.namespace == *namespace
            });
            if !named {
                return Err(format!("PLACE-1: {name} names a group that is gone or called differently"));
            }
        }
        let has_its_name = |(id, group): (&PlacementGroupId, &Group)| {
            let key = || (group.spec.namespace.clone(), group.spec.name.clone());
            group.state == GroupState::Removed || group.spec.name.is_empty() || self.names.get(&key()) == Some(id)
        };
        if !self.groups.iter().all(has_its_name) {
            return Err("PLACE-1: two groups that are there have one name".to_owned());
        }
        let is_known = |id: &PlacementGroupId, watcher: &WorkerId| {
            self.by_watcher.get(watcher).is_some_and(|groups| groups.contains(id))
        };
        if self.groups.iter().any(|(id, group)| !group.watchers.iter().all(|watcher| is_known(id, watcher))) {
            return Err("PLACE-2: a watcher is not known as such".to_owned());
        }
        Ok(())
    }
}
