//! What the head was told and has not said it heard, and what it was asked and has not answered: said again when the head comes back, for
//! what was under way when it went may be lost.
//!
//! What changes the head's state has a number, by which the head takes it in once, however often it is said. What changes nothing is asked
//! without one. The node's side of HEAR-1.

use std::collections::{BTreeMap, BTreeSet};
use trygon_ids::WorkerId;
use trygon_proto::v1::from_process::Request;
use trygon_proto::v1::node_to_head::Body;
use trygon_proto::v1::to_process::Reply;
use trygon_proto::v1::{FromProcess, GroupNews, NodeToHead, ProcessEnded};
use trygon_wire::control::{WatchActor, WatchPlacementGroup};

/// What an answer is told by, besides who asked: a kind and a number or a hash.
type Name = (u8, Vec<u8>);
/// A driver's question whether its job may begin; whose it is stands in no worker's id.
const JOB: u8 = 7;

/// Something that changes the head's state.
#[derive(Debug)]
struct Kept {
    body: Body,
    /// Whose answer is waited for.
    awaits: Option<(WorkerId, Name)>,
    is_heard: bool,
}

/// What is open.
#[derive(Debug, Default)]
pub struct Questions {
    last_number: u64,
    kept: BTreeMap<u64, Kept>,
    awaited: BTreeMap<(WorkerId, Name), u64>,
    /// Questions that change nothing.
    asked: BTreeMap<(WorkerId, Name), FromProcess>,
    /// Who wants to hear of which actor, whether that was answered or not: news may have been lost.
    watches: BTreeSet<(WorkerId, Vec<u8>)>,
    /// The same for placement groups; the node itself is nobody.
    group_watches: BTreeSet<(WorkerId, Vec<u8>)>,
}

impl Questions {
    /// Something is said to the head: how it is said.
    pub fn note(&mut self, body: Body) -> NodeToHead {
        let mut awaits = None;
        let is_kept = match &body {
            Body::FromProcess(message) => {
                let from = WorkerId::from_bytes(&message.worker_id).unwrap_or(WorkerId::nil());
                let Some(request) = &message.request else { return plain(body) };
                self.note_watch(from, request);
                awaits = question_name(request).map(|name| (from, name));
                if !changes_state(request) {
                    if let Some(key) = awaits {
                        self.asked.insert(key, message.clone());
                    }
                    return plain(body);
                }
                true
            }
            Body::StartJob(job) => {
                awaits = numbered(JOB, job.request_id).map(|name| (WorkerId::nil(), name));
                true
            }
            Body::ProcessEnded(ended) => {
                if let Ok(process) = WorkerId::from_bytes(&ended.worker_id) {
                    self.forget(process);
                }
                true
            }
            Body::EndJob(_) | Body::Drain(_) => true,
            _ => false,
        };
        if !is_kept {
            return plain(body);
        }
        self.last_number += 1;
        let number = self.last_number;
        if let Some(key) = &awaits {
            self.awaited.insert(key.clone(), number);
        }
        let message = NodeToHead { number, done: self.done(), body: Some(body.clone()) };
        self.kept.insert(number, Kept { body, awaits, is_heard: false });
        message
    }

    /// Everything up to this number is heard, and answered where somebody waits.
    fn done(&self) -> u64 {
        self.kept.first_key_value().map_or(self.last_number - 1, |(first, _)| first - 1)
    }

    /// A process is gone: nobody waits for its answers.
    pub fn forget(&mut self, process: WorkerId) {
        self.asked.retain(|(from, _), _| *from != process);
        self.watches.retain(|(from, _)| *from != process);
        self.group_watches.retain(|(from, _)| *from != process);
        self.awaited.retain(|(from, _), _| *from != process);
        for kept in self.kept.values_mut() {
            kept.awaits.take_if(|(from, _)| *from == process);
        }
        self.kept.retain(|_, kept| !kept.is_heard || kept.awaits.is_some());
    }

    fn note_watch(&mut self, from: WorkerId, request: &Request) {
        match request {
            Request::WatchActor(watch) => _ = self.watches.insert((from, watch.actor_id.clone())),
            Request::CreateActor(create) => _ = self.watches.insert((from, create.actor_id.clone())),
            Request::WatchGroup(watch) => _ = self.group_watches.insert((from, watch.group_id.clone())),
            Request::RemoveGroup(remove) => _ = self.group_watches.remove(&(from, remove.group_id.clone())),
            _ => {}
        }
    }

    /// The head has kept everything up to this number.
    pub fn note_heard(&mut self, number: u64) {
        let heard: Vec<u64> = self.kept.range(..=number).map(|(number, _)| *number).collect();
        for number in heard {
            if let Some(kept) = self.kept.get_mut(&number) {
                kept.is_heard = true;
                if kept.awaits.is_none() {
                    self.kept.remove(&number);
                }
            }
        }
    }

