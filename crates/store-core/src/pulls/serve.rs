//! The side that has the object: many receivers form a chain or a tree, so that its network carries it once or a few times only.
//!
//! Only the node that the object came from sends receivers on, and it knows where it sent each of them: a receiver serves whoever is sent to
//! it. So there is one forest for each object, and
//!
//! - **PULL-8** nobody is sent to a receiver that waits for it itself, however indirectly.

use crate::pulls::defects::ServeDefects;
use crate::pulls::state::Source;
use std::collections::{BTreeMap, BTreeSet};
use trygon_ids::ObjectId;

/// So many receivers are served at once before others are sent on.
const FANOUT: usize = 2;
/// A chain carries an object of `n` such parts to `n` receivers in little more than the time of one, where a tree whose links carry it
/// twice takes two; each link of the chain adds the time of a few chunks, so that for more receivers a tree is quicker.
const CHAIN_PART_BYTES: u64 = 16 << 20;
/// Smaller objects are sent before another receiver could be asked.
const LEAST_SHARED_BYTES: u64 = 4 << 20;
/// A receiver to which nothing is being sent counts as served for so long after its last request: it asks for one part after the other.
const BETWEEN_PARTS_MS: u64 = 3_000;
/// An object that nobody asked for so long, and that is not being sent, is forgotten. Whoever was sent on asks no more, so that this is long;
/// who is forgotten is not named, so that PULL-8 holds all the same.
const FORGET_MS: u64 = 120_000;

/// What to do with a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// Serve it.
    Serve,
    /// Name this receiver instead.
    Redirect(Source),
}

/// Who serves a receiver.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Parent {
    /// This node.
    Here,
    /// A receiver to which it was sent.
    At(u32),
    /// One that died: it comes back by itself.
    Lost,
}

#[derive(Debug)]
struct Receiver {
    source: Source,
    asked_ms: u64,
    parent: Parent,
    /// Receivers that were sent on to it.
    children: usize,
    /// Transfers from this node to it that run.
    transfers: usize,
    /// Whether someone who was sent to it came back, and it has not asked since.
    is_doubtful: bool,
    /// Those who asked before have a lower one.
    number: u64,
}

#[derive(Debug, Default)]
struct Forest {
    receivers: BTreeMap<u32, Receiver>,
    next_number: u64,
    asked_ms: u64,
}

/// Who receives what from this node.
#[derive(Debug, Default)]
pub struct ServeTable {
    forests: BTreeMap<ObjectId, Forest>,
    defects: ServeDefects,
}

impl ServeTable {
    /// Takes rules away; for the simulator.
    #[doc(hidden)]
    pub fn set_defects(&mut self, defects: ServeDefects) {
        self.defects = defects;
    }

    /// A receiver asks for a part of an object; it says where its own copy comes to lie. Its parts are asked for one by one. When it is
    /// served, `on_ended` follows.
    pub fn on_asked(&mut self, object: ObjectId, asker: Source, now_ms: u64) -> Decision {
        if asker.location.size_bytes < LEAST_SHARED_BYTES {
            return Decision::Serve;
        }
        if !self.forests.contains_key(&object) {
            self.forget(now_ms);
        }
        let forest = self.forests.entry(object).or_default();
        forest.asked_ms = now_ms;
        if let Some(doubtful) = asker.failed_node.and_then(|failed| forest.receivers.get_mut(&failed)) {
            doubtful.is_doubtful = true;
        }
        let parent = forest.parent_for(&asker, now_ms, self.defects);
        forest.place(asker, parent, now_ms, self.defects);
        forest.get(parent).map_or(Decision::Serve, |named| Decision::Redirect(named.source))
    }

    /// A transfer to this node has ended, whether all was sent or not.
    pub fn on_ended(&mut self, object: &ObjectId, node: u32, now_ms: u64) {
        let receiver = self.forests.get_mut(object).and_then(|forest| forest.receivers.get_mut(&node));
        if let Some(receiver) = receiver {
            receiver.transfers = receiver.transfers.saturating_sub(1);
            receiver.asked_ms = now_ms;
        }
    }

    /// A node is gone, and receives nothing.
    pub fn on_node_died(&mut self, node: u32) {
        for forest in self.forests.values_mut() {
            forest.remove(node, self.defects);
        }
        self.forests.retain(|_, forest| !forest.receivers.is_empty());
    }

    /// Receivers that are remembered, for tests.
    pub fn num_receivers(&self) -> usize {
        self.forests.values().map(|forest| forest.receivers.len()).sum()
    }

    fn forget(&mut self, now_ms: u64) {
        self.forests.retain(|_, forest| {
            let is_sent = forest.receivers.values().any(|receiver| receiver.transfers > 0);
            is_sent || now_ms < forest.asked_ms.saturating_add(FORGET_MS)
        });
    }

