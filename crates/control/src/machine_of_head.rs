//! The head, as journal and streams see it.

#[cfg(test)]
mod tests;

use crate::head::Head;
use crate::machine::{Keep, Machine, Refusal, State};
use crate::storage::{Digest, LARGE_BYTES};
use trygon_ids::NodeId;
use trygon_proto::control::{ActorUpdate, CreateActorReply, Death, KeyValueReply, PlacementGroupReply};
use trygon_proto::v1::from_process::Request;
use trygon_proto::v1::node_to_head::Body;
use trygon_proto::v1::to_process::Reply;
use trygon_proto::v1::{FromProcess, HeadToNode, Heard, NodeLeaves, NodeToHead, Notice, ToProcess, head_to_node};

impl Machine for Head {
    type Event = NodeToHead;
    type Output = HeadToNode;

    fn label(event: &NodeToHead) -> &'static str {
        match &event.body {
            None => "tick",
            Some(Body::Register(_)) => "register_node",
            Some(Body::Load(_)) => "load",
            Some(Body::FromProcess(message)) => label_of_request(message),
            Some(Body::ProcessEnded(_)) => "process_ended",
            Some(Body::StartJob(_)) => "start_job",
            Some(Body::EndJob(_)) => "end_job",
            Some(Body::ActorPlaced(_)) => "actor_placed",
            Some(Body::ActorRefused(_)) => "actor_refused",
            Some(Body::ActorWaits(_)) => "actor_waits",
            Some(Body::GroupReserved(_)) => "group_reserved",
            Some(Body::GroupWaits(_)) => "group_waits",
            Some(Body::Leaves(_)) => "node_leaves",
            Some(Body::BundlesPrepared(_)) => "bundles_prepared",
            Some(Body::Drain(_)) => "drain_node",
            Some(Body::Fence(_)) => "fence_node",
        }
    }

    fn keep(event: &NodeToHead) -> Keep {
        let is_watched =
            |request: &Option<Request>| matches!(request, Some(Request::WatchActor(_) | Request::WatchGroup(_)));
        match &event.body {
            _ if Self::changes_state(event) => Keep::Now,
            // A tick: of those that lead to nothing, nothing need remain.
            None => Keep::Soon,
            // Said again when it changed or was lost; until then, what is decided depends on it.
            Some(Body::Load(_) | Body::ActorWaits(_) | Body::GroupWaits(_)) => Keep::Soon,
            Some(Body::FromProcess(FromProcess { request, .. })) if is_watched(request) => Keep::Soon,
            _ => Keep::Never,
        }
    }

    fn is_hint(output: &HeadToNode) -> bool {
        matches!(&output.body, Some(head_to_node::Body::View(view)) if !view.is_whole)
    }

    fn apply(&mut self, now_us: u64, origin: NodeId, event: NodeToHead, out: &mut Vec<(NodeId, HeadToNode)>) {
        if event.body.is_none() && origin.is_nil() {
            self.tick(now_us, out);
        } else {
            Self::apply(self, now_us, origin, event, out);
        }
    }

    fn take_large(event: &mut NodeToHead) -> Option<Vec<u8>> {
        large_of(event).filter(|value| value.len() >= LARGE_BYTES).map(std::mem::take)
    }

    fn give_large(event: &mut NodeToHead, value: Vec<u8>) {
        if let Some(place) = large_of(event) {
            *place = value;
        }
    }

    fn snapshot(&self) -> Result<State<'_>, String> {
        Self::snapshot(self)
    }

    fn restore(&mut self, state: &[u8], large: Vec<(Digest, Vec<u8>)>) -> Result<(), String> {
        *self = Self::restore(state, large)?;
        Ok(())
    }

    fn number(event: &NodeToHead) -> u64 {
        event.number
    }

    fn heard(number: u64) -> HeadToNode {
        HeadToNode { body: Some(head_to_node::Body::Heard(Heard { number })) }
    }

    fn refuse(event: &NodeToHead, message: &str) -> Refusal<HeadToNode> {
        refusal(event, message)
    }

    fn next_deadline_us(&self) -> Option<u64> {
        Self::next_deadline_us(self)
    }

    fn tick() -> NodeToHead {
        NodeToHead::default()
    }

    fn members(&self) -> Vec<NodeId> {
        Self::members(self)
    }

    fn hold_of(&self, node: NodeId) -> (&str, u64) {
        Self::hold_of(self, node)
    }

    fn stamp(register: &mut NodeToHead, address: &str) {
        if let Some(Body::Register(register)) = &mut register.body {
            address.clone_into(&mut register.head_address);
        }
    }

    fn former(&self) -> Vec<NodeId> {
        Self::former(self)
    }

    fn leaseless(&self) -> Vec<NodeId> {
        Self::leaseless(self)
    }

    fn gone(message: String) -> NodeToHead {
        NodeToHead { body: Some(Body::Leaves(NodeLeaves { message })), ..NodeToHead::default() }
    }

    fn is_farewell(event: &NodeToHead) -> bool {
        matches!(event.body, Some(Body::Leaves(_)))
    }
}

