//! The nodes of the cluster: they come, say what they have, and go.

use crate::head::node_table::{NodeEntry, PREFIX};
use crate::head::{Head, Out};
use crate::translate::resource_set;
use trygon_ids::NodeId;
use trygon_proto::control::Death;
use trygon_proto::v1::{Load, NodeView, RegisterNode, Registered, View, head_to_node};

impl Head {
    pub(super) fn on_register(&mut self, node: NodeId, message: RegisterNode, out: &mut Out) {
        let known = self.nodes.by_id.get(&node).map(|entry| entry.view.node_number);
        let number = known.unwrap_or_else(|| {
            let alone = message.address.is_empty();
            if !alone && message.known_number >= self.nodes.next_number {
                self.nodes.next_number = message.known_number;
            }
            // 0 is the number of a node that is its own cluster.
            let number = if alone { 0 } else { self.nodes.next_number.max(1) };
            self.nodes.next_number = number + 1;
            number
        });
        let total = resource_set(&message.resources);
        let view = NodeView {
            node_id: node.as_bytes().to_vec(),
            node_number: number,
            state: "alive".to_owned(),
            address: message.address,
            hostname: message.hostname,
            total: message.resources.clone(),
            free: message.resources,
            labels: message.labels,
            waiting: 0,
            message: String::new(),
        };
        let mut prefix = [0; PREFIX];
        prefix.copy_from_slice(&node.as_bytes()[..PREFIX]);
        self.nodes.by_prefix.insert(prefix, node);
        let entry = NodeEntry { view: view.clone(), free: total.clone(), total, daemon_pid: message.daemon_pid };
        self.nodes.by_id.insert(node, entry);
        let registered = Registered { node_number: number, package_version: env!("CARGO_PKG_VERSION").to_owned() };
        Self::tell(node, head_to_node::Body::Registered(registered), out);
        let nodes = self.nodes.by_id.values().map(|entry| entry.view.clone()).collect();
        Self::tell(node, head_to_node::Body::View(View { is_whole: true, nodes }), out);
        self.tell_others(node, view, out);
        self.tell_jobs(node, out);
        self.adopt(node, message.actors, message.jobs, out);
        self.house_the_homeless(out);
    }

    fn tell_others(&self, node: NodeId, view: NodeView, out: &mut Out) {
        for other in self.nodes.alive().filter(|other| *other != node) {
            let view = View { is_whole: false, nodes: vec![view.clone()] };
            Self::tell(other, head_to_node::Body::View(view), out);
        }
    }

    pub(super) fn on_load(&mut self, node: NodeId, message: Load, out: &mut Out) {
        let Some(entry) = self.nodes.by_id.get_mut(&node) else {
            return;
        };
        entry.free = resource_set(&message.free);
        entry.view.free = message.free;
        entry.view.waiting = message.waiting.iter().map(|waiting| waiting.count).sum();
        let view = entry.view.clone();
        self.tell_others(node, view, out);
        self.house_the_homeless(out);
    }

    /// A node is gone, with every process on it.
    pub fn on_node_lost(&mut self, now_us: u64, node: NodeId, message: &str, out: &mut Out) {
        self.now_us = now_us;
        let Some(entry) = self.nodes.by_id.get_mut(&node).filter(|entry| entry.view.state != "dead") else {
            return;
        };
        "dead".clone_into(&mut entry.view.state);
        message.clone_into(&mut entry.view.message);
        entry.view.free.clear();
        let view = entry.view.clone();
        self.tell_others(node, view, out);
        let death = Death { kind: "node".to_owned(), message: message.to_owned(), ..Death::default() };
        for worker in self.known_processes_of(node) {
            self.on_process_ended(worker, &death, out);
        }
        self.end_jobs_of(node, out);
        self.leave_groups_of(node, out);
        let placing: Vec<_> = self.placing.iter().filter(|(_, at)| **at == node).map(|(actor, _)| *actor).collect();
        for actor in placing {
            self.placing.remove(&actor);
            self.place(actor, out);
        }
    }

    pub(super) fn drain(&mut self, node: NodeId, reason: &str, out: &mut Out) {
        let Some(entry) = self.nodes.by_id.get_mut(&node).filter(|entry| entry.takes_work()) else {
            return;
        };
        "draining".clone_into(&mut entry.view.state);
        reason.clone_into(&mut entry.view.message);
        let view = entry.view.clone();
        self.tell_others(node, view, out);
    }
}
