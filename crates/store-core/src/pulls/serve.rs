//! The side that has the object: many receivers form a chain or a tree, so that its network carries it once or a few times only.

use crate::pulls::state::Source;
use std::collections::BTreeMap;
use trygon_ids::ObjectId;

/// So many receivers are served at once before others are sent on.
const FANOUT: usize = 2;
/// A chain carries an object of `n` such parts to `n` receivers in little more than the time of one, where a tree whose links carry it
/// twice takes two; each link of the chain adds the time of a few chunks, so that for more receivers a tree is quicker.
const CHAIN_PART_BYTES: u64 = 16 << 20;
/// Smaller objects are sent before another receiver could be asked.
const LEAST_SHARED_BYTES: u64 = 4 << 20;
/// A receiver that asked for nothing for so long has what it wanted, or is gone.
const ACTIVE_MS: u64 = 3_000;

/// What to do with a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Decision {
    /// Serve it.
    Serve,
    /// Name this receiver instead.
    Redirect(Source),
}

#[derive(Debug)]
struct Receiver {
    source: Source,
    asked_ms: u64,
    /// Whether this node serves it.
    is_served: bool,
    /// Receivers that were sent on to it.
    children: usize,
}

/// Who receives what from this node.
#[derive(Debug, Default)]
pub struct ServeTable {
    receivers: BTreeMap<ObjectId, Vec<Receiver>>,
}

impl ServeTable {
    /// A receiver asks for a part of an object; it says where its own copy comes to lie. Its parts are asked for one by one.
    pub fn on_asked(&mut self, object: ObjectId, asker: Source, now_ms: u64) -> Decision {
        if asker.location.size_bytes < LEAST_SHARED_BYTES {
            return Decision::Serve;
        }
        self.forget_idle(now_ms);
        let receivers = self.receivers.entry(object).or_default();
        let known = receivers.iter_mut().position(|known| known.source.node == asker.node);
        let served = receivers.iter().filter(|known| known.is_served && known.source.node != asker.node).count();
        let goes_on = known.is_some_and(|index| receivers[index].is_served);
        let is_chain = (receivers.len() as u64) < asker.location.size_bytes / CHAIN_PART_BYTES;
        let fanout = if is_chain { 1 } else { FANOUT };
        let chosen = if asker.is_direct || goes_on || served < fanout {
            None
        } else {
            let others = receivers.iter_mut().filter(|known| known.source.node != asker.node);
            // Of those with as many children, the first: it has most of the object.
            others.min_by_key(|known| known.children)
        };
        let decision = match chosen {
            None => Decision::Serve,
            Some(receiver) => {
                receiver.children += 1;
                Decision::Redirect(receiver.source)
            }
        };
        let is_served = decision == Decision::Serve;
        match known {
            Some(index) => {
                let receiver = &mut receivers[index];
                receiver.source.location = asker.location;
                receiver.asked_ms = now_ms;
                receiver.is_served |= is_served;
            }
            None => receivers.push(Receiver { source: asker, asked_ms: now_ms, is_served, children: 0 }),
        }
        decision
    }

    /// A node is gone, and receives nothing.
    pub fn on_node_died(&mut self, node: u32) {
        for receivers in self.receivers.values_mut() {
            receivers.retain(|receiver| receiver.source.node != node);
        }
        self.receivers.retain(|_, receivers| !receivers.is_empty());
    }

    /// Receivers that are remembered, for tests.
    pub fn num_receivers(&self) -> usize {
        self.receivers.values().map(Vec::len).sum()
    }

    fn forget_idle(&mut self, now_ms: u64) {
        for receivers in self.receivers.values_mut() {
            receivers.retain(|receiver| receiver.asked_ms.saturating_add(ACTIVE_MS) > now_ms);
        }
        self.receivers.retain(|_, receivers| !receivers.is_empty());
    }
}
