//! One simulated process: an owner's core and what the real runtime keeps around it.

use crate::message::{Push, ToPeer};
use crate::plain::Held;
use crate::script::Script;
use crate::workload::Workload;
use std::collections::{BTreeMap, VecDeque};
use trygon_ids::{ActorId, JobId, ObjectId, OwnerIncarnation, WorkerId};
use trygon_node_core::PLAIN;
use trygon_worker_core::{
    Core, Defects, FunctionIndex, Identity, Location, MemoryRetryRule, Outbox, PeerIndex, Reference, Task,
};

/// Frames that were written and not flushed, for each peer.
#[derive(Debug, Default)]
pub(crate) struct Links {
    pub(crate) out: Vec<Vec<ToPeer>>,
    /// What was written last: the recorder keeps it until something else was written.
    pub(crate) written: Vec<Vec<ToPeer>>,
}

impl Outbox for Links {
    fn push(&mut self, peer: PeerIndex, task: &Task<'_>) {
        self.out[peer.0 as usize].push(ToPeer::Push(Push {
            slot: task.slot,
            generation: task.generation,
            attempt: task.attempt,
            function: task.function,
            sequence: task.sequence,
            num_returns: task.num_returns,
            depth: task.depth,
            is_actor_call: task.is_actor_call,
            payload: task.payload.to_vec(),
        }));
    }
}

/// Something for the main thread.
#[derive(Debug)]
pub(crate) enum Work {
    Call { peer: PeerIndex, push: Push },
    StartActor { actor: ActorId, incarnation: u32, arguments: Vec<Reference> },
    Exit,
}

/// What a caller said of a generator: the first part of its payload.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Promised {
    pub(crate) skip: u32,
    pub(crate) is_stopped: bool,
}

/// The items that a generator has to send yet.
#[derive(Debug)]
pub(crate) struct Making {
    pub(crate) items: VecDeque<(u64, Vec<Reference>, bool)>,
    pub(crate) made: u32,
    pub(crate) total: u32,
    pub(crate) error: Option<Box<[u8]>>,
}

/// A generator whose items are taken when it has ended.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Taking {
    pub(crate) slot: u32,
    pub(crate) generation: u32,
    pub(crate) taken: u16,
}

/// A task's argument that was not read yet.
#[derive(Debug)]
pub(crate) struct Argument {
    pub(crate) reference: Reference,
    pub(crate) stored: Option<Location>,
    pub(crate) inline: Option<u64>,
    pub(crate) contained: Vec<Reference>,
}

/// What the main thread runs.
#[derive(Debug)]
pub(crate) struct Running {
    /// The task's caller and frame; `None` for the driver's program.
    pub(crate) call: Option<(PeerIndex, Push)>,
    pub(crate) script: Script,
    pub(crate) position: usize,
    pub(crate) depth: u16,
    /// Its number in this process: the parent of what it submits.
    pub(crate) tag: u32,
    pub(crate) cancelled: bool,
    pub(crate) number: u64,
    pub(crate) held: Held<Reference>,
    /// Views on stored arguments.
    pub(crate) pins: Vec<Reference>,
    pub(crate) carried: Vec<Reference>,
    pub(crate) arguments: VecDeque<Argument>,
    /// References inside the arguments, in bytes, until the others are read.
    pub(crate) rest: Vec<u8>,
    /// It waits for an argument that was lost.
    pub(crate) reads_argument: bool,
    pub(crate) waiting: Option<Reference>,
    /// What its caller said of its items, if it is a generator.
    pub(crate) promised: Option<Promised>,
    /// The items that it still has to send.
    pub(crate) making: Option<Making>,
    /// The generator whose end it waits for.
    pub(crate) taking: Option<Taking>,
    /// An own object that was freed came back as a reference.
    pub(crate) freed: bool,
    pub(crate) began_ns: u64,
}

impl Running {
    /// A script at its beginning.
    pub(crate) fn new(script: Script, number: u64, depth: u16) -> Self {
        Self {
            call: None,
            script,
            position: 0,
            depth,
            tag: 0,
            cancelled: false,
            number,
            held: Vec::new(),
            pins: Vec::new(),
            carried: Vec::new(),
            arguments: VecDeque::new(),
            rest: Vec::new(),
            reads_argument: false,
            waiting: None,
            promised: None,
            making: None,
            taking: None,
            freed: false,
            began_ns: 0,
        }
    }
}