    /// The head has answered a process.
    pub fn note_answer(&mut self, to: WorkerId, reply: &Reply) {
        if let Reply::ActorUpdate(update) = reply
            && update.state == "dead"
        {
            self.watches.remove(&(to, update.actor_id.clone()));
        }
        if let Reply::GroupUpdate(update) = reply
            && matches!(update.state.as_str(), "REMOVED" | "UNKNOWN")
        {
            self.group_watches.remove(&(to, update.group_id.clone()));
        }
        if let Some(name) = answer_name(reply) {
            self.note_answered((to, name));
        }
    }

    /// The head has told the node how a group is.
    pub fn note_group(&mut self, news: &GroupNews) {
        if matches!(news.state.as_str(), "removed" | "unknown") {
            self.group_watches.remove(&(WorkerId::nil(), news.group_id.clone()));
        }
    }

    /// The head has answered a driver that came.
    pub fn note_job(&mut self, request_id: u64) {
        if let Some(name) = numbered(JOB, request_id) {
            self.note_answered((WorkerId::nil(), name));
        }
    }

    fn note_answered(&mut self, key: (WorkerId, Name)) {
        if let Some(number) = self.awaited.remove(&key) {
            self.kept.remove(&number);
        }
        self.asked.remove(&key);
    }

    /// Processes whose end the head may not have heard of.
    pub fn ended(&self) -> Vec<ProcessEnded> {
        let ended = self.kept.values().filter_map(|kept| match &kept.body {
            Body::ProcessEnded(ended) => Some(ended.clone()),
            _ => None,
        });
        ended.collect()
    }

    /// Everything that is open.
    pub fn open(&self) -> Vec<NodeToHead> {
        let done = self.kept.first_key_value().map_or(self.last_number, |(first, _)| first - 1);
        let kept = self.kept.iter();
        let kept = kept.map(|(number, kept)| NodeToHead { number: *number, done, body: Some(kept.body.clone()) });
        let watch = |(from, actor_id): &(WorkerId, Vec<u8>)| FromProcess {
            worker_id: from.as_bytes().to_vec(),
            job_id: Vec::new(),
            request: Some(Request::WatchActor(WatchActor { actor_id: actor_id.clone() })),
        };
        let watch_group = |(from, group_id): &(WorkerId, Vec<u8>)| FromProcess {
            worker_id: from.as_bytes().to_vec(),
            job_id: Vec::new(),
            request: Some(Request::WatchGroup(WatchPlacementGroup { group_id: group_id.clone() })),
        };
        let watches = self.watches.iter().map(watch).chain(self.group_watches.iter().map(watch_group));
        let asked = self.asked.values().cloned().chain(watches);
        kept.chain(asked.map(|message| plain(Body::FromProcess(message)))).collect()
    }
}

fn plain(body: Body) -> NodeToHead {
    NodeToHead { body: Some(body), ..NodeToHead::default() }
}

fn changes_state(request: &Request) -> bool {
    match request {
        Request::CreateActor(_)
        | Request::KillActor(_)
        | Request::ActorStarted(_)
        | Request::FunctionPut(_)
        | Request::CreateGroup(_)
        | Request::RemoveGroup(_) => true,
        Request::KeyValue(call) => call.operation == "put" || call.operation == "delete",
        Request::WatchActor(_)
        | Request::WatchGroup(_)
        | Request::GetNamedActor(_)
        | Request::FunctionGet(_)
        | Request::StateQuery(_) => false,
    }
}

fn numbered(kind: u8, number: u64) -> Option<Name> {
    Some((kind, number.to_be_bytes().to_vec()))
}

/// What the answer will be told by, where somebody waits for one.
fn question_name(request: &Request) -> Option<Name> {
    match request {
        Request::CreateActor(create) if create.request_id > 0 => numbered(0, create.request_id),
        Request::GetNamedActor(wanted) => numbered(1, wanted.request_id),
        Request::FunctionGet(wanted) => Some((2, wanted.hash.clone())),
        Request::KeyValue(call) => numbered(3, call.request_id),
        Request::StateQuery(query) => numbered(4, query.request_id),
        Request::CreateGroup(create) if create.request_id > 0 => numbered(5, create.request_id),
        _ => None,
    }
}

fn answer_name(reply: &Reply) -> Option<Name> {
    match reply {
        Reply::CreateActor(reply) => numbered(0, reply.request_id),
        Reply::NamedActor(reply) => numbered(1, reply.request_id),
        Reply::Function(reply) => Some((2, reply.hash.clone())),
        Reply::KeyValue(reply) => numbered(3, reply.request_id),
        Reply::State(reply) => numbered(4, reply.request_id),
        Reply::GroupReply(reply) => numbered(5, reply.request_id),
        Reply::ActorUpdate(_) | Reply::GroupUpdate(_) => None,
    }
}

#[cfg(test)]
mod tests;
