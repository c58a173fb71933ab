//! The nodes of the cluster: they come, say what they have, and go.

use crate::head::fences::first_id;
use crate::head::history::What;
use crate::head::node_table::{NodeEntry, without_groups};
use crate::head::view_news::{FIRST_SHARE, WHOLE_SHARE};
use crate::head::{Head, Out};
use crate::translate::{resource_set, worker_id};
use std::collections::BTreeMap;
use trygon_ids::{ActorId, NodeId};
use trygon_proto::control::Death;
use trygon_proto::v1::{DrainNode, GivenUp, Load, NodeView, RegisterNode, Registered, View, head_to_node};
use trygon_resources::ResourceSet;

/// After a node has less than before.
const LOOK_LATER_US: u64 = 30_000;
/// Nodes that are gone and are remembered.
const MOST_DEAD: usize = 4_096;
/// A number above this is not taken over from a node: those that come after must still fit into the ids of segments and leases.
const MOST_KNOWN_NUMBER: u32 = 1 << 23;

/// What a node hears first.
fn registered(node_number: u32, message: &RegisterNode) -> Registered {
    let package_version = env!("CARGO_PKG_VERSION").to_owned();
    Registered { node_number, package_version, head_address: message.head_address.clone() }
}

impl Head {
    /// The nodes that are counted on.
    pub fn members(&self) -> Vec<NodeId> {
        self.nodes.alive().collect()
    }

    /// NODE-3: the address of the head that a node registered with last, and how long it holds on when nobody listens there.
    pub fn hold_of(&self, node: NodeId) -> (&str, u64) {
        self.nodes.by_id.get(&node).map_or(("", 0), |entry| (&entry.head_address, entry.holds_ms))
    }

    /// The actors that live or are remembered.
    pub fn actors(&self) -> impl Iterator<Item = ActorId> {
        self.actors.iter().map(|(actor, _)| *actor)
    }

    pub(super) fn on_register(&mut self, node: NodeId, message: RegisterNode, out: &mut Out) {
        let is_alone = message.address.is_empty();
        if !self.nodes.may_have(node, is_alone) {
            return;
        }
        if !is_alone && self.refuse_incarnation(node, &message, out) {
            return;
        }
        self.lose_predecessor(node, &message.address, out);
        let is_known = self.nodes.is_alive(node);
        let number = self.number_for(node, message.known_number, is_alone);
        let total = resource_set(&message.resources);
        let view = NodeView {
            node_id: node.as_bytes().to_vec(),
            node_number: number,
            state: self.state_again(node),
            address: message.address.clone(),
            hostname: message.hostname.clone(),
            total: message.resources.clone(),
            free: message.resources.clone(),
            labels: message.labels.clone(),
            waiting: 0,
            message: String::new(),
        };
        self.nodes.note_prefix(node);
        let (heard, answers) = self
            .nodes
            .by_id
            .get_mut(&node)
            .map_or((0, BTreeMap::new()), |entry| (entry.heard, std::mem::take(&mut entry.answers)));
        let entry = NodeEntry {
            heard,
            answers,
            view,
            free: total.clone(),
            total,
            daemon_pid: message.daemon_pid,
            load: Load::default(),
            loads: 0,
            first_id: first_id(node, &message),
            name: message.name.clone(),
            settling: Vec::new(),
            head_address: message.head_address.clone(),
            holds_ms: message.holds_ms,
        };
        if !is_known {
            self.nodes.count += 1;
        }
        if !is_alone {
            self.settle_all(node);
            self.view.put(entry.state(node));
        }
        self.nodes.by_id.insert(node, entry);
        self.history.of_node(self.now_us, node, if is_known { What::Runs } else { What::Began });
        self.note_member(node);
        Self::tell(node, head_to_node::Body::Registered(registered(number, &message)), out);
        self.tell_first_view(node, message.known_number != 0, out);
        self.tell_jobs(node, out);
        for ended in &message.ended {
            // What it died of is not guessed.
            self.on_process_ended(worker_id(&ended.worker_id), &ended.death.clone().unwrap_or_default(), out);
        }
        self.reconcile(node, is_known, message, out);
        self.house_the_homeless(out);
        for group in std::mem::take(&mut self.homeless_groups) {
            self.reserve(group, out);
        }
        self.look_soon();
    }

