//! A new core, what it is told at the start, and what it can be asked.

use crate::effect::Effect;
use crate::numbers::{ActorIndex, FunctionIndex};
use crate::remembered::{Recent, Registry};
use crate::retry_delays::MemoryRetries;
use crate::state::{Actor, Core, Function, Identity, Statistics};
use crate::table::Table;
use std::collections::{BTreeMap, BTreeSet, HashMap, VecDeque};
use trygon_ids::{ObjectId, PUT_INDEX_BIT, TaskId};

/// Of so many dead processes it is known that they are: a report from or of one comes within moments of its death.
const REMEMBERED_DEAD: usize = 10_000;

impl Core {
    /// A process that owns and borrows nothing.
    pub fn new(identity: Identity) -> Self {
        Self {
            identity,
            table: Table::default(),
            borrowed: BTreeMap::new(),
            functions: Registry::new(Function::forgotten()),
            classes: Vec::new(),
            class_of: BTreeMap::new(),
            leases: Vec::new(),
            actors: Actor::registry(),
            actor_of: HashMap::new(),
            ended_actors: VecDeque::new(),
            effects: Vec::new(),
            unfinished: 0,
            inline_bytes: 0,
            argument_bytes: 0,
            next_request: 1,
            watched_completions: 0,
            scratch: Vec::new(),
            dropping: Vec::new(),
            to_release: Vec::new(),
            is_releasing: false,
            woken: VecDeque::new(),
            is_waking: false,
            delayed: BTreeMap::new(),
            retry_delays: crate::retry_delays::RetryDelays::default(),
            lent_on: None,
            is_replaying: false,
            has_losses: false,
            dead_nodes: BTreeMap::new(),
            searches: BTreeMap::new(),
            rescued: BTreeSet::new(),
            moving: BTreeMap::new(),
            kept: crate::kept::KeptTasks::default(),
            memory_retries: MemoryRetries::default(),
            dead: Recent::new(REMEMBERED_DEAD),
            defects: crate::defects::Defects::default(),
        }
    }

    /// Who this process is.
    pub fn identity(&self) -> &Identity {
        &self.identity
    }

    /// Whether there is something to perform.
    pub fn has_effects(&self) -> bool {
        !self.effects.is_empty()
    }

    /// Moves what is to be performed to the end of `out`.
    pub fn take_effects(&mut self, out: &mut Vec<Effect>) {
        out.append(&mut self.effects);
    }

    /// Tasks that are not done.
    pub fn unfinished(&self) -> usize {
        self.unfinished
    }

    /// Counts completions of watched objects.
    pub fn watched_completions(&self) -> u64 {
        self.watched_completions
    }

    /// Registers a function whose tasks hold `resources` and run in the environment with this key (empty for the plain one).
    pub fn add_function(
        &mut self,
        name: &str,
        resources: &BTreeMap<String, f64>,
        environment: &[u8],
        one_at_a_time: bool,
    ) -> FunctionIndex {
        let class = self.class(resources, environment);
        let function = Function { name: name.to_owned(), class, actor: None, average_ns: 0, one_at_a_time };
        FunctionIndex(self.functions.push(function))
    }

    /// Registers a method of an actor.
    pub fn add_method(&mut self, actor: ActorIndex, name: &str) -> FunctionIndex {
        let function = FunctionIndex(self.functions.push(Function {
            name: name.to_owned(),
            class: u32::MAX,
            actor: Some(actor),
            average_ns: 0,
            one_at_a_time: false,
        }));
        self.actors[actor.0].methods.push(function);
        function
    }

    /// Whether a function can still be submitted: methods of an actor that ended long ago are forgotten, and are to be made known again.
    pub fn is_known(&self, index: FunctionIndex) -> bool {
        self.functions.is_known(index.0)
    }

    /// What is known of a function.
    pub fn function(&self, index: FunctionIndex) -> &Function {
        &self.functions[index.0]
    }

    /// The id of object `index` in a slot of the table. The id of a `put` has its bit set.
    pub fn object_id(&self, slot: u32, generation: u32, index: u32) -> ObjectId {
        let put = self.table.get(slot, generation).is_some_and(|entry| entry.is_put);
        self.task_id(slot, generation).object(if put { index | PUT_INDEX_BIT } else { index })
    }

    /// The id of the task in a slot of the table.
    pub fn task_id(&self, slot: u32, generation: u32) -> TaskId {
        TaskId::of(self.identity.job, self.identity.incarnation, slot, generation)
    }

    /// Whether this process owns the object (OWN-1).
    pub fn owns(&self, object: &ObjectId) -> bool {
        object.task_id().owner() == self.identity.incarnation
    }

    /// Which attempt of a task is under way; `None` when it is done or not known.
    pub fn attempt(&self, slot: u32, generation: u32) -> Option<u32> {
        self.table.get(slot, generation).filter(|entry| !entry.is_over()).map(|entry| entry.attempt)
    }

    /// Counts, for tests and people.
    pub fn statistics(&self) -> Statistics {
        Statistics {
            owned: self.table.live,
            borrowed: self.borrowed.len(),
            unfinished: self.unfinished,
            inline_bytes: self.inline_bytes,
            leases: self.leases.iter().filter(|lease| lease.is_held()).count(),
        }
    }
}
