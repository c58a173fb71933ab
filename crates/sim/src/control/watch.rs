//! What the head tells, compared with what it told before and with what was asked.

use crate::control::ids::{actor_id, group_id, worker_id};
use crate::control::machine::parts;
use std::collections::{BTreeMap, BTreeSet};
use trygon_control::{Head, Out};
use trygon_control_core::ActorState;
use trygon_ids::{ActorId, NodeId, PlacementGroupId, WorkerId};
use trygon_proto::control::{ActorStarted, ActorUpdate};
use trygon_proto::v1::from_process::Request;
use trygon_proto::v1::head_to_node::Body;
use trygon_proto::v1::node_to_head::Body as Said;
use trygon_proto::v1::to_process::Reply;
use trygon_proto::v1::{ActorPlaced, BundlesPrepared, FromProcess, HeadToNode, NodeToHead};

/// ACTOR-6: the rest after the second death in a row in the constructor, and the longest.
const FIRST_REST_US: u64 = 20_000;
const LONGEST_REST_US: u64 = 10_000_000;
/// Causes that say nothing of the constructor.
const OUTER_KINDS: [&str; 3] = ["node", "drained", "killed"];

/// What a watcher of an actor heard last.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct News {
    pub(super) state: String,
    pub(super) life: u32,
    pub(super) kind: String,
}

/// A question of which an answer is waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Asked {
    Actor { actor: ActorId, gets: bool },
    Group,
    Key,
}

/// How the present life of an actor began.
#[derive(Debug, Default)]
struct Beginnings {
    life: u32,
    is_constructing: bool,
    /// Deaths in a row in the constructor, and the last one.
    deaths: u32,
    died_us: u64,
}

#[derive(Debug, Default)]
pub(super) struct Watch {
    /// Causes, as anybody was told them.
    ended: BTreeMap<ActorId, (String, String)>,
    lives: BTreeMap<ActorId, BTreeMap<u32, WorkerId>>,
    seats: BTreeMap<ActorId, NodeId>,
    beginnings: BTreeMap<ActorId, Beginnings>,
    pub(super) of_actors: BTreeMap<(WorkerId, ActorId), Option<News>>,
    pub(super) of_groups: BTreeMap<(WorkerId, PlacementGroupId), Option<String>>,
    pub(super) asked: BTreeMap<(WorkerId, u64), Asked>,
    /// Who has asked of which group, and is not to ask again.
    pub(super) asked_of_groups: BTreeSet<(WorkerId, PlacementGroupId)>,
    /// The same of actors.
    pub(super) asked_of_actors: BTreeSet<(WorkerId, ActorId)>,
}

impl Watch {
    /// A process asks for something.
    pub(super) fn note_asked(&mut self, from: WorkerId, request: &Request) {
        match request {
            Request::CreateActor(create) => {
                let actor = actor_id(&create.actor_id);
                self.of_actors.insert((from, actor), None);
                self.asked_of_actors.insert((from, actor));
                if create.request_id > 0 {
                    self.asked.insert((from, create.request_id), Asked::Actor { actor, gets: create.get_if_exists });
                }
            }
            Request::CreateGroup(create) if create.request_id > 0 => {
                self.asked.insert((from, create.request_id), Asked::Group);
            }
            Request::KeyValue(call) => _ = self.asked.insert((from, call.request_id), Asked::Key),
            Request::WatchActor(watch) => {
                self.of_actors.entry((from, actor_id(&watch.actor_id))).or_default();
            }
            Request::WatchGroup(watch) => {
                self.of_groups.entry((from, group_id(&watch.group_id))).or_default();
            }
            // Who removes a group is not told.
            Request::RemoveGroup(remove) => {
                self.of_groups.remove(&(from, group_id(&remove.group_id)));
                self.asked_of_groups.insert((from, group_id(&remove.group_id)));
            }
            _ => {}
        }
    }

