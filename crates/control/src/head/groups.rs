//! Placement groups: created, reserved on a node, watched, removed.

use crate::head::{Head, Out};
use crate::translate::{group_spec, worker_id};
use trygon_control_core::{GroupCreated, GroupEffect, GroupState};
use trygon_ids::{ActorId, JobId, NodeId, PlacementGroupId, WorkerId};
use trygon_proto::control::{CreatePlacementGroup, PlacementGroupReply, PlacementGroupUpdate};
use trygon_proto::v1::head_to_node::Body;
use trygon_proto::v1::to_process::Reply;
use trygon_proto::v1::{GroupNews, Notice, ReleaseGroup};

impl Head {
    pub(super) fn on_create_group(
        &mut self,
        node: NodeId,
        from: WorkerId,
        job: JobId,
        message: CreatePlacementGroup,
        out: &mut Out,
    ) {
        let request_id = message.request_id;
        if let Some(error) = self.why_not(job, &message) {
            if request_id != 0 {
                self.reply(
                    from,
                    Reply::GroupReply(PlacementGroupReply { request_id, error, ..Default::default() }),
                    out,
                );
            }
            return;
        }
        let mut effects = Vec::new();
        let actor = ActorId::from_bytes(&message.creator_actor).ok();
        let is_detached = |actor: &ActorId| self.actors.get(*actor).is_some_and(|actor| actor.spec.detached);
        let spec = group_spec(from, message, actor.filter(is_detached));
        let (group, name) = (spec.group, spec.name.clone());
        let error = match self.groups.on_create(spec, self.now_us, &mut effects) {
            GroupCreated::Registered => String::new(),
            GroupCreated::Duplicate => "a placement group with this id exists".to_owned(),
            GroupCreated::NameTaken(other) => {
                format!("the name {name:?} is taken by placement group {other}; choose another, or remove that one")
            }
        };
        if error.is_empty() {
            self.job_of_group.insert(group, job);
            self.note_group(group, "");
            self.tell_news(node, group, out);
        }
        if request_id != 0 {
            let reply = PlacementGroupReply { request_id, error, ..PlacementGroupReply::default() };
            self.reply(from, Reply::GroupReply(reply), out);
        }
        self.perform_groups(effects, out);
        self.answer_early_group(group, out);
    }

    /// Why a group is not to be.
    fn why_not(&self, job: JobId, message: &CreatePlacementGroup) -> Option<String> {
        if message.bundles.is_empty() {
            // It could never be reserved, and never wait for anything.
            return Some("a placement group needs at least one bundle".to_owned());
        }
        // PLACE-3: what was asked for before its end comes after it, from another node. Nobody would take the group away.
        let actor = ActorId::from_bytes(&message.creator_actor).ok().and_then(|actor| self.actors.get(actor));
        let ends_with = actor.filter(|actor| actor.spec.detached);
        let is_late = match ends_with {
            _ if message.detached => false,
            Some(actor) => actor.is_dead(),
            None => self.is_over(job),
        };
        is_late.then(|| "the job or the actor that creates the placement group has ended".to_owned())
    }

    pub(super) fn on_remove_group(&mut self, from: WorkerId, group: PlacementGroupId, out: &mut Out) {
        let mut effects = Vec::new();
        self.groups.on_remove(group, Some(from), &mut effects);
        self.perform_groups(effects, out);
    }

    /// A process wants to hear of a group, or a node (with a nil worker id) that something is to run in.
    pub(super) fn on_watch_group(&mut self, node: NodeId, from: WorkerId, group: PlacementGroupId, out: &mut Out) {
        if self.groups.get(group).is_none() {
            return self.watch_group_early(node, from, group);
        }
        self.tell_news(node, group, out);
        if from != WorkerId::nil() {
            let mut effects = Vec::new();
            self.groups.on_watch(from, group, &mut effects);
            self.perform_groups(effects, out);
        }
    }

    pub(super) fn is_group_there(&self, group: PlacementGroupId) -> bool {
        self.groups.get(group).is_some_and(|group| group.state != GroupState::Removed)
    }

    /// An actor is to run in a group that is not known yet, or not there any more.
    pub(super) fn place_in_absent_group(&mut self, actor: ActorId, group: PlacementGroupId, out: &mut Out) {
        match self.groups.get(group) {
            None => self.place_early(actor, group),
            Some(_) => self.refuse_for_group(actor, group, out),
        }
    }

    pub(super) fn refuse_for_group(&mut self, actor: ActorId, group: PlacementGroupId, out: &mut Out) {
        let mut effects = Vec::new();
        let message = format!("it was to run in placement group {group}, which was removed");
        self.actors.on_refused(actor, "placement_group_removed", message, &mut effects);
        self.perform_actors(effects, out);
    }

