//! The main thread of a process: one step of its script at a time.

use crate::encoded::{decoded, freed_error};
use crate::message::{Push, ToDaemon};
use crate::plain::{Plain, picked};
use crate::process::{Argument, Running, Taking, Work};
use crate::random::mix;
use crate::script::{Child, Place, Script, Step, retry_count};
use crate::world::{Event, World};
use std::rc::Rc;
use trygon_ids::ActorId;
use trygon_worker_core::{
    Arguments, PeerIndex, Reference, STREAMING, SmallBytes, Submission, Value, read_dependencies,
};

const REFERENCE_BYTES: usize = 56;

impl World {
    pub(crate) fn plan_step(&mut self, number: usize) {
        if !std::mem::replace(&mut self.processes[number].step_planned, true) {
            let delay_ns = 500 + self.random.below(60_000);
            self.plan(delay_ns, Event::Step { process: number });
        }
    }

    /// The main thread goes on: with its script, or with what waits for it.
    pub(crate) fn step_process(&mut self, number: usize) {
        if number != 0 && self.random.below(10_000) < self.workload.crash_per_10000 {
            return self.end_process(number);
        }
        self.maybe_lose_node();
        self.maybe_drain_node();
        if self.is_interrupted(number) {
            if std::mem::take(&mut self.processes[number].blocked) {
                self.send_daemon(number, ToDaemon::Unblocked);
            }
            self.finish(number, Err(freed_error()));
        } else if self.processes[number].running.is_some() {
            if self.processes[number].running.as_ref().is_some_and(|running| running.waiting.is_some()) {
                return;
            }
            if self.processes[number].running.as_ref().is_some_and(|running| running.making.is_some()) {
                self.make_item(number);
            } else {
                self.run_step(number);
            }
        } else if !self.take_work(number) {
            return;
        }
        let process = &self.processes[number];
        let goes_on = process.running.as_ref().map_or(!process.work.is_empty(), |running| running.waiting.is_none());
        if goes_on && process.is_alive {
            self.plan_step(number);
        }
    }

    /// Begins what waits. False when the process ends with it.
    fn take_work(&mut self, number: usize) -> bool {
        match self.processes[number].work.pop_front() {
            Some(Work::Call { peer, push }) => self.begin(number, peer, push),
            Some(Work::StartActor { actor, incarnation, arguments }) => {
                let mut kept = Vec::new();
                for reference in &arguments {
                    if self.restore(number, reference) {
                        kept.push(*reference);
                    }
                }
                self.processes[number].kept = kept;
                self.send_daemon(number, ToDaemon::ActorStarted { actor, incarnation });
            }
            Some(Work::Exit) if !self.may_exit(number) => {}
            Some(Work::Exit) => {
                self.counts.exits += 1;
                self.exit(number, "out_of_scope");
                return false;
            }
            None => self.settle_and_flush(number),
        }
        true
    }

    pub(crate) fn exit(&mut self, number: usize, kind: &'static str) {
        self.send_daemon(number, ToDaemon::Exiting { kind });
        self.settle_and_flush(number);
        self.end_process(number);
    }

    /// A reference comes out of bytes.
    fn restore(&mut self, number: usize, reference: &Reference) -> bool {
        let kept = self.processes[number].core.retain(reference);
        if !kept && !self.may_be_gone() {
            self.fail(format!(
                "OWN-3: process {number} was handed a reference to its own object {}, which is freed",
                reference.object
            ));
        }
        kept
    }

    fn begin(&mut self, number: usize, peer: PeerIndex, push: Push) {
        let caller = self.processes[number].peers[peer.0 as usize];
        self.processes[number].started = Some((caller, push.slot, push.generation, push.attempt));
        let task = self.processes[caller].core.task_id(push.slot, push.generation);
        self.note_begun(task.hex(), push.attempt);
        if push.is_actor_call {
            self.check_order(number, peer, &push);
        } else {
            self.check_environment(number, caller, &push);
        }
        self.processes[number].last_tag += 1;
        self.processes[number].core.begin_task();
        let Some((payload, promised)) = self.split_head(&push) else {
            return self.fail("a generator came without its head");
        };
        let Some((dependencies, rest)) = read_dependencies(&payload) else {
            return self.fail("a payload is malformed");
        };
        let mut word = [0; 8];
        word.copy_from_slice(&rest[..8]);
        let seed = u64::from_le_bytes(word);
        let place = if push.is_actor_call { Place::Actor } else { Place::Task };
        let mut running = Running {
            tag: self.processes[number].last_tag,
            rest: rest[8..].to_vec(),
            promised,
            began_ns: self.now_ns,
            ..Running::new(Script::of(seed, push.depth, place, &self.workload), seed, push.depth)
        };
        running.call = Some((peer, push));
        running.arguments = dependencies
            .iter()
            .map(|dependency| Argument {
                reference: dependency.reference,
                stored: dependency.stored,
                inline: dependency.inline.map(decoded),
                contained: dependency.contained.clone(),
            })
            .collect();
        self.processes[number].running = Some(running);
        self.take_arguments(number);
    }