    /// Checks PULL-8 and the counts that go with it; what is broken comes back in words.
    pub fn sanity_check(&self) -> Result<(), String> {
        for (object, forest) in &self.forests {
            for (node, receiver) in &forest.receivers {
                let sent = forest.receivers.values().filter(|other| other.parent == Parent::At(*node)).count();
                if sent != receiver.children {
                    return Err(format!(
                        "PULL-8: {sent} were sent on to {node} for {object:?}, not {}",
                        receiver.children
                    ));
                }
                if let Parent::At(parent) = receiver.parent
                    && !forest.receivers.contains_key(&parent)
                {
                    return Err(format!("PULL-8: {node} counts as sent to {parent}, which is gone"));
                }
                let mut above = BTreeSet::from([*node]);
                let mut next = receiver.parent;
                while let Parent::At(parent) = next {
                    if !above.insert(parent) {
                        return Err(format!("PULL-8: {node} waits for itself for {object:?}, by way of {parent}"));
                    }
                    next = forest.get(next).map_or(Parent::Lost, |receiver| receiver.parent);
                }
            }
        }
        Ok(())
    }
}

impl Forest {
    fn get(&self, parent: Parent) -> Option<&Receiver> {
        if let Parent::At(node) = parent { self.receivers.get(&node) } else { None }
    }

    fn get_mut(&mut self, parent: Parent) -> Option<&mut Receiver> {
        if let Parent::At(node) = parent { self.receivers.get_mut(&node) } else { None }
    }

    /// Who is to serve this one.
    fn parent_for(&self, asker: &Source, now_ms: u64, defects: ServeDefects) -> Parent {
        let known = self.receivers.get(&asker.node);
        let goes_on = known.is_some_and(|receiver| receiver.is_served(now_ms));
        if asker.is_direct || goes_on {
            return Parent::Here;
        }
        let others = || self.receivers.iter().filter(|(node, _)| **node != asker.node);
        let served = others().filter(|(_, receiver)| receiver.is_served(now_ms)).count();
        let is_chain = (self.receivers.len() as u64) < asker.location.size_bytes / CHAIN_PART_BYTES;
        if served < if is_chain { 1 } else { FANOUT } {
            return Parent::Here;
        }
        let below = known.filter(|receiver| receiver.children > 0).map(|_| self.below(asker.node)).unwrap_or_default();
        let is_fit = |node: &u32, receiver: &Receiver| {
            !receiver.is_doubtful
                && asker.failed_node != Some(*node)
                && (!below.contains(node) || defects.below_ignored)
        };
        let fit = others().filter(|(node, receiver)| is_fit(node, receiver));
        // Of those with as many children, the first: it has most of the object.
        let best = fit.min_by_key(|(_, receiver)| (receiver.children, receiver.number));
        best.map_or(Parent::Here, |(node, _)| Parent::At(*node))
    }

    /// Everybody who was sent to this one, or to one of those.
    fn below(&self, node: u32) -> BTreeSet<u32> {
        let mut below = BTreeSet::from([node]);
        loop {
            let is_new = |(node, receiver): &(&u32, &Receiver)| {
                !below.contains(*node) && matches!(receiver.parent, Parent::At(parent) if below.contains(&parent))
            };
            let new: Vec<u32> = self.receivers.iter().filter(is_new).map(|(node, _)| *node).collect();
            if new.is_empty() {
                return below;
            }
            below.extend(new);
        }
    }

    fn place(&mut self, asker: Source, parent: Parent, now_ms: u64, defects: ServeDefects) {
        let number = self.next_number;
        let receiver = self.receivers.entry(asker.node).or_insert_with(|| Receiver {
            source: asker,
            asked_ms: now_ms,
            parent: Parent::Lost,
            children: 0,
            transfers: 0,
            is_doubtful: false,
            number,
        });
        let before = std::mem::replace(&mut receiver.parent, parent);
        receiver.source.location = asker.location;
        receiver.asked_ms = now_ms;
        receiver.is_doubtful = false;
        receiver.transfers += usize::from(parent == Parent::Here);
        self.next_number += 1;
        if let Some(left) = self.get_mut(before).filter(|_| !defects.left_counted) {
            left.children -= 1;
        }
        if let Some(joined) = self.get_mut(parent) {
            joined.children += 1;
        }
    }

    fn remove(&mut self, node: u32, defects: ServeDefects) {
        let Some(gone) = self.receivers.remove(&node) else { return };
        if let Some(parent) = self.get_mut(gone.parent) {
            parent.children -= 1;
        }
        if defects.orphans_kept {
            return;
        }
        for orphan in self.receivers.values_mut().filter(|receiver| receiver.parent == Parent::At(node)) {
            orphan.parent = Parent::Lost;
        }
    }
}

impl Receiver {
    fn is_served(&self, now_ms: u64) -> bool {
        let is_between_parts = now_ms < self.asked_ms.saturating_add(BETWEEN_PARTS_MS);
        self.parent == Parent::Here && (self.transfers > 0 || is_between_parts)
    }
}
