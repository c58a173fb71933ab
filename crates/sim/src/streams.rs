//! Generators: items that are sent one by one, taken at the end or not at all.

use crate::message::{Push, ToPeer};
use crate::plain::Plain;
use crate::process::{Making, Promised, Running, Taking};
use crate::random::mix;
use crate::script::item_count;
use crate::world::World;
use std::collections::VecDeque;
use std::rc::Rc;
use trygon_worker_core::{ErrorView, ItemKey, NextItem, Reference, Reply, StreamHead, Value, error_view, is_stream};

/// The value of a generator's end.
const END: u64 = 77;
/// Stands for an error of the engine where a program without deaths has nothing. No task raises it.
const ENGINE: u64 = 0;

impl World {
    /// The payload without a generator's head, and the head.
    pub(crate) fn split_head(&self, push: &Push) -> Option<(Vec<u8>, Option<Promised>)> {
        if !is_stream(push.num_returns) {
            return Some((push.payload.clone(), None));
        }
        let (head, rest) = StreamHead::split(&push.payload)?;
        Some((rest.to_vec(), Some(Promised { skip: head.skip, is_stopped: head.is_stopped })))
    }

    /// The script has ended: its items are made from now on, a step for each.
    pub(crate) fn make_items(
        &mut self,
        number: usize,
        mut running: Running,
        outcome: Result<(u64, Vec<Reference>, bool), Box<[u8]>>,
    ) {
        let count = item_count(running.script.seed);
        let mut making = Making { items: VecDeque::new(), made: 0, total: 0, error: None };
        match outcome {
            Err(error) => making.error = Some(error),
            Ok((value, nested, stored)) => {
                for index in 0..u64::from(count) {
                    let nested = if index == 0 { nested.clone() } else { Vec::new() };
                    making.items.push_back((mix(value, index), nested, stored && index == 0));
                }
                making.total = u32::from(count);
            }
        }
        running.making = Some(making);
        self.processes[number].running = Some(running);
    }

    /// Sends one item, or replies when there is none left.
    pub(crate) fn make_item(&mut self, number: usize) {
        let Some(running) = self.processes[number].running.as_mut() else { return };
        let Some(making) = running.making.as_mut() else { return };
        let Some((peer, push)) = running.call.as_ref() else { return };
        let (peer, promised) = (*peer, running.promised);
        let is_stopped = promised.is_some_and(|promised| promised.is_stopped);
        let key = |number| ItemKey { slot: push.slot, generation: push.generation, attempt: push.attempt, number };
        let Some((value, contained, stored)) = making.items.pop_front().filter(|_| !is_stopped) else {
            let end = (making.error.is_none() && !is_stopped).then(|| key(making.total));
            return self.end_items(number, end);
        };
        let item = making.made;
        making.made += 1;
        let key = key(item);
        if promised.is_some_and(|promised| item < promised.skip) {
            return;
        }
        let caller = self.processes[number].peers[peer.0 as usize];
        let value = self.form(value, stored, caller, number);
        let borrower = self.processes[caller].id;
        let process = &mut self.processes[number];
        for inner in &contained {
            process.core.lend(inner, borrower);
        }
        self.settle(number);
        self.processes[number].links.out[peer.0 as usize].push(ToPeer::Item { key, value, contained });
        if self.random.percent(40) {
            self.settle_and_flush(number);
        }
    }

    fn end_items(&mut self, number: usize, end: Option<ItemKey>) {
        let Some(running) = self.processes[number].running.take() else { return };
        let Some((peer, push)) = running.call else { return };
        if let Some(key) = end {
            self.processes[number].links.out[peer.0 as usize].push(ToPeer::ItemsEnd { key });
        }
        for reference in running.held.iter().flatten().chain(&running.pins) {
            self.processes[number].core.release(reference);
        }
        let caller = self.processes[number].peers[peer.0 as usize];
        let error = running.making.and_then(|making| making.error);
        let raised = error.is_some();
        let mut returns = vec![(self.form(END, false, caller, number), Vec::new())];
        returns.extend(error.map(|error| (Value::Error(error), Vec::new())));
        let exiting = push.function == self.processes[caller].exit_function && !push.is_actor_call;
        let execution_ns = (self.now_ns - running.began_ns) as u32;
        let Push { slot, generation, attempt, .. } = push;
        let reply = Reply { slot, generation, attempt, execution_ns, raised, exiting, cancelled: false };
        self.reply(number, peer, reply, returns, &running.carried);
        if exiting {
            self.exit(number, "max_calls");
        } else if self.random.percent(40) {
            self.settle_and_flush(number);
        }
    }

    /// A generator was submitted: what its items have to be is noted. Whoever takes some waits for its end; otherwise it is dropped.
    pub(crate) fn expect_items(
        &mut self,
        number: usize,
        running: &mut Running,
        taking: &Taking,
        results: Vec<Rc<Plain>>,
        is_failed: bool,
    ) {
        let process = &mut self.processes[number];
        let task = process.core.task_id(taking.slot, taking.generation);
        let end = Reference { object: task.object(0), owner: process.id };
        let first = results.first().cloned();
        let plain_end = match first.filter(|_| is_failed) {
            Some(raised) => raised,
            None => Rc::new(Plain::Value { number: END, nested: Vec::new() }),
        };
        self.expected.insert(end.object, plain_end);
        for (index, result) in results.into_iter().enumerate() {
            self.expected.insert(task.object(index as u32 + 1), result);
        }
        if taking.taken == 0 {
            return self.processes[number].core.close_stream(taking.slot, taking.generation);
        }
        running.taking = Some(*taking);
        running.waiting = Some(end);
        running.began_ns = self.now_ns;
    }

    /// The end is there: items are taken, and the rest is dropped. An error of the end is the script's own.
    pub(crate) fn take_items(&mut self, number: usize, mut running: Running, taking: &Taking) {
        let Taking { slot, generation, taken } = *taking;
        let process = &mut self.processes[number];
        let end = Reference { object: process.core.object_id(slot, generation, 0), owner: process.id };
        let mut failed = match process.core.value_of(&end) {
            Some(Value::Error(error)) => Some(error.clone()),
            _ => None,
        };
        for _ in 0..if failed.is_some() { 0 } else { taken } {
            let NextItem::Item(index) = process.core.take_item(slot, generation) else { break };
            let object = process.core.task_id(slot, generation).object(index);
            let item = Reference { object, owner: process.id };
            running.held.push(Some(item));
            // A death somewhere below leaves fewer items than the plain computation has: nothing after it could be compared.
            if let Some(Value::Error(error)) = process.core.value_of(&item)
                && matches!(error_view(error), ErrorView::System { .. })
            {
                failed = Some(error.clone());
                // One that stands behind the items that there would have been fails whatever reads it, as if it were raised.
                self.expected.entry(object).or_insert_with(|| Rc::new(Plain::Raised(ENGINE)));
            }
        }
        process.core.close_stream(slot, generation);
        process.running = Some(running);
        if let Some(error) = failed.filter(|_| number != 0) {
            self.finish(number, Err(error));
        }
    }
}