    /// Reads the arguments, one after the other; one that is lost is waited for.
    fn take_arguments(&mut self, number: usize) {
        let Some(mut running) = self.processes[number].running.take() else { return };
        let mut gone = None;
        while let Some(argument) = running.arguments.pop_front() {
            let Argument { reference, stored, inline, contained } = argument;
            if let Some(location) = stored {
                if self.restore(number, &reference) {
                    running.pins.push(reference);
                    running.carried.push(reference);
                }
                match self.read_stored(location, &reference) {
                    Some(value) => {
                        self.note_read(number, &reference, value);
                        running.number = mix(running.number, value);
                    }
                    None if self.is_lost(location) => {
                        self.processes[number].core.on_copy_lost(&reference, location, "its machine is lost");
                        running.waiting = Some(reference);
                        running.reads_argument = true;
                        running.began_ns = self.now_ns;
                        self.processes[number].running = Some(running);
                        return self.begin_wait(number);
                    }
                    None => gone = Some(reference),
                }
            } else if let Some(value) = inline {
                running.number = mix(running.number, value);
            }
            for inner in &contained {
                self.take_reference(number, &mut running, inner);
            }
        }
        let rest = std::mem::take(&mut running.rest);
        self.take_references(number, &mut running, &rest);
        let is_broken = running.freed;
        self.processes[number].running = Some(running);
        if is_broken {
            self.finish(number, Err(freed_error()));
        } else if let Some(reference) = gone {
            let error = self.gone_error(&reference);
            self.finish(number, Err(error));
        }
    }

    /// References inside the arguments.
    fn take_references(&mut self, number: usize, running: &mut Running, bytes: &[u8]) {
        for bytes in bytes.chunks_exact(REFERENCE_BYTES) {
            let object = trygon_ids::ObjectId::from_bytes(&bytes[..28]);
            let owner = trygon_ids::WorkerId::from_bytes(&bytes[28..]);
            if let (Ok(object), Ok(owner)) = (object, owner) {
                self.take_reference(number, running, &Reference { object, owner });
            }
        }
    }

    fn take_reference(&mut self, number: usize, running: &mut Running, reference: &Reference) {
        let kept = self.restore(number, reference);
        running.freed |= !kept;
        running.held.push(kept.then_some(*reference));
        running.carried.push(*reference);
    }

    pub(crate) fn is_handle(&self, reference: &Reference) -> bool {
        self.handles.contains_key(&reference.object)
    }

    fn run_step(&mut self, number: usize) {
        self.change_groups(number);
        let Some(mut running) = self.processes[number].running.take() else { return };
        let Some(step) = running.script.steps.get(running.position).cloned() else {
            self.processes[number].running = Some(running);
            return self.end_script(number);
        };
        if matches!(step, Step::Submit(_) | Step::Call { .. }) && self.waits_for_room(number) {
            self.processes[number].running = Some(running);
            return self.wait_for_room(number);
        }
        let place = running.position as u64;
        running.position += 1;
        match step {
            Step::Put { stored } => {
                let value = mix(running.script.seed, place);
                let reference = self.put(number, value, stored, &[]);
                running.held.push(Some(reference));
            }
            Step::PutNested { pick } => {
                if let Some(inner) = picked(&running.held, pick, |reference| !self.is_handle(reference)) {
                    let inner: Vec<Reference> = running.held[inner].iter().copied().collect();
                    let reference = self.put(number, mix(running.script.seed, place), false, &inner);
                    running.held.push(Some(reference));
                }
            }
            Step::Submit(child) => self.submit(number, &mut running, &child, None),
            Step::Call { handle, child } => self.call(number, &mut running, handle, &child),
            Step::CreateActor { pick, max_restarts } => self.create_actor(number, &mut running, pick, max_restarts),
            Step::KillActor { handle } => {
                let target = picked(&running.held, handle, |reference| self.is_handle(reference));
                if let Some(actor) = target
                    .and_then(|target| running.held[target])
                    .and_then(|held| self.handles.get(&held.object).copied())
                {
                    let no_restart = self.random.percent(50);
                    self.send_daemon(number, ToDaemon::KillActor { actor, no_restart, out_of_scope: false });
                }
            }
            Step::Get { pick } => {
                let target = picked(&running.held, pick, |reference| !self.is_handle(reference));
                running.waiting = target.and_then(|target| running.held[target]);
                running.began_ns = self.now_ns;
            }
            Step::Drop { pick } => {
                if let Some(target) = picked(&running.held, pick, |_| true)
                    && let Some(reference) = running.held[target].take()
                {
                    self.processes[number].core.release(&reference);
                }
            }
            Step::Keep { pick } => {
                if let Some(reference) = picked(&running.held, pick, |reference| !self.is_handle(reference))
                    .and_then(|target| running.held[target])
                    && self.restore(number, &reference)
                {
                    self.processes[number].kept.push(reference);
                }
            }
            Step::Forget { pick } => {
                let kept = &mut self.processes[number].kept;
                if !kept.is_empty() {
                    let reference = kept.swap_remove(pick as usize % kept.len());
                    self.processes[number].core.release(&reference);
                }
            }
        }
        self.processes[number].running = Some(running);
        self.begin_wait(number);
    }