    /// Whoever listens where another node did is what its machine started after that one ended.
    fn lose_predecessor(&mut self, node: NodeId, address: &str, out: &mut Out) {
        let before = self.nodes.by_address.insert(address.to_owned(), node).filter(|before| *before != node);
        if let Some(lost) = before.filter(|before| !address.is_empty() && self.nodes.is_alive(*before)) {
            let message = format!("it ended, and its machine has started another node at its address, {address}");
            self.on_node_lost(self.now_us, lost, &message, out);
        }
    }

    /// A number is a node's for ever. 0 is that of a node that is its own cluster.
    fn number_for(&mut self, node: NodeId, known: u32, is_alone: bool) -> u32 {
        let nodes = &mut self.nodes;
        if let Some(entry) = nodes.by_id.get(&node) {
            return entry.view.node_number;
        }
        if is_alone {
            return 0;
        }
        // It had one from this head, whose memory of it is lost; numbers in use are not given away.
        let is_sound = (1..=MOST_KNOWN_NUMBER).contains(&known);
        let is_free = is_sound && nodes.by_id.values().all(|entry| entry.view.node_number != known);
        let number = if is_free { known } else { nodes.next_number.max(1) };
        nodes.next_number = nodes.next_number.max(number + 1);
        number
    }

    /// A node that drains drains on when it comes back.
    fn state_again(&self, node: NodeId) -> String {
        let entry = self.nodes.by_id.get(&node).filter(|entry| entry.view.state == "draining");
        entry.map_or("alive", |_| "draining").to_owned()
    }

    /// What a node hears first of the others; the rest follows.
    fn tell_first_view(&mut self, node: NodeId, was_here: bool, out: &mut Out) {
        let count = self.nodes.by_id.len();
        let is_everything = count <= if was_here { WHOLE_SHARE } else { FIRST_SHARE };
        let around = self.nodes.by_id.range(node..).chain(self.nodes.by_id.range(..node));
        let nodes = around.take(if is_everything { count } else { FIRST_SHARE });
        let nodes = nodes.map(|(_, entry)| entry.view.clone()).collect();
        let view = View { is_whole: is_everything || !was_here, nodes };
        Self::tell(node, head_to_node::Body::View(view), out);
        self.news.note_told(node, is_everything);
    }

    pub(super) fn on_load(&mut self, node: NodeId, message: Load) {
        let is_alone = self.nodes.is_alone();
        let Some(entry) = self.nodes.by_id.get_mut(&node) else {
            return;
        };
        let (free, total) = (resource_set(&message.free), resource_set(&message.total));
        entry.view.waiting = message.waiting.iter().fold(0, |sum, waiting| waiting.count.saturating_add(sum));
        entry.view.free = message.free;
        let free_before = std::mem::replace(&mut entry.free, free);
        let mut has_other_total = false;
        if !total.is_empty() && total != entry.total {
            has_other_total = without_groups(&total) != without_groups(&entry.total);
            entry.view.total = message.total;
            entry.total = total;
        }
        entry.load = Load { waiting: message.waiting, ..Load::default() };
        if is_alone {
            return;
        }
        let free = without_groups(&entry.free);
        let has_more = free.iter().any(|(name, amount)| amount > free_before.get(name));
        self.take_load(node, free, has_other_total);
        if has_more || has_other_total {
            self.look_soon();
        } else {
            // What waits there may go elsewhere.
            self.look_at(self.now_us + LOOK_LATER_US);
        }
    }