    /// A process is answered.
    pub(super) fn note_reply(&mut self, to: WorkerId, reply: &Reply) -> Result<(), String> {
        match reply {
            Reply::ActorUpdate(update) => {
                let (key, news) = ((to, actor_id(&update.actor_id)), news_of(update));
                if news.kind == "unknown" {
                    // It had not been heard of when somebody asked, which is told once.
                    self.of_actors.remove(&key);
                } else if let Some(last) = self.of_actors.get_mut(&key) {
                    *last = Some(news);
                }
            }
            Reply::GroupUpdate(update) => {
                let key = (to, group_id(&update.group_id));
                if update.state == "UNKNOWN" {
                    self.of_groups.remove(&key);
                } else if let Some(last) = self.of_groups.get_mut(&key) {
                    *last = Some(update.state.clone());
                }
            }
            Reply::CreateActor(reply) => {
                let Some(Asked::Actor { actor, gets }) = self.asked.remove(&(to, reply.request_id)) else {
                    return Ok(());
                };
                let is_taken = !reply.existing_actor_id.is_empty();
                if is_taken {
                    self.of_actors.remove(&(to, actor));
                }
                if reply.error.is_empty() != (!is_taken || gets) {
                    let said = if is_taken { "ACTOR-1" } else { "HEAR-1" };
                    return Err(format!("{said}: the creation of {actor} is answered {reply:?}"));
                }
            }
            Reply::KeyValue(reply) => {
                let is_asked = self.asked.remove(&(to, reply.request_id)).is_some();
                if is_asked && reply.existed {
                    return Err("HEAR-1: a key is there before it was put".to_owned());
                }
            }
            Reply::GroupReply(reply) => {
                let is_first = self.asked.remove(&(to, reply.request_id)).is_some();
                if is_first && reply.error.contains("this id exists") {
                    return Err("HEAR-1: a placement group is there before it was created".to_owned());
                }
            }
            _ => {}
        }
        Ok(())
    }

    /// ACTOR-3: a worker is that of the life for which it was found.
    pub(super) fn check_placed(&self, head: &Head, said: &[ActorPlaced]) -> Result<(), String> {
        for (actor, life, worker) in said.iter().map(parts) {
            let entry = head.actor_table().get(actor);
            if let Some(entry) = entry.filter(|entry| entry.worker() == Some(worker) && entry.incarnation != life) {
                return Err(format!("ACTOR-3: a worker for life {life} of {actor} has life {}", entry.incarnation));
            }
        }
        Ok(())
    }

    /// ACTOR-3: a constructor's end is that of its own life. Called before the event is looked at.
    pub(super) fn check_started(&self, head: &Head, message: &NodeToHead) -> Result<(), String> {
        let Some((from, started)) = started_in(message) else {
            return Ok(());
        };
        let actor = actor_id(&started.actor_id);
        let was_constructing = self.beginnings.get(&actor).is_some_and(|known| known.is_constructing);
        let entry = head.actor_table().get(actor).filter(|_| was_constructing);
        match entry.map(|entry| (&entry.state, entry.incarnation)) {
            Some((ActorState::Alive { worker }, life)) if (*worker, life) != (from, started.incarnation) => {
                Err(format!("ACTOR-3: the constructor of life {} of {actor} began life {life}", started.incarnation))
            }
            _ => Ok(()),
        }
    }

    /// Notes which lives ended in their constructors.
    pub(super) fn look(&mut self, head: &Head, now_us: u64) {
        for (actor, entry) in head.actor_table().iter().filter(|(_, entry)| !entry.is_dead()) {
            let known = self.beginnings.entry(*actor).or_default();
            if entry.incarnation != known.life {
                let is_outer = entry.death().is_some_and(|death| OUTER_KINDS.contains(&death.kind.as_str()));
                known.deaths += u32::from(known.is_constructing && !is_outer);
                (known.life, known.died_us) = (entry.incarnation, now_us);
            }
            known.is_constructing = matches!(entry.state, ActorState::Constructing { .. });
            if matches!(entry.state, ActorState::Alive { .. }) {
                known.deaths = 0;
            }
        }
    }

    /// The head tells a node something.
    pub(super) fn observe(&mut self, head: &Head, now_us: u64, to: NodeId, message: &HeadToNode) -> Result<(), String> {
        match &message.body {
            Some(Body::PlaceActor(place)) => {
                let actor = actor_id(&place.actor.as_ref().map(|actor| actor.actor_id.clone()).unwrap_or_default());
                takes_work(head, to, "to find a worker")?;
                self.seats.insert(actor, to);
                self.check_rested(actor, now_us)
            }
            Some(Body::UnplaceActor(unplace)) => {
                let actor = actor_id(&unplace.actor_id);
                if self.seats.get(&actor) == Some(&to) {
                    self.seats.remove(&actor);
                }
                Ok(())
            }
            Some(Body::StartActor(start)) => self.check_start(head, to, actor_id(&start.actor_id), start.incarnation),
            Some(Body::PrepareBundles(_)) => takes_work(head, to, "to hold bundles"),
            Some(Body::ToProcess(said)) => match &said.reply {
                Some(Reply::ActorUpdate(update)) => self.check_update(worker_id(&said.worker_id), update),
                _ => Ok(()),
            },
            _ => Ok(()),
        }
    }