    /// Calls an actor whose handle is held.
    fn call(&mut self, number: usize, running: &mut Running, handle: u32, child: &Child) {
        if let Some(target) = picked(&running.held, handle, |reference| self.is_handle(reference)) {
            let actor = running.held[target].and_then(|reference| self.handles.get(&reference.object).copied());
            if let (Some(actor), Some(handle)) = (actor, running.held[target].filter(|_| self.workload.machines > 0)) {
                // Calls that wait hold the handle, whatever the program drops.
                let index = self.processes[number].core.actor(actor);
                self.processes[number].core.set_actor_handle(index, &handle);
            }
            self.submit(number, running, child, actor);
        }
    }

    fn begin_wait(&mut self, number: usize) {
        self.maybe_cancel(number);
        let process = &mut self.processes[number];
        let Some(Running { waiting: Some(reference), began_ns, .. }) = &process.running else { return };
        let (reference, since_ns) = (*reference, *began_ns);
        if process.core.watch(&reference) {
            return self.take_value(number);
        }
        if number != 0 {
            if process.core.has_queued_tasks() {
                self.enter_blocked(number);
            } else {
                self.plan(1_000_000, Event::LendCpu { process: number, since_ns });
            }
        }
        self.settle_and_flush(number);
    }

    /// Whoever waits looks whether the object is there now.
    pub(crate) fn look_again(&mut self, number: usize) {
        let process = &mut self.processes[number];
        let Some(Running { waiting: Some(reference), .. }) = &process.running else { return };
        let reference = *reference;
        if !process.core.watch(&reference) {
            if number != 0 && !process.blocked && process.core.has_queued_tasks() {
                self.enter_blocked(number);
            }
            return self.settle_and_flush(number);
        }
        if std::mem::take(&mut process.blocked) {
            self.send_daemon(number, ToDaemon::Unblocked);
        }
        self.take_value(number);
        self.plan_step(number);
    }

    pub(crate) fn enter_blocked(&mut self, number: usize) {
        let process = &mut self.processes[number];
        let Some(running) = &process.running else { return };
        let depth = running.depth;
        if std::mem::replace(&mut process.blocked, true) {
            return;
        }
        if !process.is_actor {
            self.hand_back(number, None, true);
        }
        self.send_daemon(number, ToDaemon::Blocked { depth });
        self.settle_and_flush(number);
    }

    /// The object that was waited for is there.
    fn take_value(&mut self, number: usize) {
        let Some(mut running) = self.processes[number].running.take() else { return };
        let Some(reference) = running.waiting.take() else { return };
        if let Some(Value::Stored(location)) = self.processes[number].core.value_of(&reference)
            && self.is_lost(*location)
        {
            let location = *location;
            self.processes[number].core.on_copy_lost(&reference, location, "its machine is lost");
            running.waiting = Some(reference);
            self.processes[number].running = Some(running);
            return self.begin_wait(number);
        }
        self.compare(number, &reference);
        if let Some(taking) = running.taking.take() {
            return self.take_items(number, running, &taking);
        }
        let value = self.processes[number].core.value_of(&reference).cloned();
        let contained = self.processes[number].core.contained_in(&reference).to_vec();
        let outcome = match value {
            Some(Value::Inline(bytes)) => Ok(decoded(bytes.as_slice())),
            Some(Value::Stored(location)) => {
                self.read_stored(location, &reference).ok_or_else(|| self.gone_error(&reference))
            }
            Some(Value::Error(error)) => Err(error),
            Some(Value::Pending) | None => return self.fail(format!("OWN-3: {} is held and gone", reference.object)),
        };
        let reads_argument = std::mem::take(&mut running.reads_argument);
        match outcome {
            Ok(value) => {
                self.note_read(number, &reference, value);
                running.number = mix(running.number, value);
                for inner in &contained {
                    self.take_reference(number, &mut running, inner);
                }
                if reads_argument {
                    self.processes[number].running = Some(running);
                    return self.take_arguments(number);
                }
                let is_broken = running.freed && number != 0;
                self.processes[number].running = Some(running);
                if is_broken {
                    self.finish(number, Err(freed_error()));
                }
            }
            // The driver's program goes on after an error; a task passes it on.
            Err(_) if number == 0 => self.processes[number].running = Some(running),
            Err(error) => {
                self.processes[number].running = Some(running);
                self.finish(number, Err(error));
            }
        }
    }

