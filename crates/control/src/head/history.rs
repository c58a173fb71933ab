//! What became of actors, groups and nodes, in order: told to people who ask. Kept in the journal's snapshots like everything else.

use crate::json::{array, object, string};
use std::collections::{BTreeMap, VecDeque};
use trygon_ids::{ActorId, NodeId, PlacementGroupId};

/// Events of one thing; the first and the newest are kept.
const MOST_EVENTS: usize = 24;
/// Groups that are remembered, whether they live or not.
const MOST_GROUPS: usize = 10_000;

/// What happened to a thing.
#[derive(Debug, Clone, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub(super) enum What {
    /// It was asked for, or came.
    Began,
    /// A worker on this node is its, or all its bundles are reserved, the first on this node.
    PlacedOn(NodeId),
    /// Its constructor is done.
    Runs,
    /// It has no process, or not all its bundles, and will have them again.
    Again(Box<str>),
    /// It takes nothing new.
    Drains(Box<str>),
    /// It was fenced, or let in again.
    Fenced(Box<str>),
    /// It is over.
    Ended(Box<str>),
}

/// The events of one thing: when, in microseconds of the head's clock.
type Log = VecDeque<(u64, What)>;

/// All of them.
#[derive(Debug, Default, serde::Serialize, serde::Deserialize)]
pub(super) struct History {
    actors: BTreeMap<ActorId, Log>,
    groups: BTreeMap<PlacementGroupId, Log>,
    nodes: BTreeMap<NodeId, Log>,
}

impl History {
    pub(super) fn of_actor(&mut self, now_us: u64, actor: ActorId, what: What) {
        note(self.actors.entry(actor).or_default(), now_us, what);
    }

    pub(super) fn forget_actor(&mut self, actor: ActorId) {
        self.actors.remove(&actor);
    }

    pub(super) fn of_group(&mut self, now_us: u64, group: PlacementGroupId, what: What) {
        if self.groups.len() >= MOST_GROUPS && !self.groups.contains_key(&group) {
            // Those that are over go first.
            self.groups.retain(|_, log| !matches!(log.back(), Some((_, What::Ended(_)))));
        }
        note(self.groups.entry(group).or_default(), now_us, what);
    }

    pub(super) fn of_node(&mut self, now_us: u64, node: NodeId, what: What) {
        note(self.nodes.entry(node).or_default(), now_us, what);
    }

    pub(super) fn forget_node(&mut self, node: NodeId) {
        self.nodes.remove(&node);
    }

    pub(super) fn actor_json(&self, now_us: u64, actor: ActorId) -> String {
        let words = |what: &What| match what {
            What::Began => "was created".to_owned(),
            What::PlacedOn(node) => format!("was given a process on node {}, where its constructor ran", short(*node)),
            What::Runs => "was ready: its constructor had ended".to_owned(),
            What::Again(why) => format!("lost its process, and is started again: {why}"),
            What::Ended(why) => format!("ended for good: {why}"),
            What::Drains(why) | What::Fenced(why) => why.to_string(),
        };
        told(self.actors.get(&actor), now_us, words)
    }

    pub(super) fn group_json(&self, now_us: u64, group: PlacementGroupId) -> String {
        let words = |what: &What| match what {
            What::Began => "was asked for".to_owned(),
            What::PlacedOn(node) => format!("had all its bundles, the first on node {}", short(*node)),
            What::Again(why) => format!("lost bundles, which are to be placed again: {why}"),
            What::Ended(why) => format!("was removed: {why}"),
            What::Runs => "was reserved".to_owned(),
            What::Drains(why) | What::Fenced(why) => why.to_string(),
        };
        told(self.groups.get(&group), now_us, words)
    }

    pub(super) fn node_json(&self, now_us: u64, node: NodeId) -> String {
        let words = |what: &What| match what {
            What::Began => "joined".to_owned(),
            What::Runs => "was heard again after its connection or the head had been away".to_owned(),
            What::Drains(why) => format!("was drained: {why}"),
            What::Fenced(why) => why.to_string(),
            What::Ended(why) => format!("was given up: {why}"),
            What::PlacedOn(_) => String::new(),
            What::Again(why) => why.to_string(),
        };
        told(self.nodes.get(&node), now_us, words)
    }
}

fn note(log: &mut Log, now_us: u64, what: What) {
    if log.back().is_some_and(|(_, last)| *last == what) {
        return;
    }
    if log.len() >= MOST_EVENTS {
        log.remove(1);
    }
    log.push_back((now_us, what));
}

fn told(log: Option<&Log>, now_us: u64, words: impl Fn(&What) -> String) -> String {
    let events = log.into_iter().flatten().map(|(at_us, what)| {
        let ago_s = now_us.saturating_sub(*at_us) as f64 / 1e6;
        object([("time", string(&ago(ago_s))), ("ago_s", format!("{ago_s:.3}")), ("what", string(&words(what)))])
    });
    array(events)
}

fn ago(seconds: f64) -> String {
    match seconds {
        seconds if seconds < 120.0 => format!("{seconds:.1} s ago:"),
        seconds if seconds < 7200.0 => format!("{:.0} min ago:", seconds / 60.0),
        seconds => format!("{:.1} h ago:", seconds / 3600.0),
    }
}

fn short(node: NodeId) -> String {
    node.hex().chars().take(12).collect()
}
