//! One object on its way to many receivers, each with the tables of a real node, over links that carry one chunk a step each way.
//!
//! Streams break, nodes die, one may hear nothing, and processes lose interest, so that memory which is just being sent is another's and other
//! bytes arrive. Everybody who lives, hears and still wants it gets the object's own bytes, soon.

mod carry;
mod node;
mod world;

use crate::random::Random;
use crate::storage::planted::{Counts, Planted};
use crate::storage::spread::node::{Node, object, worker};
use crate::storage::spread::world::{GIVE_UP_MS, Held, STEP_MS, World};
use std::collections::BTreeSet;
use trygon_store_core::FetchOutcome;

/// One run.
pub(crate) fn run(seed: u64, planted: Planted) -> Result<Counts, String> {
    let mut random = Random::new(seed);
    let receivers = 1 + random.below(14) as u32;
    // Often the last span is a single chunk, which is all that can be wrong of it.
    let chunks = if random.percent(40) { 1 + 8 * (1 + random.below(3)) } else { 1 + random.below(48) };
    let faults = random.below(60);
    let mut world = World::new(receivers, chunks, random, planted);
    for _ in 0..faults {
        for _ in 0..world.random.below(25) {
            world.step()?;
        }
        let number = 2 + world.random.below(u64::from(receivers)) as u32;
        world.trouble(number)?;
    }
    // A resting fetch, a room that stands still, and everybody's turn.
    let most = (GIVE_UP_MS + 2 * 20_000) / STEP_MS + u64::from(receivers) * chunks + 1_000;
    for _ in 0..most {
        if world.is_done() {
            break;
        }
        world.step()?;
    }
    world.end()
}

impl World {
    fn trouble(&mut self, number: u32) -> Held {
        match self.random.below(8) {
            0..=2 => self.break_stream(number),
            3 if self.nodes.len() > 1 && self.random.percent(30) => return self.die(number),
            4 | 5 => {
                let number = self.one_between().unwrap_or(number);
                self.let_go(number)?;
                self.want_again(number);
            }
            6 if self.nodes.values().all(|node| !node.is_deaf) && self.nodes.len() > 2 => {
                self.nodes.entry(number).and_modify(|node| node.is_deaf = true);
            }
            _ => {}
        }
        Ok(())
    }

    /// A node that fetches, and from which another one does.
    fn one_between(&mut self) -> Option<u32> {
        let source = |node: &Node| node.fetch.as_ref().filter(|fetch| fetch.is_accepted).map(|fetch| fetch.source.node);
        let sources: BTreeSet<u32> = self.nodes.values().filter_map(source).collect();
        let fetches = |number: &&u32| self.nodes.get(number).is_some_and(|node| node.fetch.is_some());
        let between: Vec<u32> = sources.iter().filter(fetches).copied().collect();
        let place = self.random.below(between.len() as u64) as usize;
        between.get(place).copied()
    }

    /// The stream between a node and its source breaks.
    fn break_stream(&mut self, number: u32) {
        if let Some(fetch) = self.nodes.get_mut(&number).and_then(|node| node.fetch.as_mut()) {
            fetch.end.get_or_insert(FetchOutcome::Unreachable);
        }
    }

    /// Nobody on the node wants the object any more.
    fn let_go(&mut self, number: u32) -> Held {
        let Some(node) = self.nodes.get_mut(&number) else { return Ok(()) };
        let mut effects = Vec::new();
        node.table.on_release(worker(), &object(), &mut effects);
        node.starts_ms = u64::MAX;
        node.result = Some(Ok(()));
        self.carry_out(number, effects)
    }

    /// Mostly somebody wants it again, soon.
    fn want_again(&mut self, number: u32) {
        let starts_ms = self.now_ms + self.random.below(5_000);
        let is_wanted = self.random.percent(80);
        if let Some(node) = self.nodes.get_mut(&number).filter(|_| is_wanted) {
            (node.result, node.starts_ms) = (None, starts_ms);
        }
    }

    /// A node is lost, and everybody hears of it.
    fn die(&mut self, number: u32) -> Held {
        let fetch = self.nodes.remove(&number).and_then(|node| node.fetch);
        for (source, send) in
            fetch.iter().flat_map(|fetch| fetch.streams.iter().map(|one| (fetch.source.node, one.send)))
        {
            self.end_send(source, send)?;
        }
        self.serves.on_node_died(number);
        for other in self.nodes.keys().copied().collect::<Vec<_>>() {
            let mut effects = Vec::new();
            if let Some(node) = self.nodes.get_mut(&other) {
                node.table.on_node_died(number, &mut effects);
            }
            self.carry_out(other, effects)?;
        }
        Ok(())
    }

    fn is_done(&self) -> bool {
        self.nodes.values().all(|node| node.result.is_some() || node.is_deaf)
    }

    /// Everybody has it. Then everybody lets go, and nothing is left.
    fn end(mut self) -> Result<Counts, String> {
        for (number, node) in self.nodes.iter().filter(|(_, node)| !node.is_deaf) {
            match node.result {
                None => return Err(format!("PULL-7: {number} waits for ever")),
                Some(Err(failure)) => {
                    return Err(format!("PULL-3: {number} is told {failure:?}, and the origin has it"));
                }
                Some(Ok(())) => {}
            }
        }
        for number in self.nodes.keys().copied().collect::<Vec<_>>() {
            self.let_go(number)?;
        }
        for _ in 0..10 {
            self.step()?;
        }
        match self.nodes.iter().find(|(_, node)| node.room.is_some()) {
            Some((number, _)) => Err(format!("PULL-5: nobody wants the copy of {number}, and it is there")),
            None => Ok(self.counts),
        }
    }
}
