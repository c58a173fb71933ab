//! What the head was asked and has not answered: asked again when the head comes back, for what was under way when it went may be lost.
//!
//! A question may reach the head twice. Each is one that means the same the second time.

use std::collections::BTreeMap;
use trygon_ids::WorkerId;
use trygon_proto::v1::from_process::Request;
use trygon_proto::v1::node_to_head::Body;
use trygon_proto::v1::to_process::Reply;
use trygon_proto::v1::{FromProcess, StartJob};

/// What an answer is told by, besides who asked: a kind and a number or a hash.
type Name = (u8, Vec<u8>);

/// The open questions.
#[derive(Debug, Default)]
pub(crate) struct Questions {
    of_processes: BTreeMap<(WorkerId, Name), FromProcess>,
    jobs: BTreeMap<u64, StartJob>,
}

impl Questions {
    /// Something is said to the head.
    pub(crate) fn note(&mut self, body: &Body) {
        match body {
            Body::FromProcess(message) => {
                let name = message.request.as_ref().and_then(question_name);
                if let (Some(name), Ok(from)) = (name, WorkerId::from_bytes(&message.worker_id)) {
                    self.of_processes.insert((from, name), message.clone());
                }
            }
            Body::StartJob(job) => {
                self.jobs.insert(job.request_id, job.clone());
            }
            Body::ProcessEnded(ended) => {
                if let Ok(process) = WorkerId::from_bytes(&ended.worker_id) {
                    self.of_processes.retain(|(from, _), _| *from != process);
                }
            }
            _ => {}
        }
    }

    /// The head has answered a process.
    pub(crate) fn note_answer(&mut self, to: WorkerId, reply: &Reply) {
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
        jobs.chain(self.of_processes.values().cloned().map(Body::FromProcess)).collect()
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