/// FULL-1: who waits for an answer is refused; who does not is told why nothing becomes of it, and waits.
fn refusal(event: &NodeToHead, message: &str) -> Refusal<HeadToNode> {
    let Some(Body::FromProcess(FromProcess { worker_id, job_id, request: Some(request) })) = &event.body else {
        return Refusal::Waits;
    };
    let out_of_disk = message.to_owned();
    let reply = match request {
        Request::CreateActor(create) if create.request_id > 0 => {
            let request_id = create.request_id;
            Reply::CreateActor(CreateActorReply { request_id, out_of_disk, ..CreateActorReply::default() })
        }
        Request::CreateActor(create) => {
            let death = Death { kind: "out_of_disk".to_owned(), message: out_of_disk, ..Death::default() };
            Reply::ActorUpdate(ActorUpdate {
                actor_id: create.actor_id.clone(),
                state: "dead".to_owned(),
                death: Some(death),
                class_name: create.class_name.clone(),
                ..ActorUpdate::default()
            })
        }
        Request::KeyValue(call) => {
            let request_id = call.request_id;
            Reply::KeyValue(KeyValueReply { request_id, out_of_disk, ..KeyValueReply::default() })
        }
        Request::CreateGroup(create) if create.request_id > 0 => {
            let request_id = create.request_id;
            Reply::GroupReply(PlacementGroupReply { request_id, out_of_disk, ..PlacementGroupReply::default() })
        }
        Request::CreateGroup(_) | Request::FunctionPut(_) => {
            let notice = Notice { job_id: job_id.clone(), message: out_of_disk };
            return Refusal::Meanwhile(HeadToNode { body: Some(head_to_node::Body::Notice(notice)) });
        }
        _ => return Refusal::Waits,
    };
    let message = ToProcess { worker_id: worker_id.clone(), reply: Some(reply) };
    Refusal::Instead(HeadToNode { body: Some(head_to_node::Body::ToProcess(message)) })
}

/// What may be large in an event.
fn large_of(event: &mut NodeToHead) -> Option<&mut Vec<u8>> {
    match &mut event.body {
        Some(Body::FromProcess(FromProcess { request: Some(Request::FunctionPut(function)), .. })) => {
            Some(&mut function.body)
        }
        Some(Body::FromProcess(FromProcess { request: Some(Request::KeyValue(call)), .. })) => Some(&mut call.value),
        _ => None,
    }
}

fn label_of_request(message: &FromProcess) -> &'static str {
    match &message.request {
        None => "nothing",
        Some(Request::CreateActor(_)) => "create_actor",
        Some(Request::WatchActor(_)) => "watch_actor",
        Some(Request::KillActor(_)) => "kill_actor",
        Some(Request::ActorStarted(_)) => "actor_started",
        Some(Request::GetNamedActor(_)) => "get_named_actor",
        Some(Request::FunctionPut(_)) => "function_put",
        Some(Request::FunctionGet(_)) => "function_get",
        Some(Request::KeyValue(_)) => "key_value",
        Some(Request::StateQuery(_)) => "state_query",
        Some(Request::CreateGroup(_)) => "create_group",
        Some(Request::RemoveGroup(_)) => "remove_group",
        Some(Request::WatchGroup(_)) => "watch_group",
    }
}