    /// The node has reserved all bundles of a group.
    pub(super) fn on_group_reserved(&mut self, group: PlacementGroupId, out: &mut Out) {
        let mut effects = Vec::new();
        self.groups.on_reserved(group, self.now_us, &mut effects);
        self.note_group(group, "");
        self.tell_news_to_all(group, out);
        self.perform_groups(effects, out);
    }

    /// Does what the lives of groups ask for.
    pub(super) fn perform_groups(&mut self, effects: Vec<GroupEffect>, out: &mut Out) {
        for effect in effects {
            match effect {
                GroupEffect::Reserve { group } => self.reserve(group, out),
                GroupEffect::Release { group } => self.release(group, out),
                GroupEffect::Notify { watcher, group } => self.notify_of_group(watcher, group, out),
            }
        }
    }

    /// Finds nodes for a group's bundles.
    pub(super) fn reserve(&mut self, group: PlacementGroupId, out: &mut Out) {
        if self.nodes.is_alone() { self.reserve_alone(group, out) } else { self.attempt(group, out) }
    }

    /// PLACE-3: groups end with their job, unless they are detached or of a detached actor.
    pub(super) fn end_groups_of(&mut self, job: JobId, out: &mut Out) {
        let of_job: Vec<_> = self
            .job_of_group
            .iter()
            .filter(|(_, its)| **its == job && !self.defects.job_outlived)
            .map(|(group, _)| *group)
            .collect();
        for group in of_job {
            let stays = |spec: &trygon_control_core::GroupSpec| spec.detached || spec.creator_actor.is_some();
            if self.groups.get(group).is_some_and(|entry| stays(&entry.spec)) {
                continue;
            }
            self.job_of_group.remove(&group);
            let mut effects = Vec::new();
            self.groups.on_remove(group, None, &mut effects);
            self.perform_groups(effects, out);
        }
    }

    /// Says something to whoever looks at the driver of a group's job.
    pub(super) fn tell_driver_of(&self, group: PlacementGroupId, message: String, out: &mut Out) {
        let job = self.job_of_group.get(&group);
        if let Some((id, job)) = job.and_then(|id| Some((id, self.jobs.get(id)?))) {
            let notice = Notice { job_id: id.as_bytes().to_vec(), message };
            self.tell_home_of(worker_id(&job.driver_id), Body::Notice(notice), out);
        }
    }

    fn release(&mut self, group: PlacementGroupId, out: &mut Out) {
        self.homeless_groups.retain(|other| *other != group);
        self.job_of_group.remove(&group);
        self.note_group(group, "");
        let group_id = group.as_bytes().to_vec();
        if let Some(node) = self.group_node.remove(&group) {
            Self::tell(node, Body::ReleaseGroup(ReleaseGroup { group_id, attempt: 0 }), out);
        }
        self.release_everywhere(group, out);
        self.tell_news_to_all(group, out);
        self.heard_of.remove(&group);
        self.place_awaiting(group, out);
    }

    fn news(&self, group: PlacementGroupId) -> Option<GroupNews> {
        let entry = self.groups.get(group)?;
        let bundle_nodes = match (&entry.state, self.group_node.get(&group), self.plans.get(&group)) {
            (GroupState::Created, Some(node), _) => vec![node.as_bytes().to_vec(); entry.spec.bundles.len()],
            (_, _, Some(plan)) => plan.bundle_nodes(),
            _ => Vec::new(),
        };
        let state = match entry.state {
            GroupState::Pending { .. } => "pending",
            GroupState::Created => "created",
            GroupState::Removed => "removed",
        };
        Some(GroupNews { group_id: group.as_bytes().to_vec(), state: state.to_owned(), bundle_nodes })
    }

    fn tell_news(&mut self, node: NodeId, group: PlacementGroupId, out: &mut Out) {
        if let Some(news) = self.news(group) {
            if news.state != "removed" {
                self.heard_of.entry(group).or_default().insert(node);
            }
            Self::tell(node, Body::GroupNews(news), out);
        }
    }

    /// Tells the nodes that have heard of the group, and those that hold bundles of it.
    pub(super) fn tell_news_to_all(&mut self, group: PlacementGroupId, out: &mut Out) {
        let Some(news) = self.news(group) else {
            return;
        };
        let nodes = self.heard_of.entry(group).or_default();
        nodes.extend(self.plans.get(&group).into_iter().flat_map(|plan| plan.held().map(|(_, node)| node)));
        nodes.retain(|node| self.nodes.is_alive(*node));
        for node in nodes.iter() {
            Self::tell(*node, Body::GroupNews(news.clone()), out);
        }
    }

    fn notify_of_group(&self, watcher: WorkerId, group: PlacementGroupId, out: &mut Out) {
        if let Some(entry) = self.groups.get(group) {
            let state = entry.state_name().to_owned();
            let update = PlacementGroupUpdate { group_id: group.as_bytes().to_vec(), state };
            self.reply(watcher, Reply::GroupUpdate(update), out);
        }
    }
}