    /// ACTOR-6.
    fn check_rested(&self, actor: ActorId, now_us: u64) -> Result<(), String> {
        let Some(known) = self.beginnings.get(&actor).filter(|known| known.deaths >= 2) else {
            return Ok(());
        };
        let least_us = (FIRST_REST_US << (known.deaths - 2).min(20)).min(LONGEST_REST_US);
        let rested_us = now_us - known.died_us;
        if rested_us < least_us {
            let deaths = known.deaths;
            return Err(format!("ACTOR-6: {actor} rests {rested_us} us after {deaths} deaths in its constructor"));
        }
        Ok(())
    }

    /// ACTOR-2 and SEAT-1: each life has a number of its own and a higher one, and the worker is on the node that was asked.
    fn check_start(&mut self, head: &Head, to: NodeId, actor: ActorId, life: u32) -> Result<(), String> {
        let Some(worker) = head.actor_table().get(actor).and_then(|entry| entry.worker()) else {
            return Ok(());
        };
        let lives = self.lives.entry(actor).or_default();
        if lives.get(&life) == Some(&worker) {
            return Ok(());
        }
        if lives.last_key_value().is_some_and(|(last, _)| *last >= life) {
            return Err(format!("ACTOR-2: another life of {actor} has number {life}"));
        }
        lives.insert(life, worker);
        match self.seats.remove(&actor) {
            Some(seat) if seat != to => Err(format!("SEAT-1: {actor} begins on node {to}, {seat} was asked")),
            _ => Ok(()),
        }
    }

    /// ACTOR-4.
    fn check_update(&mut self, to: WorkerId, update: &ActorUpdate) -> Result<(), String> {
        let actor = actor_id(&update.actor_id);
        let cause = update.death.as_ref().map(|death| (death.kind.clone(), death.message.clone())).unwrap_or_default();
        if update.state != "dead" {
            return match self.ended.get(&actor) {
                Some(_) => Err(format!("ACTOR-4: {actor} is dead, and {to} is told that it is {}", update.state)),
                None => Ok(()),
            };
        }
        // Nobody remembers it.
        if cause.0 == "unknown" {
            return Ok(());
        }
        let first = self.ended.entry(actor).or_insert_with(|| cause.clone());
        if *first == cause { Ok(()) } else { Err(format!("ACTOR-4: {actor} died of {first:?} and of {cause:?}")) }
    }
}

/// GROUP-5: an answer to an attempt that is over is answered with a return.
pub(super) fn check_late(head: &Head, from: NodeId, prepared: &BundlesPrepared, out: &Out) -> Result<(), String> {
    let (group, attempt) = (group_id(&prepared.group_id), prepared.attempt);
    let is_return = |(to, message): &(NodeId, HeadToNode)| match &message.body {
        Some(Body::ReleaseGroup(release)) => {
            *to == from && release.group_id == prepared.group_id && [0, attempt].contains(&release.attempt)
        }
        _ => false,
    };
    if head.counts_on(group, from, attempt) || !head.members().contains(&from) || out.iter().any(is_return) {
        return Ok(());
    }
    Err(format!("GROUP-5: node {from} may keep bundles of {group} by attempt {attempt}, which is over"))
}

/// The process and the constructor whose end a message tells.
fn started_in(message: &NodeToHead) -> Option<(WorkerId, &ActorStarted)> {
    match &message.body {
        Some(Said::FromProcess(FromProcess {
            worker_id: from, request: Some(Request::ActorStarted(started)), ..
        })) => Some((worker_id(from), started)),
        _ => None,
    }
}

/// VIEW-2: a node that is gone or drains is asked for nothing.
fn takes_work(head: &Head, node: NodeId, what: &str) -> Result<(), String> {
    if head.takes_work(node) { Ok(()) } else { Err(format!("VIEW-2: node {node}, which takes no work, is {what}")) }
}

fn news_of(update: &ActorUpdate) -> News {
    let kind = update.death.as_ref().map(|death| death.kind.clone()).unwrap_or_default();
    News { state: update.state.clone(), life: update.incarnation, kind }
}
