//! The core's state: what it owns, borrows and has asked for. Fields are read by the modules that hold the rules.

use crate::actors::{Actor, ActorIndex};
use crate::borrowed::Borrowed;
use crate::effect::Effect;
use crate::leases::{Class, Lease};
use crate::table::Table;
use std::collections::{BTreeMap, HashMap};
use trygon_ids::{JobId, ObjectId, OwnerIncarnation, PUT_INDEX_BIT, TaskId, WorkerId};

/// A function or an actor's method, as this process numbers them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FunctionIndex(pub u32);

/// Who this process is.
#[derive(Debug, Clone, Copy)]
pub struct Identity {
    /// Its job.
    pub job: JobId,
    /// Its worker id.
    pub worker: WorkerId,
    /// Its incarnation as an owner.
    pub incarnation: OwnerIncarnation,
}

/// What is known of a function.
#[derive(Debug, Clone)]
pub struct Function {
    /// Its name, for people.
    pub name: String,
    /// The scheduling class of its tasks; not used for a method.
    pub(crate) class: u32,
    /// The actor, if it is a method.
    pub(crate) actor: Option<ActorIndex>,
    /// Moving average of its run time; 0 while unknown.
    pub(crate) average_ns: u32,
    /// Its worker exits after some calls, so that nothing is queued behind one.
    pub(crate) one_at_a_time: bool,
}

/// Counts for tests of leaks and for people.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Statistics {
    /// Entries in the table.
    pub owned: usize,
    /// Objects borrowed.
    pub borrowed: usize,
    /// Tasks that are not done.
    pub unfinished: usize,
    /// Bytes of inline values on the heap (FLOW-2).
    pub inline_bytes: usize,
    /// Leases held.
    pub leases: usize,
}

/// Everything one process decides with. See the crate's documentation for the rules.
#[derive(Debug)]
pub struct Core {
    pub(crate) identity: Identity,
    pub(crate) table: Table,
    pub(crate) borrowed: HashMap<ObjectId, Borrowed>,
    pub(crate) functions: Vec<Function>,
    pub(crate) classes: Vec<Class>,
    pub(crate) class_of: BTreeMap<Vec<(String, u64)>, u32>,
    pub(crate) leases: Vec<Lease>,
    pub(crate) actors: Vec<Actor>,
    pub(crate) actor_of: HashMap<trygon_ids::ActorId, ActorIndex>,
    pub(crate) effects: Vec<Effect>,
    pub(crate) unfinished: usize,
    pub(crate) inline_bytes: usize,
    pub(crate) next_request: u64,
    /// Counts completions of watched objects, so that a waiter looks again only when there is something to see.
    pub(crate) watched_completions: u64,
    pub(crate) scratch: Vec<u8>,
}

impl Core {
    /// A process that owns and borrows nothing.
    pub fn new(identity: Identity) -> Self {
        Self {
            identity,
            table: Table::default(),
            borrowed: HashMap::new(),
            functions: Vec::new(),
            classes: Vec::new(),
            class_of: BTreeMap::new(),
            leases: Vec::new(),
            actors: Vec::new(),
            actor_of: HashMap::new(),
            effects: Vec::new(),
            unfinished: 0,
            inline_bytes: 0,
            next_request: 1,
            watched_completions: 0,
            scratch: Vec::new(),
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

    /// Registers a function whose tasks hold `resources`.
    pub fn add_function(&mut self, name: &str, resources: &BTreeMap<String, f64>, one_at_a_time: bool) -> FunctionIndex {
        let class = self.class(resources);
        self.functions.push(Function { name: name.to_owned(), class, actor: None, average_ns: 0, one_at_a_time });
        FunctionIndex((self.functions.len() - 1) as u32)
    }

    /// Registers a method of an actor.
    pub fn add_method(&mut self, actor: ActorIndex, name: &str) -> FunctionIndex {
        self.functions.push(Function {
            name: name.to_owned(),
            class: u32::MAX,
            actor: Some(actor),
            average_ns: 0,
            one_at_a_time: false,
        });
        FunctionIndex((self.functions.len() - 1) as u32)
    }

    /// What is known of a function.
    pub fn function(&self, index: FunctionIndex) -> &Function {
        &self.functions[index.0 as usize]
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
