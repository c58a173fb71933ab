//! What the head was asked and has not answered: asked again when the head comes back, for what was under way when it went may be lost.
//!
//! A question may reach the head twice. Each is one that means the same the second time.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use trygon_ids::WorkerId;
use trygon_proto::v1::from_process::Request;
use trygon_proto::v1::node_to_head::Body;
use trygon_proto::v1::to_process::Reply;
use trygon_proto::v1::{FromProcess, StartJob};
use trygon_wire::control::WatchActor;

/// What an answer is told by, besides who asked: a kind and a number or a hash.
type Name = (u8, Vec<u8>);

/// That a constructor is done: answered by `ActorRunning`, or by the worker's end.
const STARTED: Name = (6, Vec::new());
/// Ends of actors that are remembered.
const MAX_KILLS: usize = 256;

/// The open questions.
#[derive(Debug, Default)]
pub(crate) struct Questions {
    of_processes: BTreeMap<(WorkerId, Name), FromProcess>,
    jobs: BTreeMap<u64, StartJob>,
    /// Who wants to hear of which actor, whether that was answered or not: news may have been lost.
    watches: BTreeSet<(WorkerId, Vec<u8>)>,
    /// The newest ends of actors that were asked for. Nobody answers them.
    kills: VecDeque<FromProcess>,
}

impl Questions {
    /// Something is said to the head.
    pub(crate) fn note(&mut self, body: &Body) {
        match body {
            Body::FromProcess(message) => {
                if let (Some(request), Ok(from)) = (&message.request, WorkerId::from_bytes(&message.worker_id)) {
                    self.note_request(from, request, message);
                }
            }
            Body::StartJob(job) => {
                self.jobs.insert(job.request_id, job.clone());
            }
            Body::ProcessEnded(ended) => {
                if let Ok(process) = WorkerId::from_bytes(&ended.worker_id) {
                    self.forget(process);
                }
            }
            _ => {}
        }
    }

    /// A process is gone.
    pub(crate) fn forget(&mut self, process: WorkerId) {
        self.of_processes.retain(|(from, _), _| *from != process);
        self.watches.retain(|(from, _)| *from != process);
    }

    fn note_request(&mut self, from: WorkerId, request: &Request, message: &FromProcess) {
        match request {
            Request::WatchActor(watch) => {
                self.watches.insert((from, watch.actor_id.clone()));
            }
            Request::CreateActor(create) => {
                self.watches.insert((from, create.actor_id.clone()));
            }
            // Another life's end must not be asked for a second time.
            Request::KillActor(kill) if kill.no_restart || kill.out_of_scope => {
                self.kills.push_back(message.clone());
                if self.kills.len() > MAX_KILLS {
                    self.kills.pop_front();
                }
            }
            _ => {}
        }
        if let Some(name) = question_name(request) {
            self.of_processes.insert((from, name), message.clone());
        }
    }

    /// The head knows that an actor's constructor is done.
    pub(crate) fn note_running(&mut self, worker: WorkerId) {
        self.of_processes.remove(&(worker, STARTED));
    }

    /// The head has answered a process.
    pub(crate) fn note_answer(&mut self, to: WorkerId, reply: &Reply) {
        if let Reply::ActorUpdate(update) = reply
            && update.state == "dead"
        {
            self.watches.remove(&(to, update.actor_id.clone()));
        }
        if let Some(name) = answer_name(reply) {
            self.of_processes.remove(&(to, name));
        }
    }

    /// The head has answered a driver that came.
    pub(crate) fn note_job(&mut self, request_id: u64) {
        self.jobs.remove(&request_id);
    }

    /// Everything that is open.
    pub(crate) fn open(&self) -> Vec<Body> {
        let jobs = self.jobs.values().cloned().map(Body::StartJob);
        let watch = |(from, actor_id): &(WorkerId, Vec<u8>)| FromProcess {
            worker_id: from.as_bytes().to_vec(),
            job_id: Vec::new(),
            request: Some(Request::WatchActor(WatchActor { actor_id: actor_id.clone() })),
        };
        let of_processes = self.of_processes.values().chain(&self.kills).cloned();
        jobs.chain(of_processes.chain(self.watches.iter().map(watch)).map(Body::FromProcess)).collect()
    }
}

fn numbered(kind: u8, number: u64) -> Option<Name> {
    Some((kind, number.to_be_bytes().to_vec()))
}

fn question_name(request: &Request) -> Option<Name> {
    match request {
        Request::CreateActor(create) => numbered(0, create.request_id),
        Request::GetNamedActor(wanted) => numbered(1, wanted.request_id),
        Request::FunctionGet(wanted) => Some((2, wanted.hash.clone())),
        Request::KeyValue(call) => numbered(3, call.request_id),
        Request::StateQuery(query) => numbered(4, query.request_id),
        Request::CreateGroup(create) if create.request_id > 0 => numbered(5, create.request_id),
        Request::ActorStarted(_) => Some(STARTED),
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
