//! What nodes are told of one another: together, every so often, and not more than the head and its links can bear.
//!
//! Who comes or leaves is told to everybody, in order; what is free is told to everybody in a small cluster, and in a large one to each
//! node of some others, to another node of others: a node needs to know of a few that have room, and different nodes should not all go to
//! the same. The dead are told of at once (`nodes.rs`), because whoever waits for them is waiting in vain.

use crate::head::{Head, Out};
use trygon_ids::NodeId;
use trygon_proto::v1::{NodeView, View, head_to_node};

/// Between two tellings, in a cluster of up to `SMALL` nodes; in larger ones it grows with the nodes.
const INTERVAL_US: u64 = 50_000;
/// At most so long.
const MOST_INTERVAL_US: u64 = 1_000_000;
/// After somebody came, in a small cluster: newcomers want to be of use.
const COME_US: u64 = 3_000;
/// Nodes that all hear everything at once.
const SMALL: u64 = 128;
/// Descriptions of nodes told in a second, all together.
const MOST_PER_SECOND: u64 = 400_000;
/// Resources that a node has, for these figures.
const USUAL_NAMES: usize = 8;
/// Each node is told of so many at least.
const LEAST_SHARE: u64 = 16;
/// Nodes that a newcomer is told of at once.
pub(super) const FIRST_SHARE: usize = 256;
/// Nodes that one that was here before is told of at once, all of them: it notices who is gone.
pub(super) const WHOLE_SHARE: usize = 1_024;

impl Head {
    /// Somebody came, left or changed: everybody will hear it.
    pub(super) fn note_member(&mut self, node: NodeId) {
        if self.nodes.is_alone() {
            return;
        }
        if let Some(place) = self.news.place_in_log.get(&node) {
            self.news.log.remove(place);
        }
        self.news.last += 1;
        self.news.log.insert(self.news.last, node);
        self.news.place_in_log.insert(node, self.news.last);
        self.news.changed.remove(&node);
        let delay_us = if self.nodes.count as u64 <= SMALL { COME_US } else { self.interval_us() };
        self.news.due(self.now_us + delay_us);
    }

    /// A node has something else free.
    pub(super) fn note_free(&mut self, node: NodeId) {
        if self.nodes.count > 1 && self.news.changed.insert(node) && self.news.due_us.is_none() {
            self.news.due(self.now_us + self.interval_us());
        }
    }

    fn interval_us(&self) -> u64 {
        (INTERVAL_US * self.nodes.count as u64 / SMALL).clamp(INTERVAL_US, MOST_INTERVAL_US)
    }

    /// Tells every node what is due.
    pub(super) fn tell_view(&mut self, out: &mut Out) {
        self.news.due_us = None;
        let (count, interval_us) = (self.nodes.count.max(1) as u64, self.interval_us());
        let share = (MOST_PER_SECOND * interval_us / 1_000_000 / count).max(LEAST_SHARE) as usize;
        let changed: Vec<NodeId> = std::mem::take(&mut self.news.changed).into_iter().collect();
        self.news.turn += 1;
        let mut first = self.news.turn as usize * share;
        let receivers: Vec<(NodeId, u64)> = self.news.told.iter().map(|(node, told)| (*node, *told)).collect();
        let mut is_behind = false;
        for (receiver, told) in receivers {
            let mut nodes: Vec<NodeView> = Vec::new();
            if told < self.news.last {
                let mut upto = told;
                for (place, node) in self.news.log.range(told + 1..).take(share) {
                    upto = *place;
                    nodes.extend(self.nodes.by_id.get(node).map(|entry| entry.view.clone()));
                }
                if nodes.len() < share {
                    upto = self.news.last;
                }
                is_behind |= upto < self.news.last;
                self.news.told.insert(receiver, upto);
            }
            // A node with many bundles is as much to tell as several without.
            let mut names = nodes.len() * USUAL_NAMES;
            for index in 0..changed.len().min(share.saturating_sub(nodes.len())) {
                let node = changed[(first + index) % changed.len()];
                let Some(entry) = self.nodes.by_id.get(&node).filter(|_| node != receiver) else {
                    continue;
                };
                names += entry.view.total.len().max(USUAL_NAMES);
                if names > share * USUAL_NAMES && !nodes.is_empty() {
                    break;
                }
                nodes.push(entry.view.clone());
            }
            first += share;
            if !nodes.is_empty() {
                let view = View { is_whole: false, nodes };
                Self::tell(receiver, head_to_node::Body::View(view), out);
            }
        }
        if is_behind {
            self.news.due(self.now_us + interval_us);
        }
    }
}