/// One process.
#[derive(Debug)]
pub(crate) struct Process {
    pub(crate) number: usize,
    pub(crate) id: WorkerId,
    pub(crate) core: Core,
    pub(crate) links: Links,
    pub(crate) is_alive: bool,
    /// The kind of an announced end.
    pub(crate) announced: Option<&'static str>,
    pub(crate) peers: Vec<usize>,
    pub(crate) peer_of: BTreeMap<usize, PeerIndex>,
    pub(crate) dead: BTreeMap<usize, String>,
    pub(crate) connecting: BTreeMap<usize, Vec<ToPeer>>,
    pub(crate) work: VecDeque<Work>,
    pub(crate) running: Option<Running>,
    pub(crate) last_tag: u32,
    pub(crate) blocked: bool,
    pub(crate) is_actor: bool,
    /// References that an actor keeps.
    pub(crate) kept: Vec<Reference>,
    /// The flight recorder: the caller's number and the task that was started.
    pub(crate) started: Option<(usize, u32, u32, u32)>,
    pub(crate) step_planned: bool,
    pub(crate) tick_planned: bool,
    pub(crate) task_function: FunctionIndex,
    pub(crate) exit_function: FunctionIndex,
    /// With a limit of memory.
    pub(crate) limited_function: FunctionIndex,
    /// Functions whose tasks run in an environment of their own, from the first one on.
    pub(crate) environment_functions: Vec<FunctionIndex>,
    /// The environment that it runs in.
    pub(crate) environment: u32,
    pub(crate) used_bytes: u64,
    /// What the daemon was told: whether it owns objects.
    pub(crate) told_owns: bool,
    /// It stands still until then.
    pub(crate) paused_until_ns: u64,
    pub(crate) methods: BTreeMap<ActorId, FunctionIndex>,
    /// Last sequence number of each caller, in this life of an actor.
    pub(crate) sequences: BTreeMap<PeerIndex, u64>,
    /// Borrowed stored objects that were read, with their values: copies.
    pub(crate) copies: BTreeMap<ObjectId, u64>,
    /// Places of copies that stand for lost own objects.
    pub(crate) rescued: BTreeMap<ObjectId, u64>,
}

impl Process {
    pub(crate) fn new(number: usize, id: WorkerId, workload: &Workload, defects: Defects) -> Self {
        let mut incarnation = [7; 12];
        incarnation[..8].copy_from_slice(&(number as u64).to_le_bytes());
        let incarnation = OwnerIncarnation::new(incarnation);
        let mut core = Core::new(Identity { job: JobId::new([1; 4]), worker: id, incarnation });
        core.defects = defects;
        let one_cpu = BTreeMap::from([("CPU".to_owned(), 1.0)]);
        let task_function = core.add_function("task", &one_cpu, &[], false);
        let exit_function = core.add_function("exits", &one_cpu, &[], true);
        let limited_function = if workload.is_pressed {
            core.set_memory_retry_rule(MemoryRetryRule { first_wait_ns: 1_000_000, ..MemoryRetryRule::default() });
            let limited = BTreeMap::from([("CPU".to_owned(), 1.0), ("memory".to_owned(), 100.0)]);
            core.add_function("limited", &limited, &[], false)
        } else {
            task_function
        };
        let in_environment = |key: u64| core.add_function("elsewhere", &one_cpu, &[key as u8], false);
        let environment_functions = (1..=workload.environments).map(in_environment).collect();
        Self {
            number,
            id,
            core,
            links: Links::default(),
            is_alive: true,
            announced: None,
            peers: Vec::new(),
            peer_of: BTreeMap::new(),
            dead: BTreeMap::new(),
            connecting: BTreeMap::new(),
            work: VecDeque::new(),
            running: None,
            last_tag: 0,
            blocked: false,
            is_actor: false,
            kept: Vec::new(),
            started: None,
            step_planned: false,
            tick_planned: false,
            task_function,
            exit_function,
            limited_function,
            environment_functions,
            environment: PLAIN,
            used_bytes: 50,
            told_owns: false,
            paused_until_ns: 0,
            methods: BTreeMap::new(),
            sequences: BTreeMap::new(),
            copies: BTreeMap::new(),
            rescued: BTreeMap::new(),
        }
    }

    /// Replies and items that the flight recorder keeps: those that were sent last, and those that were not sent.
    pub(crate) fn staged(&self, peer: usize) -> (Vec<ToPeer>, Vec<ToPeer>) {
        let Some(index) = self.peer_of.get(&peer) else { return Default::default() };
        let is_kept =
            |frame: &&ToPeer| matches!(frame, ToPeer::Done(_) | ToPeer::Item { .. } | ToPeer::ItemsEnd { .. });
        let kept = |frames: &[ToPeer]| frames.iter().filter(is_kept).cloned().collect();
        let index = index.0 as usize;
        (self.links.written.get(index).map(|frames| kept(frames)).unwrap_or_default(), kept(&self.links.out[index]))
    }

    /// The method of an actor, as this process numbers it.
    pub(crate) fn method(&mut self, actor: ActorId) -> FunctionIndex {
        if let Some(method) = self.methods.get(&actor) {
            return *method;
        }
        let index = self.core.actor(actor);
        let method = self.core.add_method(index, "method");
        self.methods.insert(actor, method);
        method
    }
}
