//! Nodes that are fenced: stopped at once, and not let in again before somebody says so.

use crate::head::fence_table::Fence;
use crate::head::history::What;
use crate::head::{Head, Out};
use trygon_ids::NodeId;
use trygon_proto::v1::head_to_node::Body;
use trygon_proto::v1::{FenceNode, GivenUp, RegisterNode, View};

impl Head {
    /// The nodes that were given up and are remembered.
    pub fn former(&self) -> Vec<NodeId> {
        self.nodes.iter().filter(|(_, entry)| entry.view.state == "dead").map(|(node, _)| *node).collect()
    }

    /// The nodes that live and get no lease any more.
    pub fn leaseless(&self) -> Vec<NodeId> {
        self.fences.closing.iter().copied().collect()
    }

    /// A node is fenced, or not any more. It counts until it says that it has stopped, or its lease is over: until then something may run.
    pub(super) fn on_fence(&mut self, node: NodeId, message: &FenceNode, out: &mut Out) {
        let Some(entry) = self.nodes.by_id.get_mut(&node) else {
            return;
        };
        let first = entry.first_id;
        if message.is_over {
            self.fences.of_first.remove(&first);
            self.history.of_node(self.now_us, node, What::Fenced("may come in again: its fence was taken away".into()));
            return;
        }
        let fence = Fence { reason: message.reason.clone(), machine: machine_of(&entry.view.address) };
        self.fences.of_first.insert(first, fence);
        let why = format!("was fenced: {}", message.reason);
        self.history.of_node(self.now_us, node, What::Fenced(why.into()));
        if entry.view.state == "dead" {
            return;
        }
        "draining".clone_into(&mut entry.view.state);
        entry.view.message = format!("fenced: {}", message.reason);
        let view = entry.view.clone();
        self.view.put(self.nodes.by_id[&node].state(node));
        self.fences.closing.insert(node);
        self.note_member(node);
        let given_up = GivenUp { message: format!("it was fenced: {}", message.reason), is_fenced: true };
        Self::tell(node, Body::GivenUp(given_up), out);
        self.tell_all(&Body::View(View { is_whole: false, nodes: vec![view] }), out);
        self.ask_others_than(node, out);
        self.leave(node, out);
    }

    /// Why a node may not come in.
    pub(super) fn fence_against(&self, node: NodeId, message: &RegisterNode) -> Option<String> {
        let (first, machine) = (first_id(node, message), machine_of(&message.address));
        let is_meant = |(of, fence): &(&NodeId, &Fence)| {
            **of == first || (!machine.is_empty() && fence.machine == machine && !self.nodes.is_alive(node))
        };
        let fence = self.fences.of_first.iter().find(is_meant)?.1;
        Some(format!("it is fenced: {}. `trygon fence --undo` lets it in again", fence.reason))
    }

    /// The nodes that are fenced, living or dead, by the node that a person names.
    pub(super) fn is_fenced(&self, node: NodeId) -> bool {
        self.nodes.by_id.get(&node).is_some_and(|entry| self.fences.of_first.contains_key(&entry.first_id))
    }
}

/// The first node that the daemon was that registers.
pub(super) fn first_id(node: NodeId, message: &RegisterNode) -> NodeId {
    NodeId::from_bytes(&message.first_id).unwrap_or(node)
}

/// The host of an address. Many nodes for tests share a loopback address: it names no machine.
fn machine_of(address: &str) -> String {
    let host = address.rsplit_once(':').map_or("", |(host, _)| host);
    let is_loopback = host.trim_matches(['[', ']']).parse::<std::net::IpAddr>().is_ok_and(|ip| ip.is_loopback());
    if is_loopback { String::new() } else { host.to_owned() }
}
