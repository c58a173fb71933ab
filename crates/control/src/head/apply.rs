//! One message from a node.

use crate::head::{Head, Out};
use crate::translate::{actor_id, group_id, worker_id};
use trygon_ids::{JobId, NodeId, WorkerId};
use trygon_proto::control::{Death, FunctionReply, KeyValueReply, KeyValueRequest};
use trygon_proto::v1::from_process::Request;
use trygon_proto::v1::node_to_head::Body;
use trygon_proto::v1::{FromProcess, HeadToNode, NodeToHead, head_to_node, to_process};

impl Head {
    /// Whether a message changes what must outlive the head: such a message is on disk before what follows from it is sent.
    pub fn changes_state(message: &NodeToHead) -> bool {
        match &message.body {
            None | Some(Body::Load(_) | Body::ActorWaits(_) | Body::GroupWaits(_)) => false,
            Some(Body::FromProcess(FromProcess { request, .. })) => match request {
                None
                | Some(
                    Request::WatchActor(_)
                    | Request::WatchGroup(_)
                    | Request::GetNamedActor(_)
                    | Request::FunctionGet(_)
                    | Request::StateQuery(_),
                ) => false,
                Some(Request::KeyValue(call)) => call.operation == "put" || call.operation == "delete",
                Some(_) => true,
            },
            Some(_) => true,
        }
    }

    /// Takes in one message of a node; what nodes are to be told comes out, in order.
    pub fn apply(&mut self, now_us: u64, node: NodeId, message: NodeToHead, out: &mut Out) {
        self.now_us = now_us;
        let NodeToHead { number, done, body } = message;
        let Some(body) = body else {
            return;
        };
        if number > 0 && !self.is_new(node, (number, done), wants_answer(&body), out) {
            return;
        }
        let said = out.len();
        let may_end_actors = !self.lingering.is_empty() && may_end_actors(&body);
        match body {
            Body::Register(message) => self.on_register(node, message, out),
            // A node that is given up must register again before it is heard.
            _ if !self.nodes.is_alive(node) => {}
            Body::Load(load) => self.on_load(node, load),
            Body::FromProcess(message) => self.on_request(node, message, out),
            Body::ProcessEnded(ended) => {
                self.on_process_ended(worker_id(&ended.worker_id), &ended.death.unwrap_or_default(), out);
            }
            Body::StartJob(job) => self.on_start_job(node, job, out),
            Body::EndJob(ended) => self.on_end_job(&ended.job_id, &ended.death.unwrap_or_default(), out),
            Body::ActorPlaced(placed) => self.on_actor_placed(node, placed, out),
            Body::ActorRefused(refused) => self.on_actor_refused(node, refused, out),
            Body::ActorWaits(waits) => self.actors.note_waits(actor_id(&waits.actor_id), waits.message),
            Body::GroupReserved(reserved) => self.on_group_reserved(group_id(&reserved.group_id), out),
            Body::GroupWaits(waits) => self.groups.note_waits(group_id(&waits.group_id), waits.message),
            Body::Leaves(leaves) => self.on_node_lost(now_us, node, &leaves.message, out),
            Body::Drain(drain) => {
                if let Ok(node) = NodeId::from_bytes(&drain.node_id) {
                    self.drain(node, &drain, out);
                }
            }
            Body::Fence(fence) => {
                if let Ok(node) = NodeId::from_bytes(&fence.node_id) {
                    self.on_fence(node, &fence, out);
                }
            }
            Body::BundlesPrepared(prepared) => self.on_bundles_prepared(node, prepared, out),
        }
        if may_end_actors {
            self.end_lingering(out);
        }
        if number > 0 {
            self.keep_answer(node, number, &out[said..]);
        }
    }

    /// HEAR-1: what has a number is taken in once; said again, it is answered again.
    fn is_new(&mut self, node: NodeId, (number, done): (u64, u64), wants_answer: bool, out: &mut Out) -> bool {
        let Some(entry) = self.nodes.by_id.get_mut(&node) else {
            return false;
        };
        entry.answers.retain(|answered, _| *answered > done);
        if number > entry.heard || self.defects.heard_twice {
            entry.heard = number;
            return true;
        }
        // It was refused for want of room, which its node did not hear: there may be room now.
        if wants_answer && number > done && !entry.answers.contains_key(&number) {
            return true;
        }
        out.extend(
            entry.answers.get(&number).filter(|_| !self.defects.answered_once).map(|answer| (node, answer.clone())),
        );
        false
    }