    fn take_load(&mut self, node: NodeId, free: ResourceSet, has_other_total: bool) {
        self.settle_all(node);
        let Some(entry) = self.nodes.by_id.get(&node) else {
            return;
        };
        if has_other_total {
            self.view.put(entry.state(node));
            self.has_other_totals = true;
        } else {
            self.view.set_free(node, free);
        }
        self.note_free(node);
    }

    /// A node is gone, with every process on it.
    pub fn on_node_lost(&mut self, now_us: u64, node: NodeId, message: &str, out: &mut Out) {
        self.now_us = now_us;
        let Some(entry) = self.nodes.by_id.get_mut(&node).filter(|entry| entry.view.state != "dead") else {
            return;
        };
        self.fences.closing.remove(&node);
        let kind = if entry.view.state == "draining" { "drained" } else { "node" };
        "dead".clone_into(&mut entry.view.state);
        message.clone_into(&mut entry.view.message);
        entry.view.free.clear();
        entry.settling.clear();
        entry.load = Load::default();
        let view = entry.view.clone();
        self.nodes.count -= 1;
        self.history.of_node(now_us, node, What::Ended(message.into()));
        if !self.defects.gone_picked {
            self.view.remove(node);
        }
        self.note_member(node);
        self.news.stop(node);
        self.tell_all(&head_to_node::Body::View(View { is_whole: false, nodes: vec![view] }), out);
        let death = Death { kind: kind.to_owned(), message: message.to_owned(), ..Death::default() };
        for worker in self.known_processes_of(node) {
            self.on_process_ended(worker, &death, out);
        }
        self.end_jobs_of(node, out);
        self.replace_bundles_of(node, out);
        self.leave(node, out);
        self.end_lingering(out);
        self.forget_old_dead();
    }

    /// A node takes nothing new; what runs there goes on.
    pub(super) fn drain(&mut self, node: NodeId, message: &DrainNode, out: &mut Out) {
        let Some(entry) = self.nodes.by_id.get_mut(&node).filter(|entry| entry.takes_work()) else {
            return;
        };
        "draining".clone_into(&mut entry.view.state);
        message.reason.clone_into(&mut entry.view.message);
        let view = entry.view.clone();
        self.history.of_node(self.now_us, node, What::Drains(message.reason.as_str().into()));
        if !self.nodes.is_alone() && !self.defects.drains_picked {
            self.view.put(self.nodes.by_id[&node].state(node));
        }
        self.note_member(node);
        Self::tell(node, head_to_node::Body::Drain(message.clone()), out);
        self.tell_all(&head_to_node::Body::View(View { is_whole: false, nodes: vec![view] }), out);
        if !self.nodes.is_alone() {
            self.ask_others_than(node, out);
            self.leave(node, out);
        }
    }

    /// NODE-1: a node that was given up is told so, and a fenced one; true then. What it says is not heard.
    fn refuse_incarnation(&self, node: NodeId, message: &RegisterNode, out: &mut Out) -> bool {
        let dead = self.nodes.by_id.get(&node).filter(|entry| entry.view.state == "dead");
        let given_up = match (dead, self.fence_against(node, message)) {
            (_, Some(reason)) => GivenUp { message: reason, is_fenced: true },
            (Some(entry), None) => {
                GivenUp { message: format!("the head has given it up: {}", entry.view.message), is_fenced: false }
            }
            (None, None) => return false,
        };
        Self::tell(node, head_to_node::Body::GivenUp(given_up), out);
        true
    }

    fn forget_old_dead(&mut self) {
        let dead = self.nodes.by_id.len() - self.nodes.count;
        if dead <= MOST_DEAD {
            return;
        }
        let oldest = self.nodes.by_id.iter().filter(|(_, entry)| entry.view.state == "dead");
        if let Some(node) = oldest.min_by_key(|(_, entry)| entry.view.node_number).map(|(node, _)| *node) {
            self.nodes.by_id.remove(&node);
            self.history.forget_node(node);
            self.nodes.by_prefix.retain(|_, other| *other != node);
            self.nodes.by_address.retain(|_, other| *other != node);
            self.news.forget(node);
        }
    }
}
