//! The head, as journal and streams see it.

use crate::head::Head;
use crate::machine::{Keep, Machine};
use trygon_ids::NodeId;
use trygon_proto::v1::from_process::Request;
use trygon_proto::v1::node_to_head::Body;
use trygon_proto::v1::{FromProcess, HeadToNode, NodeLeaves, NodeToHead, head_to_node};

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

    fn snapshot(&self) -> Result<Vec<u8>, String> {
        Self::snapshot(self)
    }

    fn restore(&mut self, state: &[u8]) -> Result<(), String> {
        *self = Self::restore(state)?;
        Ok(())
    }

    fn next_deadline_us(&self) -> Option<u64> {
        Self::next_deadline_us(self)
    }

    fn tick() -> NodeToHead {
        NodeToHead { body: None }
    }

    fn members(&self) -> Vec<NodeId> {
        Self::members(self)
    }

    fn former(&self) -> Vec<NodeId> {
        Self::former(self)
    }

    fn leaseless(&self) -> Vec<NodeId> {
        Self::leaseless(self)
    }

    fn gone(message: String) -> NodeToHead {
        NodeToHead { body: Some(Body::Leaves(NodeLeaves { message })) }
    }

    fn is_farewell(event: &NodeToHead) -> bool {
        matches!(event.body, Some(Body::Leaves(_)))
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
