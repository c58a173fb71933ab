//! Uses of actors and groups that are not known yet: handles may travel faster than the creation, which comes by another connection.

use crate::head::questions::Question;
use crate::head::{Head, Out};
use trygon_ids::{ActorId, NodeId, PlacementGroupId, WorkerId};
use trygon_proto::control::{ActorUpdate, Death, PlacementGroupUpdate};
use trygon_proto::v1::to_process::Reply;
use trygon_proto::v1::{GroupNews, head_to_node};

/// A creation that was sent before its handle was handed on is here long before this is over.
const EARLY_US: u64 = 500_000;

impl Head {
    /// When `tick` is to be called next.
    pub fn next_deadline_us(&self) -> Option<u64> {
        let early = self.early.questions.first().map(|(until_us, _)| *until_us);
        let settling = self.settling.front().map(|(until_us, _)| *until_us);
        [early, settling, self.look_us, self.news.due_us, self.resting.first_us()].into_iter().flatten().min()
    }

    /// What did not come to be known in time never will be.
    pub fn tick(&mut self, now_us: u64, out: &mut Out) {
        self.now_us = now_us;
        for question in self.early.take(|until_us, _| until_us <= now_us) {
            match question {
                Question::Actor { watcher, actor } => self.tell_unknown_actor(watcher, actor, out),
                Question::Group { node, watcher, group } => self.tell_unknown_group(node, watcher, group, out),
                Question::Place { actor, group } => self.refuse_for_group(actor, group, out),
            }
        }
        self.settle_due();
        self.wake_rested(out);
        if self.look_us.is_some_and(|at_us| at_us <= now_us) {
            self.look_us = None;
            if std::mem::take(&mut self.has_other_totals) {
                self.house_the_homeless(out);
            }
            self.try_groups(out);
            self.move_waiting(out);
        }
        if self.news.due_us.is_some_and(|at_us| at_us <= now_us) {
            self.tell_view(out);
        }
    }

    pub(super) fn watch_early(&mut self, watcher: WorkerId, actor: ActorId) {
        self.early.questions.push((self.now_us + EARLY_US, Question::Actor { watcher, actor }));
    }

    pub(super) fn watch_group_early(&mut self, node: NodeId, watcher: WorkerId, group: PlacementGroupId) {
        self.early.questions.push((self.now_us + EARLY_US, Question::Group { node, watcher, group }));
    }

    pub(super) fn place_early(&mut self, actor: ActorId, group: PlacementGroupId) {
        self.early.questions.push((self.now_us + EARLY_US, Question::Place { actor, group }));
    }

    /// An actor is known from now on.
    pub(super) fn answer_early_actor(&mut self, created: ActorId, out: &mut Out) {
        let is_wanted = |_, question: &Question| matches!(question, Question::Actor { actor, .. } if *actor == created);
        for question in self.early.take(is_wanted) {
            if let Question::Actor { watcher, actor } = question {
                self.on_watch_actor(watcher, actor, out);
            }
        }
    }

    /// A group is known from now on.
    pub(super) fn answer_early_group(&mut self, created: PlacementGroupId, out: &mut Out) {
        let is_wanted = |_, question: &Question| match question {
            Question::Group { group, .. } | Question::Place { group, .. } => *group == created,
            Question::Actor { .. } => false,
        };
        for question in self.early.take(is_wanted) {
            match question {
                Question::Group { node, watcher, group } => self.on_watch_group(node, watcher, group, out),
                Question::Place { actor, .. } => self.place(actor, out),
                Question::Actor { .. } => {}
            }
        }
    }

    /// ACTOR-4 for actors that nobody remembers.
    fn tell_unknown_actor(&self, watcher: WorkerId, actor: ActorId, out: &mut Out) {
        let message = "no such actor is known; it ended long ago, or belongs to another job".to_owned();
        let death = Some(Death { kind: "unknown".to_owned(), message, ..Death::default() });
        let actor_id = actor.as_bytes().to_vec();
        let update = ActorUpdate { actor_id, state: "dead".to_owned(), death, ..ActorUpdate::default() };
        self.reply(watcher, Reply::ActorUpdate(update), out);
    }

    fn tell_unknown_group(&self, node: NodeId, watcher: WorkerId, group: PlacementGroupId, out: &mut Out) {
        let group_id = group.as_bytes().to_vec();
        if watcher == WorkerId::nil() {
            let news = GroupNews { group_id, state: "unknown".to_owned(), bundle_nodes: Vec::new() };
            Self::tell(node, head_to_node::Body::GroupNews(news), out);
        } else {
            let update = PlacementGroupUpdate { group_id, state: "UNKNOWN".to_owned() };
            self.reply(watcher, Reply::GroupUpdate(update), out);
        }
    }
}