    fn put(&mut self, number: usize, value: u64, stored: bool, contained: &[Reference]) -> Reference {
        let value_form = self.form(value, stored, number, number);
        let process = &mut self.processes[number];
        let (slot, generation) = process.core.put(value_form, contained);
        let reference = Reference { object: process.core.object_id(slot, generation, 0), owner: process.id };
        let nested = contained.iter().filter_map(|inner| self.expected.get(&inner.object).cloned()).collect();
        self.expected.insert(reference.object, Rc::new(Plain::Value { number: value, nested }));
        reference
    }

    pub(crate) fn form(&mut self, value: u64, stored: bool, owner: usize, maker: usize) -> Value {
        if stored {
            return Value::Stored(self.new_place(value, owner, maker));
        }
        let mut bytes = value.to_le_bytes().to_vec();
        bytes.resize(8 + (value % 40) as usize, 0);
        Value::Inline(SmallBytes::copy_of(&bytes))
    }

    fn submit(&mut self, number: usize, running: &mut Running, child: &Child, actor: Option<ActorId>) {
        let place = if actor.is_some() { Place::Actor } else { Place::Task };
        let (dependencies, contained) =
            crate::plain::arguments(child, &running.held, place, |reference| self.is_handle(reference));
        let mut payload = vec![0; 4];
        payload.extend_from_slice(&child.seed.to_le_bytes());
        for reference in &contained {
            payload.extend_from_slice(reference.object.as_bytes());
            payload.extend_from_slice(reference.owner.as_bytes());
        }
        let process = &mut self.processes[number];
        let function = match actor {
            Some(actor) => process.method(actor),
            None if child.exits => process.exit_function,
            None if self.workload.is_pressed && self.random.percent(50) => process.limited_function,
            None => process.task_function,
        };
        let function = if actor.is_none() && !child.exits { self.in_group(number, function) } else { function };
        let function = if actor.is_none() && !child.exits { self.in_environment(number, function) } else { function };
        let process = &mut self.processes[number];
        let submission = Submission {
            function,
            arguments: Arguments { payload: &payload, dependencies: &dependencies, contained: &contained },
            num_returns: if child.taken.is_some() { STREAMING } else { child.num_returns },
            stream_limit: 0,
            max_retries: retry_count(child, place),
            retry_errors: child.retry_errors,
            parent: running.tag,
            depth: running.depth + 1,
        };
        let (slot, generation) = process.core.submit(&submission, &mut process.links);
        self.check_budget(number, payload.len());
        let process = &mut self.processes[number];
        let task = process.core.task_id(slot, generation);
        let owner = process.id;
        self.limits.insert(task.hex(), submission.max_retries as usize + 1);
        let plain = |reference: &Reference| self.expected.get(&reference.object).cloned();
        let dependencies: Vec<Rc<Plain>> = dependencies.iter().filter_map(plain).collect();
        let contained: Vec<Rc<Plain>> = contained.iter().filter_map(plain).collect();
        let results = crate::plain::results(child, &dependencies, &contained, running.depth + 1, place, &self.workload);
        if let Some(taken) = child.taken {
            let is_failed = dependencies.iter().any(|plain| plain.mark().is_some());
            let taking = Taking { slot, generation, taken };
            return self.expect_items(number, running, &taking, results, is_failed);
        }
        for (index, result) in results.into_iter().enumerate() {
            let object = task.object(index as u32);
            self.expected.insert(object, result);
            running.held.push(Some(Reference { object, owner }));
        }
    }

    fn create_actor(&mut self, number: usize, running: &mut Running, pick: u32, max_restarts: i64) {
        self.next_actor += 1;
        let mut bytes = [1; 16];
        bytes[4..12].copy_from_slice(&self.next_actor.to_be_bytes());
        let actor = ActorId::new(bytes);
        let pinned =
            picked(&running.held, pick, |reference| !self.is_handle(reference)).and_then(|target| running.held[target]);
        let pinned: Vec<Reference> = pinned.into_iter().collect();
        self.send_daemon(
            number,
            ToDaemon::CreateActor { actor, arguments: pinned.clone(), max_restarts, depth: running.depth + 1 },
        );
        let process = &mut self.processes[number];
        let index = process.core.actor(actor);
        process.core.pin_for_actor(index, &pinned);
        let (slot, generation) = process.core.put_actor_handle(index);
        let reference = Reference { object: process.core.object_id(slot, generation, 0), owner: process.id };
        self.handles.insert(reference.object, actor);
        self.expected.insert(reference.object, Rc::new(Plain::Handle));
        running.held.push(Some(reference));
    }
}