    fn keep_answer(&mut self, node: NodeId, number: u64, said: &[(NodeId, HeadToNode)]) {
        let is_answer = |message: &HeadToNode| match &message.body {
            Some(head_to_node::Body::JobAccepted(_)) => true,
            Some(head_to_node::Body::ToProcess(message)) => matches!(
                message.reply,
                Some(
                    to_process::Reply::CreateActor(_)
                        | to_process::Reply::KeyValue(_)
                        | to_process::Reply::GroupReply(_)
                )
            ),
            _ => false,
        };
        let answer = said.iter().find(|(to, message)| *to == node && is_answer(message));
        if let (Some((_, answer)), Some(entry)) = (answer, self.nodes.by_id.get_mut(&node)) {
            entry.answers.insert(number, answer.clone());
        }
    }

    fn on_request(&mut self, node: NodeId, message: FromProcess, out: &mut Out) {
        let from = worker_id(&message.worker_id);
        let job = JobId::from_bytes(&message.job_id).unwrap_or(JobId::nil());
        let Some(request) = message.request else {
            return;
        };
        match request {
            Request::CreateActor(create) => self.on_create_actor(from, job, create, out),
            Request::WatchActor(watch) => self.on_watch_actor(from, actor_id(&watch.actor_id), out),
            Request::KillActor(kill) => self.on_kill_actor(&kill, out),
            Request::ActorStarted(started) => self.on_actor_started(from, started, out),
            Request::GetNamedActor(wanted) => self.on_get_named_actor(from, &wanted, out),
            Request::FunctionPut(function) => self.functions.put(function.hash, function.body),
            Request::FunctionGet(wanted) => {
                let body = self.functions.get(&wanted.hash).unwrap_or_default().to_vec();
                let reply = FunctionReply { hash: wanted.hash, body };
                self.answer(node, from, to_process::Reply::Function(reply), out);
            }
            Request::KeyValue(call) => {
                // It is answered all the same: who asked is about to end.
                let call = if self.ships_too_late(job, &call) {
                    KeyValueRequest { operation: String::new(), ..call }
                } else {
                    call
                };
                let KeyValueRequest { request_id, operation, namespace, key, value, overwrite } = call;
                let answer = self.key_values.call(&operation, &namespace, key, value, overwrite);
                let trygon_control_core::KeyValueAnswer { existed, value, keys } = answer;
                let reply = KeyValueReply { request_id, existed, value, keys, out_of_disk: String::new() };
                self.answer(node, from, to_process::Reply::KeyValue(reply), out);
            }
            Request::StateQuery(query) => {
                let reply = self.on_query(query);
                self.answer(node, from, to_process::Reply::State(reply), out);
            }
            Request::CreateGroup(create) => self.on_create_group(node, from, job, create, out),
            Request::RemoveGroup(remove) => self.on_remove_group(from, group_id(&remove.group_id), out),
            Request::WatchGroup(watch) => self.on_watch_group(node, from, group_id(&watch.group_id), out),
        }
    }

    /// Answers who asked: a process, or the node itself when it asked for itself (with a nil worker id).
    pub(super) fn answer(&self, node: NodeId, to: WorkerId, reply: to_process::Reply, out: &mut Out) {
        if to == WorkerId::nil() {
            let message = trygon_proto::v1::ToProcess { worker_id: to.as_bytes().to_vec(), reply: Some(reply) };
            Self::tell(node, trygon_proto::v1::head_to_node::Body::ToProcess(message), out);
        } else {
            self.reply(to, reply, out);
        }
    }

    /// A driver or worker is gone.
    pub(super) fn on_process_ended(&mut self, process: WorkerId, death: &Death, out: &mut Out) {
        let mut effects = Vec::new();
        self.pids.remove(&process);
        let actor = self.actors.on_worker(process);
        self.groups.on_process_died(process);
        self.actors.on_process_died(process, &crate::translate::death_from_wire(death), &mut effects);
        if let Some(actor) = actor {
            self.note_actor(actor);
        }
        self.perform_actors(effects, out);
    }
}

/// Whether somebody waits for an answer, which is kept until its node has it.
fn wants_answer(body: &Body) -> bool {
    match body {
        Body::StartJob(_) => true,
        Body::FromProcess(message) => match &message.request {
            Some(Request::CreateActor(create)) => create.request_id > 0,
            Some(Request::CreateGroup(create)) => create.request_id > 0,
            Some(Request::KeyValue(_)) => true,
            _ => false,
        },
        _ => false,
    }
}

/// Whether an actor may end by this.
fn may_end_actors(body: &Body) -> bool {
    match body {
        Body::ProcessEnded(_) | Body::ActorRefused(_) | Body::Leaves(_) => true,
        Body::FromProcess(message) => {
            matches!(message.request, Some(Request::KillActor(_) | Request::ActorStarted(_)))
        }
        _ => false,
    }
}
